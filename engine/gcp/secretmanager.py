"""Secret Manager: secrets, their versions and who may read them."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

import base64
from typing import Any

from engine.gcp.api import RefusedError
from engine.gcp.iam import CONDITION_FIELDS, RestIamMember
from engine.gcp.labels import plan_annotations
from engine.gcp.resource import Call, ResourceType, RestType
from engine.values import Properties


class Secret(RestType):
    """A secret without its data. Google writes its name with the project's number."""

    type_name = "gcp:secretmanager/secret:Secret"
    noun = "Secret"
    service = "SECRET_MANAGER"
    services = {"SECRET_MANAGER"}
    identity = "projects/{project}/secrets/{secretId}"
    collection = "projects/{project}/secrets"
    create_query = {"secretId": "{secretId}"}
    waits = frozenset()
    table = """
    annotations map api=-
    createTime str out
    deletionPolicy str kept api=-
    deletionProtection bool default=false api=-
    effectiveAnnotations map out api=annotations sent
    effectiveLabels map out api=labels sent
    expireTime str kept
    labels map api=-
    name str out
    project str kept replace api=-
    pulumiLabels map out api=- tf=terraform_labels
    replication obj required replace
      auto obj replace one_of=kind sent api=automatic
        customerManagedEncryption obj
          kmsKeyName str required
      userManaged obj replace one_of=kind
        replicas objs required replace min=1
          customerManagedEncryption obj
            kmsKeyName str required
          location str required replace
    rotation obj
      nextRotationTime str
      rotationPeriod str
    secretId str required replace api=-
    tags map replace unread
    topics objs
      name str required
    ttl str unread
    versionAliases map
    versionDestroyTtl str
    """

    def customize(self, plan: Properties, prior: Properties | None, inputs: Properties) -> None:
        plan_annotations(plan, prior)

    def refuse_delete(self, outputs: Properties) -> str:
        if outputs.get("deletionProtection"):
            return (
                f"cannot destroy secret {outputs.get('id')} without setting deletion_protection=false and running up "
                "once"
            )
        return super().refuse_delete(outputs)

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        found = outputs["effectiveAnnotations"] = outputs["effectiveAnnotations"] or {}
        declared = known.get("annotations")
        outputs["annotations"] = {key: found[key] for key in declared if key in found} if declared else None


class SecretVersion(ResourceType):
    """One version of a secret's data, which is written once and never read back; deleting destroys it."""

    type_name = "gcp:secretmanager/secretVersion:SecretVersion"
    services = {"SECRET_MANAGER"}
    identity = "projects/{project}/secrets/{secret}/versions/{version}"
    follows_provider = False
    table = """
    createTime str out
    deletionPolicy str kept api=-
    destroyTime str out
    enabled bool default=true
    isSecretDataBase64 bool replace
    name str out
    project str kept replace
    secret str required replace same=last-segment
    secretData str replace secret one_of=data
    secretDataWo raw one_of=data
    secretDataWoVersion int replace default=0
    version str out
    """

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        data = plan["secretData"] or ""
        encoded = data if plan.get("isSecretDataBase64") else base64.b64encode(data.encode()).decode()
        body = {"payload": {"data": encoded}}
        answer = call.api.call("SECRET_MANAGER", "POST", f"{self._secret(plan)}:addVersion", body=body)
        self._switch(call, answer["name"], plan)
        outputs = self.read(call, answer["name"], plan)
        if outputs is None:
            raise AssertionError("a version that was just made is there")
        return answer["name"], outputs

    def _secret(self, plan: Properties) -> str:
        name = str(plan["secret"])
        return name if name.startswith("projects/") else f"projects/{plan['project']}/secrets/{name}"

    def _switch(self, call: Call, identity: str, plan: Properties) -> None:
        verb = "enable" if plan.get("enabled") else "disable"
        call.api.call("SECRET_MANAGER", "POST", f"{identity}:{verb}")

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        answer = call.api.find("SECRET_MANAGER", identity)
        if answer is None or answer["state"] == "DESTROYED":
            return None
        kept = {field.name: known.get(field.name) for field in self.fields}
        return kept | {
            "createTime": answer.get("createTime", ""),
            "destroyTime": answer.get("destroyTime", ""),
            "enabled": answer["state"] == "ENABLED",
            "isSecretDataBase64": bool(known.get("isSecretDataBase64")),
            "name": answer["name"],
            "project": None,
            "version": str(answer["name"]).rsplit("/", 1)[-1],
            "id": identity,
        }

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        if bool(plan.get("enabled")) != bool(prior.get("enabled")):
            self._switch(call, identity, plan)
        return self.read(call, identity, plan) or plan

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        verb = "disable" if prior.get("deletionPolicy") == "DISABLE" else "destroy"
        try:
            call.api.call("SECRET_MANAGER", "POST", f"{identity}:{verb}")
        except RefusedError as error:
            if error.status != 404:
                raise


class SecretIamMember(RestIamMember):
    type_name = "gcp:secretmanager/secretIamMember:SecretIamMember"
    service = "SECRET_MANAGER"
    services = {"SECRET_MANAGER"}
    named = "secretId"
    holder = "projects/{project}/secrets/{secretId}"
    policy_query = {"options.requestedPolicyVersion": "3"}
    table = (
        """
    project str kept replace
    secretId str required replace same=last-segment
"""
        + CONDITION_FIELDS
    )
