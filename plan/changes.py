"""One planned change of one resource, as the rules of this package read it: what it was, what it would be.

Owns the reading of the engine's answer, of which it takes the JSON alone, so that a recorded plan reads the same.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

POOL = "gcp:vertex/aiPersistentResource:AiPersistentResource"
SCHEDULE = "gcp:colab/schedule:Schedule"
BUCKET = "gcp:storage/bucket:Bucket"
DATASET = "gcp:bigquery/dataset:Dataset"
TABLE = "gcp:bigquery/table:Table"
ACCOUNT = "gcp:serviceaccount/account:Account"
AUDIT = "gcp:projects/iAMAuditConfig:IAMAuditConfig"
FIREWALL = "gcp:compute/firewall:Firewall"
NAT = "gcp:compute/routerNat:RouterNat"
NETWORKS = (
    "gcp:compute/network:Network",
    "gcp:compute/subnetwork:Subnetwork",
    "gcp:compute/networkAttachment:NetworkAttachment",
    "gcp:compute/globalAddress:GlobalAddress",
    "gcp:servicenetworking/connection:Connection",
)
KEY_RING = "gcp:kms/keyRing:KeyRing"
CRYPTO_KEY = "gcp:kms/cryptoKey:CryptoKey"
CUSTOM_ROLE = "gcp:projects/iAMCustomRole:IAMCustomRole"
IDENTITY_POOL = "gcp:iam/workloadIdentityPool:WorkloadIdentityPool"

DESTRUCTIVE = ("replace", "delete")
_LABELS_OF_THE_PROVIDER = {"effectiveLabels", "pulumiLabels"}


@dataclass(frozen=True)
class Change:
    """`old` and `new` are the program's inputs, empty where there are none; `paths` are the properties that differ."""

    op: str
    type: str
    name: str
    old: Mapping[str, Any] = field(default_factory=dict)
    new: Mapping[str, Any] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    protected: bool = False

    @property
    def destructive(self) -> bool:
        return self.op in DESTRUCTIVE

    @property
    def is_grant(self) -> bool:
        kind = self.type.rpartition(":")[2].lower()
        return kind.endswith(("iammember", "iambinding", "iampolicy"))

    @property
    def kind(self) -> str:
        """The type as people say it: `AiPersistentResource`."""
        return self.type.rpartition(":")[2]

    def differs(self, key: str) -> bool:
        """Whether the program asks for another value of that property than it did."""
        return self.old.get(key) != self.new.get(key)

    @property
    def only_the_providers_labels(self) -> bool:
        """Whether nothing but `gcp:defaultLabels` can be the cause: labels differ, those of the program do not."""
        roots = {path.partition(".")[0].partition("[")[0] for path in self.paths}
        return bool(roots) and roots <= _LABELS_OF_THE_PROVIDER


def read(steps: Iterable[Mapping[str, Any]]) -> Iterator[Change]:
    """The changes among the steps of a plan's JSON; components and what stays as it is are none."""
    for step in steps:
        old, new = step.get("oldState") or {}, step.get("newState") or {}
        if step["op"] == "same" or not (old or new).get("custom"):
            continue
        yield Change(
            op=step["op"],
            type=step["type"],
            name=step["name"],
            old=without_marks(old.get("inputs") or {}),
            new=without_marks(new.get("inputs") or {}),
            paths=tuple(step.get("detailedDiff") or step.get("diff") or ()),
            protected=bool(old.get("protect")),
        )


def declared(steps: Iterable[Mapping[str, Any]]) -> Iterator[Change]:
    """Every resource that the program declares, whether it changes or not, in an order that is always the same."""
    for step in sorted(steps, key=lambda step: (step["type"], step["name"])):
        new = step.get("newState") or {}
        if new.get("custom") and step["op"] != "delete":
            inputs = without_marks(new.get("inputs") or {})
            yield Change(
                op="same", type=step["type"], name=step["name"], new=inputs, protected=bool(new.get("protect"))
            )


def without_marks(value: Any) -> Any:
    """Inputs without the provider's notes on which of them are its defaults."""
    if isinstance(value, Mapping):
        return {key: without_marks(item) for key, item in value.items() if key != "__defaults"}
    return [without_marks(item) for item in value] if isinstance(value, list) else value


def columns(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A table's columns by name; none where its schema is not known yet."""
    try:
        return {column["name"]: column for column in json.loads(table.get("schema") or "[]")}
    except ValueError:
        return {}
