"""The model in Vertex AI's registry: its versions and the alias that names the champion.

Owns: the calls to the registry. Does not own: which version deserves the alias (gate.py).
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from google.api_core.exceptions import NotFound

from pipeline.clients import Clients

CHAMPION = "champion"
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_UPLOAD_SECONDS = 600
_SERVING = {
    "command": ["python", "-m", "train.serve"],
    "ports": [{"containerPort": 8080}],
    "predictRoute": "/predict",
    "healthRoute": "/health",
}


class ModelVersion(NamedTuple):
    """One registered version: `projects/…/models/ID@VERSION` and the folder of its files."""

    name: str
    uri: str
    description: str
    labels: dict[str, str]
    aliases: tuple[str, ...]

    @property
    def id(self) -> str:
        return version_id(self.name)


class ModelRegistry:
    """The versions of one model."""

    def __init__(self, clients: Clients, model_name: str) -> None:
        self._vertex = clients.vertex
        self._location = clients.location
        self._model_id = model_name
        self.name = f"{clients.location}/models/{model_name}"

    def version(self, alias_or_id: str) -> ModelVersion | None:
        """The version of that alias or number, or None."""
        return self._get(f"{self.name}@{alias_or_id}")

    def champion(self) -> ModelVersion | None:
        return self.version(CHAMPION)

    def register(
        self, *, run_id: str, uri: str, image: str, description: str, labels: Mapping[str, str], servable: bool
    ) -> ModelVersion:
        """A new version of the model, created with its first; a run that is registered already keeps its version.

        A `servable` one has a bundle that its image serves, so that an endpoint can deploy it.
        """
        alias = run_id if _ALIAS.fullmatch(run_id) else ""
        if alias and (known := self.version(alias)):
            return known
        model = {
            "displayName": self._model_id,
            "versionDescription": description,
            "versionAliases": [alias] if alias else [],
            "artifactUri": uri,
            "containerSpec": {"imageUri": image} | (_SERVING if servable else {}),
            "labels": {key: label(value) for key, value in labels.items()},
        }
        identity = {"modelId": self._model_id} if self._get(self.name) is None else {"parentModel": self.name}
        operation = self._vertex.post(f"{self._location}/models:upload", {"model": model} | identity)
        uploaded = self._vertex.wait(operation, timeout_seconds=_UPLOAD_SECONDS)
        number = uploaded["modelVersionId"]
        registered = self.version(number)
        if registered is None:
            raise LookupError(f"modelVersionId = {number!r}: the registry does not know its new version")
        return registered

    def make_champion(self, version: str) -> None:
        """Move the alias to `projects/…/models/ID@VERSION`."""
        name = f"{self.name}@{version_id(version)}"
        self._vertex.post(f"{name}:mergeVersionAliases", {"versionAliases": [CHAMPION]})

    def _get(self, name: str) -> ModelVersion | None:
        try:
            model = self._vertex.get(name)
        except NotFound:
            return None
        return ModelVersion(
            name=f"{model['name'].partition('@')[0]}@{model['versionId']}",
            uri=model.get("artifactUri", ""),
            description=model.get("versionDescription", ""),
            labels=model.get("labels", {}),
            aliases=tuple(model.get("versionAliases", [])),
        )


def version_id(name: str) -> str:
    """The number in `projects/…/models/ID@VERSION`; the project may stand there by id or by number."""
    return name.rpartition("@")[2]


def label(value: str) -> str:
    """`value` as Google allows it for a label: lower case, 63 characters."""
    return re.sub(r"[^a-z0-9_-]", "-", value.lower())[:63]
