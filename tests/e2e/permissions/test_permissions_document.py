"""docs/permissions.md tells the grants that are declared, and explains each that a run did not use."""

import re

import pytest

from infra import permissions
from tests.e2e.permissions import table
from tests.unit.infra.deploy import deploy

TEXT = table.TARGET.read_text(encoding="utf-8")
USED = {
    name: set(re.findall(r"^\| `(\S+)` \| .* \| yes \|$", part, re.MULTILINE))
    for name, part in re.findall(r"^## recsys-(\w+)\n(.*?)(?=^## )", TEXT, re.MULTILINE | re.DOTALL)
}


def test_the_document_is_what_the_declared_grants_render_to() -> None:
    """But for what was used, which `make permissions` finds out."""
    assert table.render(USED) == TEXT, "run `make permissions`"


def test_every_account_used_something_in_the_run() -> None:
    assert sorted(USED) == ["deployer", "keeper", "pipeline", "previewer", "submitter"]
    assert all(USED.values())


def test_the_documented_grants_are_the_ones_that_the_program_declares() -> None:
    declared = {
        (record.inputs["member"].partition("@")[0].rpartition("-")[2], record.inputs["role"].rpartition("/")[2])
        for record in deploy().records
        if "/roles/recsys" in str(record.inputs.get("role", "")) and "recsys-" in record.inputs["member"]
    }

    assert {(name, grant.role.role_id) for name, grants in table.granted().items() for _, grant in grants} == declared


def test_every_role_is_granted_to_somebody() -> None:
    granted = {grant.role.role_id for grants in table.granted().values() for _, grant in grants}

    assert granted == {role.role_id for role in permissions.ROLES}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"permission": "storage.objects.get", "granted": False}, "was refused storage.objects.get"),
        ({"permission": "aiplatform.endpoints.create", "granted": True}, r"not granted here: \['aiplatform.endpoints"),
    ],
)
def test_a_refusal_or_a_use_beyond_the_grants_stops_the_command(row: dict[str, object], words: str) -> None:
    principal = {"principal": "recsys-keeper@recsys-local.iam.gserviceaccount.com"}

    with pytest.raises(table.TableError, match=words):
        table.used([principal | row])


def test_an_unused_permission_that_nobody_explains_stops_the_command() -> None:
    with pytest.raises(table.TableError, match=r"pubsub\.topics\.publish is granted, was not used"):
        table.unused("pubsub.topics.publish")
