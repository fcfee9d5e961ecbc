"""KFP as far as it compiles: without its client for a Kubeflow server, which brings Kubernetes' and is half of the time
that the package takes to import.

Owns: how the package is imported. Whoever needs the client imports `kfp.client` afterwards as ever.
"""

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType

_CLIENT = "kfp.client"

__all__ = ["OutputPath", "build_serverless_customjob_container_spec", "dsl"]


@contextlib.contextmanager
def _without_client() -> Iterator[None]:
    """`kfp` imports its client only to offer it; where the package is imported already there is nothing to save."""
    if "kfp" in sys.modules:
        yield
        return
    stand_in = ModuleType(_CLIENT, "Stands in for the client while kfp is imported.")
    stand_in.__dict__["Client"] = None
    sys.modules[_CLIENT] = stand_in
    try:
        yield
    finally:
        del sys.modules[_CLIENT]


with _without_client():
    from google_cloud_pipeline_components.utils import build_serverless_customjob_container_spec
    from kfp import dsl
    from kfp.dsl import OutputPath
