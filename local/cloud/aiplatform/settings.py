"""What whoever runs this cloud may choose about its Vertex AI: `PUT /_local/aiplatform/settings`.

Owns: the settings' names, bounds and defaults, and where they are kept. Times pass by the cloud's clock.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from local.cloud.errors import invalid_argument
from local.cloud.store import Store

_KIND = "aiplatform.settings"


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)

    persistent_resource_put: bool = Field(True, description="answer PUT on a persistent resource, as its provider does")
    refuse_when_busy: bool = Field(False, description="refuse a job whose replicas are not free now: no queue on pools")
    provisioning_seconds: float = Field(0.0, ge=0, description="how long the machines of an on-demand job take")
    pool_provisioning_seconds: float = Field(0.0, ge=0, description="how long a pool's machines take: made or rebooted")
    scale_down_seconds: float = Field(600.0, ge=0, description="how long an autoscaled pool is idle before it shrinks")
    requests_per_minute: int = Field(0, ge=0, description="of a project in a region; Google's limit is 600; 0 is none")
    submissions_per_minute: int = Field(0, ge=0, description="of jobs and operations; Google's limit is 60; 0 is none")
    replica_memory_mb: int = Field(0, ge=0, description="the most that a replica may hold; 0 is what its machine has")


class SettingsStore:
    """The settings in force."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.now = Settings.model_validate(store.get(_KIND, "all") or {})

    def change(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Change those that are named; all of them. Raises INVALID_ARGUMENT."""
        try:
            self.now = Settings.model_validate({**self.now.model_dump(by_alias=True), **wanted})
        except ValidationError as error:
            found = [(str(each["loc"][0]), f"{each['input']!r}: {each['msg']}") for each in error.errors()]
            raise invalid_argument(found) from None
        return self._store.put(_KIND, "all", self.now.model_dump(by_alias=True), parent="")
