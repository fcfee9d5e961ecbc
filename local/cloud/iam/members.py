"""Whether a principal is among the members of a binding.

Owns: the forms of members and the groups that this cloud was told of. Does not own: their spelling (policies.py).
Source: https://cloud.google.com/iam/docs/principal-identifiers
"""

from collections.abc import Callable, Iterable
from typing import Any

from local.cloud.store import Store

_GROUP = "iam.group"
_BASIC_ROLE = {"projectOwner": "roles/owner", "projectEditor": "roles/editor", "projectViewer": "roles/viewer"}
_ACCOUNT_DOMAINS = (".gserviceaccount.com",)
_EVERYBODY = ("allUsers", "allAuthenticatedUsers")


class Members:
    def __init__(self, store: Store) -> None:
        self._store = store

    def match(
        self, email: str, members: Iterable[str], bindings_of: Callable[[str], Iterable[dict[str, Any]]]
    ) -> str | None:
        """The member that stands for the principal, None where none does."""
        own = member_of(email)
        return next((member for member in members if self._is(member, own, email, bindings_of)), None)

    def set_group(self, group: str, members: list[str]) -> dict[str, Any]:
        """Say who is in a group: members as policies name them."""
        return self._store.put(_GROUP, group, {"group": group, "members": members}, parent="")

    def _is(self, member: str, own: str, email: str, bindings_of: Callable[[str], Iterable[dict[str, Any]]]) -> bool:
        if member == own or member in _EVERYBODY:
            return True
        kind, _, value = member.partition(":")
        if kind == "domain":
            return own.startswith("user:") and email.endswith(f"@{value}")
        if kind == "group":
            return own in self._store.derived(_GROUP, value, _members)
        if role := _BASIC_ROLE.get(kind):
            holders = (binding["members"] for binding in bindings_of(f"projects/{value}") if binding["role"] == role)
            return any(own in each for each in holders)
        return False


def _members(group: dict[str, Any] | None) -> frozenset[str]:
    return frozenset(group["members"]) if group else frozenset()


def member_of(email: str) -> str:
    """How a policy names a principal."""
    return f"serviceAccount:{email}" if email.endswith(_ACCOUNT_DOMAINS) else f"user:{email}"
