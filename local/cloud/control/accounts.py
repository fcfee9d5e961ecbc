"""Service accounts.

Source: https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts
"""

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from local.cloud.bytes_fields import same_bytes
from local.cloud.call import Call
from local.cloud.clock import parse_rfc3339
from local.cloud.control.org_policies import NO_ACCOUNTS, refuse_where_enforced
from local.cloud.errors import aborted, already_exists, failed_precondition, invalid_argument, not_found
from local.cloud.iam.known_accounts import DELETED, DOMAIN, KIND, find
from local.cloud.masks import mask_paths, masked_update
from local.cloud.paging import page_of
from local.cloud.policy_routes import policy_routes
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

KEYS = "iam.serviceAccount.key"  # they go with the account, so that a new one of its name does not inherit them
_UNDELETE_DAYS = 30
_HIDDEN = ("deleteTime",)
_FIELDS = (
    *("*", "name", "projectId", "uniqueId", "email", "displayName", "etag", "description", "oauth2ClientId"),
    "disabled",
)


def account_routes(cloud: "Cloud") -> list[Route]:
    accounts = Accounts(cloud)
    cloud.policies.member_checks.append(accounts.problem_with_member)
    name = "/v1/{name=projects/*/serviceAccounts/*}"
    permission = "iam.serviceAccounts"
    return [
        Route("POST", "/v1/{name=projects/*}/serviceAccounts", accounts.create, f"{permission}.create"),
        Route("GET", "/v1/{name=projects/*}/serviceAccounts", accounts.list, f"{permission}.list"),
        Route("GET", name, accounts.get, f"{permission}.get"),
        Route("PATCH", name, accounts.patch, f"{permission}.update"),
        Route("PUT", name, accounts.update, f"{permission}.update"),
        Route("DELETE", name, accounts.delete, f"{permission}.delete"),
        Route("POST", f"{name}:enable", accounts.enable, f"{permission}.enable"),
        Route("POST", f"{name}:disable", accounts.disable, f"{permission}.disable"),
        Route("POST", f"{name}:undelete", accounts.undelete, f"{permission}.undelete"),
        *policy_routes(
            "/v1/{resource=projects/*/serviceAccounts/*}", accounts.resource, permission=permission, get_method="POST"
        ),
    ]


