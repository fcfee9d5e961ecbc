"""Whether a principal is among the members of a binding.

Owns: the forms of members and the groups that this cloud was told of. Does not own: their spelling (policies.py).
Source: https://cloud.google.com/iam/docs/principal-identifiers
"""

from collections.abc import Callable, Iterable
from typing import Any

from local.cloud.store import Store

HoldsRole = Callable[[str, str], bool]

_GROUP = "iam.group"
_BASIC_ROLE = {"projectOwner": "roles/owner", "projectEditor": "roles/editor", "projectViewer": "roles/viewer"}
_ACCOUNT_DOMAINS = (".gserviceaccount.com",)


def _nobody(project: str, role: str) -> bool:  # noqa: ARG001
    return False


class Members:
    def __init__(self, store: Store) -> None:
        self._store = store

    def match(self, email: str, members: Iterable[str], holds_role: HoldsRole = _nobody) -> str | None:
        """The member that stands for the principal, None where none does.

        `holds_role(project, role)` says it of the project's own policy, for `projectEditor:PROJECT` and its like.
        """
        own = member_of(email)
        return next((member for member in members if self._is(member, own, email, holds_role)), None)

    def set_group(self, group: str, members: list[str]) -> dict[str, Any]:
        """Say who is in a group: members as policies name them."""
        return self._store.put(_GROUP, group, {"group": group, "members": members}, parent="")

    def _is(self, member: str, own: str, email: str, holds_role: HoldsRole) -> bool:
        if member in (own, "allUsers") or (member == "allAuthenticatedUsers" and email):
            return True
        kind, _, value = member.partition(":")
        if kind == "domain":
            return own.startswith("user:") and email.endswith(f"@{value}")
        if kind == "group":
            return own in self._store.derived(_GROUP, value, _members)
        role = _BASIC_ROLE.get(kind)
        return role is not None and holds_role(value, role)


def _members(group: dict[str, Any] | None) -> frozenset[str]:
    return frozenset(group["members"]) if group else frozenset()


def member_of(email: str) -> str:
    """How a policy names a principal."""
    return f"serviceAccount:{email}" if email.endswith(_ACCOUNT_DOMAINS) else f"user:{email}"
