"""What is said of the deletion of things that Google keeps for a while, or for ever."""

import pytest

from plan.changes import CRYPTO_KEY, CUSTOM_ROLE, IDENTITY_POOL, KEY_RING, Change
from plan.words import notes, tell


@pytest.mark.parametrize(
    ("kind", "inputs", "words"),
    [
        (KEY_RING, {"name": "recsys"}, ["Key ring recsys leaves the stack", "Google keeps rings for ever"]),
        (
            CRYPTO_KEY,
            {"name": "storage", "destroyScheduledDuration": f"{30 * 86400}s"},
            ["Key storage is DELETED: its versions are destroyed in 30 days", "nobody can read what it has encrypted"],
        ),
        (
            CUSTOM_ROLE,
            {"roleId": "recsysActAs"},
            ["Custom role recsysActAs is DELETED", "undelete` brings it back for 7"],
        ),
        (IDENTITY_POOL, {"workloadIdentityPoolId": "github"}, ["pool github is DELETED", "back for 30 days"]),
    ],
)
def test_a_deletion_tells_what_stays_and_for_how_long(kind: str, inputs: dict[str, str], words: list[str]) -> None:
    told = "\n".join(tell(Change(op="delete", type=kind, name="it", old=inputs)).lines())
    assert [each for each in words if each not in told] == []


@pytest.mark.parametrize("kind", [KEY_RING, CRYPTO_KEY, CUSTOM_ROLE, IDENTITY_POOL])
def test_any_other_change_of_them_is_told_plainly(kind: str) -> None:
    told = tell(Change(op="update", type=kind, name="it", paths=("labels.team",)))
    assert told.headline.endswith(" it is changed in place: labels.team")


def test_a_key_that_goes_stands_before_an_account_that_goes() -> None:
    account = Change(op="delete", type="gcp:serviceaccount/account:Account", name="a", old={"accountId": "a"})
    key = Change(op="delete", type=CRYPTO_KEY, name="k", old={"name": "k"})
    assert [note.headline.split()[0] for note in notes([account, key])] == ["Key", "Service"]
