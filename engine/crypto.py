"""Secrets of a state and of a stack file, encrypted as Pulumi's passphrase provider does it.

The key is PBKDF2-SHA256 of the passphrase (a million rounds, about half a second: done once, when first needed),
values are AES-256-GCM.
Other secrets providers (a cloud's key service, Pulumi's own) are read as ciphertext only.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.values import Ciphertext, Value, from_json

_ROUNDS = 1_000_000
_PROOF = "pulumi"


class WrongPassphraseError(EngineError):
    """The passphrase does not open what it should."""


def passphrase_of(environment: Mapping[str, str]) -> str | None:
    """The passphrase that Pulumi's own variables give, if any; an empty one counts."""
    if "PULUMI_CONFIG_PASSPHRASE" in environment:
        return environment["PULUMI_CONFIG_PASSPHRASE"]
    if path := environment.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise EngineError(
                f"PULUMI_CONFIG_PASSPHRASE_FILE={path!r} cannot be read ({error.strerror}): name a readable file"
            ) from error
    return None


def passphrase_beside(folder: Path) -> tuple[str, Path, bool]:
    """The passphrase kept in the backend's own folder (made if needed), its path, and whether it was made just now."""
    path = folder / "passphrase"
    if path.exists():
        return path.read_text().strip(), path, False
    folder.mkdir(parents=True, exist_ok=True)
    phrase = secrets.token_urlsafe(32)
    with contextlib.suppress(FileExistsError):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(phrase + "\n")
        return phrase, path, True
    return path.read_text().strip(), path, False


@cache
def _derived(passphrase: bytes, salt: bytes, rounds: int) -> bytes:
    """The key, which takes half a second the first time."""
    return hashlib.pbkdf2_hmac("sha256", passphrase, salt, rounds, 32)


def _raw(salt: str) -> bytes:
    """The salt's bytes; raises EngineError if it is none."""
    try:
        version, text, _ = salt.split(":", 2)
        return {"v1": base64.b64decode(text)}[version]
    except (ValueError, KeyError) as error:
        raise EngineError(
            f"the salt {salt[:16]!r} is none of Pulumi's (v1:SALT:PROOF): restore the file that holds it, as "
            "encryptionsalt in a stack file or as salt in a state"
        ) from error


class PassphraseCrypter:
    """Encrypts and decrypts with one passphrase and one salt."""

    def __init__(self, passphrase: str, salt: str | None = None) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        raw_salt = _raw(salt) if salt else secrets.token_bytes(8)
        self._cipher = AESGCM(_derived(passphrase.encode(), raw_salt, _ROUNDS))
        self._known: dict[str, str] = {}
        self.salt = salt or f"v1:{base64.b64encode(raw_salt).decode()}:{self.encrypt(_PROOF)}"
        if salt:
            self._prove(salt)

    def _prove(self, salt: str) -> None:
        try:
            proof = self.decrypt_text(salt.split(":", 2)[2])
        except WrongPassphraseError:
            proof = ""
        if proof != _PROOF:
            raise WrongPassphraseError(
                "incorrect passphrase: the secrets were encrypted with another one. Set PULUMI_CONFIG_PASSPHRASE or "
                "PULUMI_CONFIG_PASSPHRASE_FILE to it"
            )

    def encrypt(self, text: str) -> str:
        """The ciphertext of a text; a text read from the state before keeps the ciphertext it had."""
        if text not in self._known:
            nonce = secrets.token_bytes(12)
            sealed = self._cipher.encrypt(nonce, text.encode(), None)
            self._known[text] = f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"
        return self._known[text]

    def decrypt_text(self, ciphertext: str) -> str:
        from cryptography.exceptions import InvalidTag

        try:
            _, nonce, sealed = ciphertext.split(":")
            text = self._cipher.decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None).decode()
        except (ValueError, InvalidTag) as error:
            raise WrongPassphraseError(
                f"the secret {ciphertext[:16]!r}... is damaged, or was encrypted with another passphrase or salt: "
                "restore the file that holds it"
            ) from error
        self._known.setdefault(text, ciphertext)
        return text

    def decrypt(self, ciphertext: str) -> Value:
        """The value of a secret in a checkpoint."""
        return from_json(json.loads(self.decrypt_text(ciphertext)))

    def provider(self) -> dict[str, Any]:
        """What a checkpoint says of its secrets provider."""
        return {"type": "passphrase", "state": {"salt": self.salt}}


