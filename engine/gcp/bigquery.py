"""BigQuery datasets, and who may use them."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

from typing import Any

from engine.errors import AlreadyExistsError, OperationError
from engine.gcp.api import RefusedError
from engine.gcp.iam import CONDITION_FIELDS, IamMember
from engine.gcp.resource import Call, RestType, fill
from engine.gcp.sameness import normal_member
from engine.values import Properties

_V3 = {"accessPolicyVersion": "3"}
_LEGACY = {
    "OWNER": "roles/bigquery.dataOwner",
    "WRITER": "roles/bigquery.dataEditor",
    "READER": "roles/bigquery.dataViewer",
}
_SPECIAL = {"allAuthenticatedUsers", "projectOwners", "projectReaders", "projectWriters"}
_KINDS = {"user": "userByEmail", "serviceAccount": "userByEmail", "group": "groupByEmail", "domain": "domain"}


class Dataset(RestType):
    """A dataset; an update sends the whole of it, but its access only where that changed."""

    type_name = "gcp:bigquery/dataset:Dataset"
    noun = "Dataset"
    service = "BIG_QUERY"
    services = {"BIG_QUERY"}
    identity = "projects/{project}/datasets/{datasetId}"
    collection = "projects/{project}/datasets"
    update_method = "PUT"
    waits = frozenset()
    table = """
    accesses objset kept tf=access
      condition obj
        description str
        expression str required
        location str
        title str
      dataset obj
        dataset obj required
          datasetId str required
          projectId str required
        targetTypes strs required
      domain str
      groupByEmail str
      iamMember str
      role str
      routine obj
        datasetId str required
        projectId str required
        routineId str required
      specialGroup str
      userByEmail str
      view obj
        datasetId str required
        projectId str required
        tableId str required
    creationTime int64 out
    datasetId str required replace check=dataset-id api=datasetReference.datasetId
    defaultCollation str kept sent
    defaultEncryptionConfiguration obj
      kmsKeyName str required
    defaultPartitionExpirationMs int
    defaultTableExpirationMs int check=hour
    deleteContentsOnDestroy bool default=false api=-
    deletionPolicy str kept api=-
    description str
    effectiveLabels map out api=labels sent
    etag str out
    externalCatalogDatasetOptions raw
    externalDatasetReference raw replace
    friendlyName str
    isCaseInsensitive bool kept
    labels map api=-
    lastModifiedTime int64 out
    location str replace default="US" same=fold
    maxTimeTravelHours str kept
    project str kept replace api=-
    pulumiLabels map out api=- tf=terraform_labels
    resourceTags map
    selfLink str out
    storageBillingModel str kept
    """

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        identity = fill(self.identity, plan)
        try:
            call.api.call(self.service, "POST", fill(self.collection, plan), body=self.body(plan), query=_V3)
        except RefusedError as error:
            if error.status == 409:
                raise AlreadyExistsError(str(error), identity) from error
            raise
        return self.read_back(call, identity, plan)

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        answer = call.api.find(self.service, identity, query=_V3)
        if answer is None:
            return None
        access = [{**entry, "role": _read_role(entry.get("role"))} for entry in answer.get("access") or []]
        return self.outputs({**answer, "access": access}, known) | {"id": identity}

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        changed = {change.key for change in self.compare(prior, plan)}
        if any(self.by_name[key].api != "-" for key in changed):
            body = self.body(plan)
            if "accesses" not in changed:
                body.pop("access", None)
            for key in changed:
                if plan.get(key) is None and "." not in (path := self.by_name[key].api) and path != "-":
                    body[path] = None
            call.api.call(self.service, "PUT", identity, body=body, query=_V3)
        return self.read_back(call, identity, plan)[1]

    def delete_query(self, prior: Properties) -> dict[str, str]:
        return {"deleteContents": "true" if prior.get("deleteContentsOnDestroy") else "false"}


def _read_role(role: str | None) -> str:
    """The legacy name that the API gives to a role, and that programs write."""
    legacy = {full: short for short, full in _LEGACY.items()}
    return legacy.get(role or "", role or "")


class DatasetIamMember(IamMember):
    """A member of a dataset, kept as an entry of its access list."""

    type_name = "gcp:bigquery/datasetIamMember:DatasetIamMember"
    services = {"BIG_QUERY"}
    holder = "projects/{project}/datasets/{datasetId}"
    table = (
        """
    datasetId str required replace
    project str kept replace
"""
        + CONDITION_FIELDS
    )

    def get_policy(self, call: Call, holder: str, values: Properties) -> dict[str, Any] | None:
        dataset = call.api.find("BIG_QUERY", holder, query=_V3)
        if dataset is None:
            return None
        return {"bindings": bindings_of(dataset.get("access") or []), "others": others_of(dataset.get("access") or [])}

    def set_policy(self, call: Call, holder: str, policy: dict[str, Any], values: Properties) -> dict[str, Any]:
        role = values["role"]
        if role in _LEGACY:
            raise OperationError(
                f"BigQuery Dataset legacy role {role} is not allowed when using google_bigquery_dataset_iam "
                f"resources. Please use the full form: {_LEGACY[role]}"
            )
        access = access_of(policy["bindings"]) + policy["others"]
        call.api.call("BIG_QUERY", "PATCH", holder, body={"access": access}, query=_V3)
        return {"bindings": policy["bindings"]}


def others_of(access: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries that are no members: authorised views, routines and datasets."""
    return [entry for entry in access if {"dataset", "view", "routine"} & set(entry)]


def bindings_of(access: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The access list as IAM bindings, legacy roles by their full names."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in access:
        if "role" not in entry:
            continue
        role = str(_LEGACY.get(entry["role"], entry["role"]))
        condition = entry.get("condition")
        binding = found.setdefault((role, repr(condition)), {"role": role, "members": []})
        if condition:
            binding["condition"] = condition
        binding["members"].append(_member_of(entry))
    return list(found.values())


def _member_of(entry: dict[str, Any]) -> str:
    if "specialGroup" in entry:
        return entry["specialGroup"]
    if "userByEmail" in entry:
        email = entry["userByEmail"]
        return f"serviceAccount:{email}" if email.endswith("gserviceaccount.com") else f"user:{email}"
    if "groupByEmail" in entry:
        return f"group:{entry['groupByEmail']}"
    if "domain" in entry:
        return f"domain:{entry['domain']}"
    return f"iamMember:{entry.get('iamMember', '')}"


def access_of(bindings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The bindings as entries of an access list, in a stable order."""
    entries: list[dict[str, Any]] = []
    for binding in sorted(bindings, key=lambda binding: binding["role"]):
        for member in binding["members"]:
            condition = {"condition": binding["condition"]} if binding.get("condition") else {}
            entries.append({"role": binding["role"], **_entry_of(member), **condition})
    return entries


def _entry_of(member: str) -> dict[str, str]:
    if member in _SPECIAL:
        return {"specialGroup": member}
    kind, _, name = member.partition(":")
    if kind in _KINDS:
        return {_KINDS[kind]: normal_member(member).partition(":")[2]}
    return {"iamMember": name if kind == "iamMember" else member}
