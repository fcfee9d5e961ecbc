"""Where Google's APIs answer for whoever submits to this stack: the provider's own variables, turned into stack
outputs.

Endpoints are never a resource input, so that another port is no change. Pure: infra/settings.py hands the environment
in.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from contracts.stack_outputs import Endpoints

_VARIABLES = {
    "vertex": "GOOGLE_VERTEX_AI_CUSTOM_ENDPOINT",
    "storage": "GOOGLE_STORAGE_CUSTOM_ENDPOINT",
    "bigquery": "GOOGLE_BIG_QUERY_CUSTOM_ENDPOINT",
}


def endpoints(environment: Mapping[str, str]) -> Endpoints:
    """The origins of redirected APIs. The token file counts only there: at Google each submitter has credentials of
    their own."""
    origins = {name: _origin(environment.get(variable, "")) for name, variable in _VARIABLES.items()}
    token_file = environment.get("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "") if any(origins.values()) else ""
    return Endpoints(**origins, access_token_file=token_file)


def _origin(url: str) -> str:
    """Scheme and host of the provider's endpoint, which carries a path such as /storage/v1/."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