class SecretsManager:
    """The secrets of one stack: opens what the state holds, seals what it will hold."""

    def __init__(
        self, environment: Mapping[str, str], folder: Path, provider: dict[str, Any] | None, warn: Callable[[str], None]
    ) -> None:
        """`folder` keeps a passphrase of our own making where the environment gives none; `provider` is the state's."""
        self._environment = environment
        self._folder = folder
        self._stored = provider
        self._warn = warn
        self._lock = threading.Lock()
        self._crypter: PassphraseCrypter | None = None
        self._opaque_seen = False
        self._sealed = False

    def prepare(self, *, sealing: bool = False) -> None:
        """Derive the key in the background, since it takes half a second: an existing state's, or with `sealing` a
        new one's.
        """
        if self._salt is not None:
            threading.Thread(target=self._prepare, args=(self._opener,), daemon=True).start()
        elif sealing and self._stored is None and passphrase_of(self._environment) is not None:
            threading.Thread(target=self._prepare, args=(self._sealer,), daemon=True).start()

    def _prepare(self, derive: Callable[[], object]) -> None:
        with contextlib.suppress(EngineError):
            derive()

    @property
    def _salt(self) -> str | None:
        if self._stored and self._stored.get("type") == "passphrase":
            return self._stored["state"]["salt"]
        return None

    def _passphrase(self) -> str | None:
        if (phrase := passphrase_of(self._environment)) is not None:
            return phrase
        path = self._folder / "passphrase"
        return path.read_text().strip() if path.exists() else None

    def _opener(self) -> PassphraseCrypter | None:
        with self._lock:
            if self._crypter is None and self._salt is not None and (phrase := self._passphrase()) is not None:
                self._crypter = PassphraseCrypter(phrase, self._salt)
            return self._crypter

    def decrypt(self, ciphertext: str) -> Value:
        """The value behind a ciphertext; a Ciphertext where it cannot be opened here."""
        if (crypter := self._opener()) is not None:
            return crypter.decrypt(ciphertext)
        if not self._opaque_seen:
            self._opaque_seen = True
            self._warn(
                "secrets in the state cannot be read (no PULUMI_CONFIG_PASSPHRASE): they are taken as unchanged in "
                "this plan"
            )
        return Ciphertext(ciphertext)

    def encrypt(self, text: str) -> str:
        self._sealed = True
        return self._sealer().encrypt(text)

    def _sealer(self) -> PassphraseCrypter:
        if (crypter := self._opener()) is not None:
            return crypter
        if self._stored is not None:
            raise EngineError(
                f"the state's secrets are kept by the {self._stored.get('type')!r} provider and cannot be written "
                "without its key: set PULUMI_CONFIG_PASSPHRASE, or use the pulumi command"
            )
        with self._lock:
            if self._crypter is None:
                self._crypter = PassphraseCrypter(self._new_passphrase())
            return self._crypter

    def _new_passphrase(self) -> str:
        if (phrase := passphrase_of(self._environment)) is not None:
            return phrase
        phrase, path, _ = passphrase_beside(self._folder)
        self._warn(
            f"no PULUMI_CONFIG_PASSPHRASE: secrets are encrypted with the passphrase in {path}. For the pulumi "
            f"command: export PULUMI_CONFIG_PASSPHRASE_FILE={path}"
        )
        return phrase

    def check_writable(self) -> None:
        """Refuse before anything is applied if the state's secrets could not be written again."""
        if self._stored is not None and self._opener() is None:
            self._sealer()

    def provider(self) -> dict[str, Any] | None:
        """What the checkpoint says of its secrets; None while it has none."""
        return self._crypter.provider() if self._crypter and (self._stored or self._sealed) else self._stored
