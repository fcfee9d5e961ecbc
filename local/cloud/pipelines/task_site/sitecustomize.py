"""Tells KFP's executor where buckets are mounted on this host: it has /gcs/ written into its code. Speeds up pip.

Imported by a task's interpreter at its start, with nothing of the cloud beside it.
"""

import importlib.abc
import importlib.util
import os
import sys

_MODULE = "kfp.dsl.types.artifact_types"


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):  # noqa: ARG002 - the finder's signature
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_mount(module):
            execute(module)
            module._GCS_LOCAL_MOUNT_PREFIX = os.environ["KFP_GCS_MOUNT"]

        spec.loader.exec_module = execute_and_mount  # type: ignore[method-assign]
        return spec


if os.environ.get("KFP_GCS_MOUNT"):
    sys.meta_path.insert(0, _Finder())
if os.environ.get("STORAGE_EMULATOR_HOST"):
    import google_hosts

    google_hosts.install(os.environ["STORAGE_EMULATOR_HOST"])
if os.environ.get("TASK_PACKAGES"):
    import inner_environment

    inner_environment.see_the_images_packages(os.environ["TASK_PACKAGES"])
if os.environ.get("TASK_UV") and sys.orig_argv[1:4] == ["-m", "pip", "install"]:
    import pip_by_uv

    if pip_by_uv.answered(sys.orig_argv[1:]):
        os._exit(0)