class Accounts:
    """By e-mail in the store. A name may give the e-mail or the unique id, and `-` for the project."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._store = cloud.store

    def create(self, call: Call) -> dict[str, Any]:
        body = call.object()
        wanted = body.get("serviceAccount") or {}
        if not isinstance(wanted, dict):
            raise invalid_argument([("serviceAccount", f"{wanted!r} is not an object")])
        account_id = body.get("accountId")
        found = Violations()
        rule = "must be 6 to 30 lowercase letters, digits and hyphens, the first a letter, the last no hyphen"
        found.matches(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", account_id, "accountId", rule)
        _check(found, wanted)
        found.refuse()
        project = self._cloud.projects.get(call.params["name"].split("/")[1])["projectId"]
        refuse_where_enforced(self._cloud, NO_ACCOUNTS, project, f"projects/{project}")
        email = f"{account_id}@{_domain(project)}"
        unique = "1" + "".join(secrets.choice("0123456789") for _ in range(20))
        account = {
            "name": f"projects/{project}/serviceAccounts/{email}",
            "projectId": project,
            "uniqueId": unique,
            "email": email,
            **{key: wanted[key] for key in ("displayName", "description") if wanted.get(key)},
            "oauth2ClientId": unique,
        }
        with self._store.transaction():
            if self._store.get(KIND, email):
                raise already_exists(f"Service account {account_id} already exists within project projects/{project}.")
            self._store.put(KIND, email, account, parent=f"projects/{project}")
        return _shown(account)

    def get(self, call: Call) -> dict[str, Any]:
        return _shown(self.named(call.params["name"]))

    def list(self, call: Call) -> dict[str, Any]:
        accounts = self._store.list(KIND, call.params["name"])
        return page_of(call, "accounts", accounts, default=20, most=100, render=_shown)

    def patch(self, call: Call) -> dict[str, Any]:
        """The account and the mask are both in the body."""
        body = call.object()
        return self._change(
            call, body.get("serviceAccount") or {}, body.get("updateMask") or "display_name,description"
        )

    def update(self, call: Call) -> dict[str, Any]:
        """PUT takes the display name and description of the account that is the body."""
        return self._change(call, call.object(), "display_name,description")

    def delete(self, call: Call) -> dict[str, Any]:
        with self._store.transaction():
            account = self.named(call.params["name"])
            self._store.delete(KIND, account["email"])
            self._store.delete_under(KEYS, f"{account['name']}/")
            self._cloud.policies.delete(account["name"])
            deleted = account | {"deleteTime": self._cloud.clock.timestamp()}
            self._store.put(DELETED, account["uniqueId"], deleted, parent="")
            self._cloud.policies.rename_member(*_members_of(account))
        return {}

    def undelete(self, call: Call) -> dict[str, Any]:
        """By unique id, within 30 days, unless the e-mail has been taken again."""
        unique = call.params["name"].rsplit("/", 1)[-1]
        with self._store.transaction():
            account = self._store.get(DELETED, unique)
            age = self._cloud.clock.now() - parse_rfc3339(account["deleteTime"]) if account else None
            if account is None or age is None or age.days >= _UNDELETE_DAYS:
                raise not_found(f"Service account with unique id {unique} was not deleted within {_UNDELETE_DAYS} days")
            if self._store.get(KIND, account["email"]):
                raise failed_precondition(f"{account['email']} has been created again: delete it first")
            self._store.delete(DELETED, unique)
            restored = {key: value for key, value in account.items() if key not in _HIDDEN}
            self._store.put(KIND, account["email"], restored, parent=f"projects/{account['projectId']}")
            self._cloud.policies.rename_member(*reversed(_members_of(account)))
        return {"restoredAccount": _shown(restored)}

    def enable(self, call: Call) -> dict[str, Any]:
        return self._switch(call, disabled=False)

    def disable(self, call: Call) -> dict[str, Any]:
        return self._switch(call, disabled=True)

    def resource(self, call: Call) -> str:
        return self.named(call.params["resource"])["name"]

    def problem_with_member(self, member: str) -> str | None:
        """Why a policy cannot name this member: an account of a project of this cloud that does not exist."""
        kind, _, email = member.partition(":")
        domain = email.partition("@")[2]
        if kind != "serviceAccount" or not domain.endswith(DOMAIN):
            return None
        project = domain.removesuffix(DOMAIN)
        if not self._cloud.projects.known(project) or self._store.get(KIND, email):
            return None
        return f"Service account {email} does not exist."

    def named(self, name: str) -> dict[str, Any]:
        _, project, _, wanted = name.split("/")
        found = find(self._store, wanted)
        if found is None or project not in ("-", found["projectId"]):
            raise not_found(f"Unknown service account: {wanted}")
        return found

    def _change(self, call: Call, wanted: dict[str, Any], mask: str) -> dict[str, Any]:
        found = Violations()
        _check(found, wanted)
        unknown = [path[0] for path in mask_paths(mask) if path[0] not in _FIELDS]
        found.unless(not unknown, "updateMask", f"{', '.join(unknown)} is no field of a service account")
        found.refuse()
        with self._store.transaction():
            account = self.named(call.params["name"])
            if wanted.get("etag") and not same_bytes(wanted["etag"], _etag(account)):
                raise aborted(
                    f"Service account {account['email']} was changed in the meantime: read it again and retry"
                )
            fixed = [key for key in account if key not in ("displayName", "description")]
            changed = masked_update(account, wanted, mask, fixed=[*fixed, "etag", "name"])
            self._store.put(KIND, account["email"], changed, parent=f"projects/{account['projectId']}")
        return _shown(changed)

    def _switch(self, call: Call, *, disabled: bool) -> dict[str, Any]:
        with self._store.transaction():
            account = self.named(call.params["name"])
            account.pop("disabled", None)
            changed = account | ({"disabled": True} if disabled else {})
            self._store.put(KIND, account["email"], changed, parent=f"projects/{account['projectId']}")
        return {}


def _members_of(account: dict[str, Any]) -> tuple[str, str]:
    """How policies name an account, and how once it is deleted."""
    name = f"serviceAccount:{account['email']}"
    return name, f"deleted:{name}?uid={account['uniqueId']}"


def _domain(project: str) -> str:
    """Of a domain-scoped project `example.com:p`, the parts change places."""
    scope, colon, rest = project.partition(":")
    return f"{rest}.{scope}{DOMAIN}" if colon else f"{project}{DOMAIN}"


def _check(found: Violations, account: dict[str, Any]) -> None:
    for field, most in (("displayName", 100), ("description", 256)):
        size = len(str(account.get(field) or "").encode())
        found.unless(size <= most, f"serviceAccount.{field}", f"{size} bytes are more than the {most} allowed")


def _etag(account: dict[str, Any]) -> str:
    """Of what PATCH changes: the provider reads an account, disables it and then patches it by what it had read."""
    patched = sorted((key, value) for key, value in account.items() if key != "disabled")
    return base64.b64encode(hashlib.sha256(repr(patched).encode()).digest()[:8]).decode()


def _shown(account: dict[str, Any]) -> dict[str, Any]:
    return account | {"etag": _etag(account)}
