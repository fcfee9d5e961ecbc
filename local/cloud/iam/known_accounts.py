"""Which service accounts there are.

Owns: finding an account by e-mail or unique id, and whether it may be used. Does not own: their API (control/), or
Google's own accounts, which always are there.
"""

from typing import Any

from local.cloud.store import Store

KIND = "iam.serviceAccount"
DELETED = "iam.serviceAccount.deleted"
DOMAIN = ".iam.gserviceaccount.com"
_AGENTS = "@gcp-sa-"


def find(store: Store, wanted: str) -> dict[str, Any] | None:
    """The account of an e-mail or a unique id."""
    if "@" in wanted:
        return store.get(KIND, wanted)
    return next((body for _, body in store.list(KIND) if body["uniqueId"] == wanted), None)


def email_of(store: Store, wanted: str) -> str:
    """The e-mail of an account by either name, of a deleted one too; what names none is returned as it is."""
    found = find(store, wanted) or store.get(DELETED, wanted)
    return found["email"] if found else wanted


def use_of(store: Store, email: str) -> str | None:
    """What a credential of `email` is bound to: the account's unique id, so that it does not serve a later account of
    the same name; "" where no account of this cloud is behind it; None where the account is deleted or disabled.
    """
    if not email.endswith(DOMAIN) or _AGENTS in email:
        return ""
    return store.derived(KIND, email, _use)


def _use(account: dict[str, Any] | None) -> str | None:
    return None if account is None or account.get("disabled") else account.get("uniqueId", "")
