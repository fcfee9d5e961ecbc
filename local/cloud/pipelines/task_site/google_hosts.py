"""Leads what Google's pipeline components ask of https://….googleapis.com to this cloud: the hosts are in their code.

Imported by a task's interpreter at its start, with nothing of the cloud beside it.
"""

import importlib.abc
import importlib.util
import re
import sys

_MODULE = "requests.sessions"
_GOOGLE = re.compile(r"https://[a-z0-9.-]+\.googleapis\.com/")


class Redirect(importlib.abc.MetaPathFinder):
    """Changes `requests` when it is imported, so that its sessions send to `cloud` what is meant for Google."""

    def __init__(self, cloud):
        self._cloud = cloud.rstrip("/") + "/"

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002 - the finder's signature
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_redirect(module):
            execute(module)
            send = module.Session.request

            def request(session, method, url, *args, **options):
                return send(session, method, self.address(url), *args, **options)

            module.Session.request = request

        spec.loader.exec_module = execute_and_redirect  # type: ignore[method-assign]
        return spec

    def address(self, url):
        return _GOOGLE.sub(self._cloud, url, count=1) if isinstance(url, str) else url
