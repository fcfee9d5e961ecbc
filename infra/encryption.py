"""Keys of our own in place of Google's (CMEK): one for each service that stores something, turned over on a schedule.

A service encrypts as its agent, so the agent exists and may use the key before the first resource names it. Rings and
keys outlive the stack: Google deletes none. After a `destroy`, `pulumi import` adopts them again. Without a key's
versions what it has encrypted cannot be read by anybody, which is why destroying one takes 30 days.

Source: https://cloud.google.com/vertex-ai/docs/general/cmek
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp
from pulumi import Input, Output, ResourceOptions

from infra import naming
from infra.naming import Names
from infra.stack_config import EncryptionSettings

_ROLE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
_DAY_SECONDS = 86_400
_DESTRUCTION_SECONDS = 30 * _DAY_SECONDS


@dataclass(frozen=True)
class Key:
    """`name` is known before the key is; `usable` is what must be there before it can be used."""

    name: str
    usable: tuple[pulumi.Resource, ...]


def usable(key: Key | None) -> tuple[pulumi.Resource, ...]:
    return key.usable if key else ()


class EncryptionKeys(pulumi.ComponentResource):
    """`keys` by service: storage, bigquery, artifactregistry, aiplatform. In the region of what they encrypt."""

    def __init__(
        self,
        name: str,
        *,
        names: Names,
        settings: EncryptionSettings,
        vertex_agent: Output[str],
        protect: bool,
        labels: dict[str, str],
        after: Sequence[pulumi.Resource],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:EncryptionKeys", name, None, opts)
        self._names, self._settings, self._labels, self._guarded = names, settings, labels, protect
        self._ring = gcp.kms.KeyRing(
            f"{name}-ring",
            name=naming.KEY_RING,
            location=names.region,
            opts=ResourceOptions(parent=self, depends_on=list(after), protect=protect),
        )
        agents = {"aiplatform": vertex_agent, **self._agents(after)}
        self.keys = {service: self._key(service, agent) for service, agent in agents.items()}
        self.register_outputs({})

    def _agents(self, after: Sequence[pulumi.Resource]) -> dict[str, Output[str]]:
        """Members by service. Asking for those of Cloud Storage and BigQuery creates them."""
        project = self._names.project
        registry = gcp.projects.ServiceIdentity(
            f"{self.pulumi_resource_name}-artifactregistry-agent",
            project=project,
            service="artifactregistry.googleapis.com",
            opts=ResourceOptions(parent=self, depends_on=list(after)),
        )
        asked = pulumi.InvokeOutputOptions(parent=self)
        storage = gcp.storage.get_project_service_account_output(project=project, opts=asked)
        bigquery = gcp.bigquery.get_default_service_account_output(project=project, opts=asked)
        return {
            "artifactregistry": registry.member,
            "storage": storage.email_address.apply("serviceAccount:{}".format),
            "bigquery": bigquery.email.apply("serviceAccount:{}".format),
        }

    def _key(self, service: str, agent: Input[str]) -> Key:
        key = gcp.kms.CryptoKey(
            f"{self.pulumi_resource_name}-{service}",
            name=service,
            key_ring=self._ring.id,
            rotation_period=f"{self._settings.rotation_days * _DAY_SECONDS}s",
            destroy_scheduled_duration=f"{_DESTRUCTION_SECONDS}s",
            labels=self._labels,
            opts=ResourceOptions(parent=self, protect=self._guarded),
        )
        grant = gcp.kms.CryptoKeyIAMMember(
            f"{self.pulumi_resource_name}-{service}-agent",
            crypto_key_id=key.id,
            role=_ROLE,
            member=agent,
            opts=ResourceOptions(parent=self),
        )
        return Key(self._names.kms_key(service), (key, grant))
