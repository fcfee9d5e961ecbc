"""What a role grants.

Owns: the predefined roles and the reading of custom ones. The table, predefined_roles.json, is dated, and holds of each
role the permissions on the kinds of resources that this cloud has.
Source: https://cloud.google.com/iam/docs/roles-permissions
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).with_name("predefined_roles.json")

# Named by the reference of the method that needs it; no predefined role listed it on the table's date.
# https://cloud.google.com/vertex-ai/docs/training/persistent-resource-reboot
_UNLISTED = {
    "aiplatform.persistentResources.update": ("roles/owner", "roles/editor", "roles/aiplatform.admin"),
}

# What the words of a dataset's access list stand for.
LEGACY_DATASET_ROLES = {
    "READER": "roles/bigquery.dataViewer",
    "WRITER": "roles/bigquery.dataEditor",
    "OWNER": "roles/bigquery.dataOwner",
}


class Roles:
    """`custom` tells what a custom role grants, by its name."""

    def __init__(self, custom: Callable[[str], frozenset[str]]) -> None:
        self._custom = custom

    def grants(self, role: str, permission: str) -> bool:
        return permission in self.permissions(role)

    def permissions(self, role: str) -> frozenset[str]:
        """Empty for a role that is not there, is deleted or is disabled."""
        if role.startswith("roles/"):
            return predefined().get(role, frozenset())
        return self._custom(role)


def included_permissions(role: dict[str, Any] | None) -> frozenset[str]:
    """What a stored custom role grants."""
    if role is None or role.get("deleted") or role.get("stage") == "DISABLED":
        return frozenset()
    return frozenset(role.get("includedPermissions", ()))


@cache
def predefined() -> dict[str, frozenset[str]]:
    """The permissions of each predefined role of the table."""
    roles: dict[str, frozenset[str]] = {}
    for name, role in _document()["roles"].items():
        listed = {f"{kind}.{verb}" for kind, verbs in role["permissions"].items() for verb in verbs.split()}
        listed |= {permission for permission, holders in _UNLISTED.items() if name in holders}
        roles[name] = frozenset(listed)
    return roles


def predefined_role(name: str) -> dict[str, Any] | None:
    """A predefined role as `roles.get` shows it."""
    held = _document()["roles"].get(name)
    if held is None:
        return None
    return {"name": name, "title": held["title"], "stage": "GA", "includedPermissions": sorted(predefined()[name])}


@cache
def _document() -> dict[str, Any]:
    return json.loads(_TABLE.read_text(encoding="utf-8"))
