"""The model in Vertex AI's registry: its versions and the alias that names the champion.

Owns: the calls to the registry. Does not own: which version deserves the alias (gate.py).
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

from google.api_core.exceptions import NotFound

from pipeline.clients import Clients

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1.types import UploadModelResponse

CHAMPION = "champion"
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_UPLOAD_SECONDS = 600


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
        self._client = clients.models
        self._parent = clients.location
        self.name = f"{clients.location}/models/{model_name}"
        self._model_id = model_name

    def version(self, alias_or_id: str) -> ModelVersion | None:
        """The version of that alias or number, or None."""
        return self._get(f"{self.name}@{alias_or_id}")

    def champion(self) -> ModelVersion | None:
        return self.version(CHAMPION)

    def register(
        self, *, run_id: str, uri: str, image: str, description: str, labels: Mapping[str, str]
    ) -> ModelVersion:
        """A new version of the model, created with its first; a run that is registered already keeps its version."""
        from google.cloud.aiplatform_v1.types import Model, ModelContainerSpec, UploadModelRequest

        alias = run_id if _ALIAS.fullmatch(run_id) else ""
        if alias and (known := self.version(alias)):
            return known
        model = Model(
            display_name=self._model_id,
            version_description=description,
            version_aliases=[alias] if alias else [],
            artifact_uri=uri,
            container_spec=ModelContainerSpec(image_uri=image),
            labels={key: label(value) for key, value in labels.items()},
        )
        request = UploadModelRequest(parent=self._parent, model=model)
        if self._get(self.name) is None:
            request.model_id = self._model_id
        else:
            request.parent_model = self.name
        uploaded = cast(
            "UploadModelResponse", self._client.upload_model(request=request).result(timeout=_UPLOAD_SECONDS)
        )
        registered = self.version(uploaded.model_version_id)
        if registered is None:
            number = uploaded.model_version_id
            raise LookupError(f"model_version_id = {number!r}: the registry does not know its new version")
        return registered

    def make_champion(self, version: str) -> None:
        """Move the alias to `projects/…/models/ID@VERSION`."""
        self._client.merge_version_aliases(name=f"{self.name}@{version_id(version)}", version_aliases=[CHAMPION])

    def _get(self, name: str) -> ModelVersion | None:
        try:
            model = self._client.get_model(name=name)
        except NotFound:
            return None
        return ModelVersion(
            name=f"{model.name.partition('@')[0]}@{model.version_id}",
            uri=model.artifact_uri,
            description=model.version_description,
            labels=dict(model.labels),
            aliases=tuple(model.version_aliases),
        )


def version_id(name: str) -> str:
    """The number in `projects/…/models/ID@VERSION`; the project may stand there by id or by number."""
    return name.rpartition("@")[2]


def label(value: str) -> str:
    """`value` as Google allows it for a label: lower case, 63 characters."""
    return re.sub(r"[^a-z0-9_-]", "-", value.lower())[:63]
