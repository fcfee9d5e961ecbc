"""Leads a task's Google clients to this cloud where no variable can: Vertex AI's clients, and addresses in code.

Google's clients of Storage and BigQuery read in the environment where they are pointed. Those of Vertex AI do not, and
Google's own pipeline components have addresses in their code: both are changed when they are imported. A client that
is told another address than Google's keeps it. Imported by a task's interpreter at its start, with nothing beside it.
"""

import importlib.abc
import importlib.util
import re
import sys

_CLIENTS = re.compile(r"google\.cloud\.aiplatform_v1(beta1)?\.services\.\w+\.client")
_GOOGLE = re.compile(
    r"https://([a-z0-9-]+-)?aiplatform\.googleapis\.com/|https://bigquery\.googleapis\.com/"
    r"|https://www\.googleapis\.com/(?=bigquery/)"
)


class Redirect(importlib.abc.MetaPathFinder):
    """Changes `requests` and the clients of Vertex AI after their import, so that they reach `cloud`."""

    def __init__(self, cloud):
        self._cloud = cloud.rstrip("/")
        self._looking = set()

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002 - the finder's signature
        change = self._change_of(name)
        if change is None or name in self._looking:
            return None
        self._looking.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._looking.discard(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_change(module):
            execute(module)
            change(module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec

    def address(self, url):
        return _GOOGLE.sub(f"{self._cloud}/", url, count=1) if isinstance(url, str) else url

    def _change_of(self, name):
        if name == "requests.sessions":
            return self._redirect_sessions
        return self._redirect_clients if _CLIENTS.fullmatch(name) else None

    def _redirect_sessions(self, module):
        send = module.Session.request

        def request(session, method, url, *args, **options):
            return send(session, method, self.address(url), *args, **options)

        module.Session.request = request

    def _redirect_clients(self, module):
        for name, kind in list(vars(module).items()):
            if name.endswith("Client") and hasattr(kind, "get_transport_class") and kind.__module__ == module.__name__:
                kind.__init__ = self._over_rest(kind.__init__)

    def _over_rest(self, made):
        def make(client, **options):
            asked = options.get("client_options") or {}
            told = asked.get("api_endpoint") if isinstance(asked, dict) else asked.api_endpoint
            if not told or told.endswith(".googleapis.com"):
                options |= {"transport": "rest", "client_options": {"api_endpoint": self._cloud}}
            made(client, **options)

        return make


def install(cloud):
    sys.meta_path.insert(0, Redirect(cloud))
