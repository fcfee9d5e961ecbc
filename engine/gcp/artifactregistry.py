"""Artifact Registry repositories."""

# ruff: noqa: RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

from typing import Any

from engine.gcp.resource import RestType
from engine.values import Properties


class Repository(RestType):
    """A repository; its cleanup policies are a map in Google's JSON and a set of objects in the program."""

    type_name = "gcp:artifactregistry/repository:Repository"
    noun = "Repository"
    service = "ARTIFACT_REGISTRY"
    services = {"ARTIFACT_REGISTRY"}
    identity = "projects/{project}/locations/{location}/repositories/{repositoryId}"
    collection = "projects/{project}/locations/{location}/repositories"
    create_query = {"repository_id": "{repositoryId}"}
    create_only = {"format", "mode", "kmsKeyName"}
    table = """
    cleanupPolicies objset
      action str check=cleanup-action
      condition obj
        newerThan str same=seconds
        olderThan str same=seconds
        packageNamePrefixes strs
        tagPrefixes strs
        tagState str default="ANY" check=tag-state
        versionNamePrefixes strs
      id str required api=-
      mostRecentVersions obj
        keepCount int
        packageNamePrefixes strs
    cleanupPolicyDryRun bool
    createTime str out
    deletionPolicy str kept api=-
    description str
    dockerConfig obj
      immutableTags bool
    effectiveLabels map out api=labels sent
    format str required replace same=fold
    kmsKeyName str replace
    labels map api=-
    location str kept replace api=-
    mavenConfig obj same=off
      allowSnapshotOverwrites bool replace
      versionPolicy str replace default="VERSION_POLICY_UNSPECIFIED"
    mode str replace default="STANDARD_REPOSITORY" check=repository-mode
    name str out
    project str kept replace api=-
    pulumiLabels map out api=- tf=terraform_labels
    registryUri str out
    remoteRepositoryConfig raw replace not_with=virtualRepositoryConfig
    repositoryId str required replace api=-
    updateTime str out
    virtualRepositoryConfig raw not_with=remoteRepositoryConfig
    vulnerabilityScanningConfig obj kept
      enablementConfig str check=scanning
      enablementState str out
      enablementStateReason str out
    """

    def body(self, plan: Properties) -> dict[str, Any]:
        body = super().body(plan)
        policies = body.pop("cleanupPolicies", None)
        if policies:
            names = [policy["id"] for policy in plan["cleanupPolicies"]]
            body["cleanupPolicies"] = dict(zip(names, policies, strict=True))
        return body

    def read(self, call: Any, identity: str, known: Properties) -> Properties | None:
        answer = call.api.find(self.service, identity)
        if answer is None:
            return None
        policies = answer.get("cleanupPolicies") or {}
        as_list = {**answer, "cleanupPolicies": [policies[name] for name in sorted(policies)]}
        outputs = self.outputs(as_list, known)
        for name, policy in zip(sorted(policies), outputs["cleanupPolicies"], strict=True):
            policy["id"] = name
        outputs["name"] = str(answer["name"]).rsplit("/", 1)[-1]
        return outputs | {"id": identity}
