"""Workload identity federation: pools and their providers, by which outside identities act as service accounts."""

# ruff: noqa: RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

from engine.gcp.resource import Call, RestType
from engine.values import Properties

_GONE = "DELETED"


class _Federated(RestType):
    """What stays at Google for thirty days once it is deleted, and reads as gone meanwhile."""

    service = "IAM_BETA"
    services = {"IAM_BETA"}
    waits = frozenset({"create", "update", "delete"})

    def take_back(self, call: Call, identity: str, plan: Properties) -> bool:
        if call.api.call(self.service, "GET", identity).get("state") != _GONE:
            return False
        self.finish(call, call.api.call(self.service, "POST", f"{identity}:undelete", body={}), "undelete")
        body = self.update_body(plan)
        query = {"updateMask": ",".join(sorted(body))}
        self.finish(call, call.api.call(self.service, "PATCH", identity, body=body, query=query), "update")
        self.settle(call, identity, plan)
        return True


class WorkloadIdentityPool(_Federated):
    """A pool."""

    type_name = "gcp:iam/workloadIdentityPool:WorkloadIdentityPool"
    noun = "WorkloadIdentityPool"
    kept = "a workload identity pool can be undeleted for 30 days; up does"
    identity = "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}"
    collection = "projects/{project}/locations/global/workloadIdentityPools"
    create_query = {"workloadIdentityPoolId": "{workloadIdentityPoolId}"}
    table = """
    attestationRules objset api=-
      googleCloudResource str required
    deletionPolicy str kept api=-
    description str
    disabled bool
    displayName str
    inlineCertificateIssuanceConfig raw
    inlineTrustConfig raw
    mode str kept check=in:FEDERATION_ONLY,TRUST_DOMAIN,SYSTEM_TRUST_DOMAIN
    name str out
    project str kept replace api=-
    state str out
    workloadIdentityPoolId str required replace api=- check=federation-id
    """

    def settle(self, call: Call, identity: str, plan: Properties) -> None:
        if plan.get("attestationRules"):
            self._set_rules(call, identity, plan)

    def _set_rules(self, call: Call, identity: str, plan: Properties) -> None:
        rules = [{"googleCloudResource": rule["googleCloudResource"]} for rule in plan.get("attestationRules") or []]
        path, body = f"{identity}:setAttestationRules", {"attestationRules": rules}
        self.finish(call, call.api.call(self.service, "POST", path, body=body), "update")

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        answer = call.api.find(self.service, identity)
        if answer is None or answer.get("state") == _GONE:
            return None
        rules = call.api.call(self.service, "GET", f"{identity}:listAttestationRules").get("attestationRules") or []
        return self.outputs(answer, known) | {"attestationRules": rules, "id": identity}

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        if any(change.key == "attestationRules" for change in self.compare(prior, plan)):
            self._set_rules(call, identity, plan)
        return super().update(call, identity, prior, plan)


class WorkloadIdentityPoolProvider(_Federated):
    """Whose tokens a pool takes, and what it reads in them."""

    type_name = "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider"
    noun = "WorkloadIdentityPoolProvider"
    kept = "its provider can be undeleted for 30 days; up does"
    collection = "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}/providers"
    identity = collection + "/{workloadIdentityPoolProviderId}"
    create_query = {"workloadIdentityPoolProviderId": "{workloadIdentityPoolProviderId}"}
    table = """
    attributeCondition str
    attributeMapping map
    aws obj one_of=issuer
      accountId str required
    deletionPolicy str kept api=-
    description str
    disabled bool
    displayName str
    name str out
    oidc obj one_of=issuer
      allowedAudiences strs null
      issuerUri str required
      jwksJson str
    project str kept replace api=-
    saml obj one_of=issuer
      idpMetadataXml str required
    state str out
    workloadIdentityPoolId str required replace api=-
    workloadIdentityPoolProviderId str required replace api=- check=federation-id
    x509 obj one_of=issuer
      trustStore obj required
        intermediateCas objs
          pemCertificate str
        trustAnchors objs required
          pemCertificate str
    """

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        outputs = super().read(call, identity, known)
        return None if outputs is None or outputs["state"] == _GONE else outputs
