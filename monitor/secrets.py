"""Secrets by reference only: ``env:NAME`` or ``file:/path``, read at use, so rotation needs no restart."""

import os
import secrets as random
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey

from monitor.errors import SecretMissing, SecretReference

_known: Final[set[str]] = set()
SHORTEST: Final = 6  #: characters; shorter values would blank out ordinary words


class Secret:
    """A value that never shows itself: text, repr and JSON give ``***``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= SHORTEST:
            _known.add(value)

    def reveal(self) -> str:
        """The value, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> "str | tuple[object, ...]":
        raise TypeError("a secret is never pickled")


def without_secrets(text: str) -> str:
    """The text with every secret that was read so far blanked out."""
    for value in _known:
        if value in text:
            text = text.replace(value, "***")
    return text


def is_reference(text: str) -> bool:
    """True for ``env:NAME`` and ``file:/path``."""
    return (text.startswith("env:") and len(text) > 4) or (text.startswith("file:/") and len(text) > 6)


def resolve(reference: str, *, where: str) -> Secret:
    """The secret behind a reference.

    Raises:
        SecretReference: it is no reference; what was written is not shown.
        SecretMissing: the variable or file is missing or empty.
    """
    if not is_reference(reference):
        raise SecretReference(
            "a secret stands here in clear, or no reference at all.", where=where,
            mend="Write env:NAME or file:/path and keep the value there.",
        )  # fmt: skip
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name, "")
    else:
        try:
            value = Path(name).read_text(encoding="utf-8").strip()
        except OSError:
            value = ""
    if not value:
        raise SecretMissing(f"{reference} is missing or empty.", where=where, mend=f"Set {reference}.")
    return Secret(value)


@lru_cache(8)
def installation_key(reference: str, state_folder: Path, name: str) -> bytes:
    """A key of the installation: by reference, else made once in the state folder, readable by its owner only.

    Args:
        reference: from the settings; "" where none is set (command line and demo).
        state_folder: where a key is made if none is named.
        name: ``fingerprint`` or ``audit``.
    """
    if reference:
        return resolve(reference, where=f"SMART360_{name.upper()}_KEY").reveal().encode()
    path = state_folder / f"{name}.key"
    if not path.exists():
        state_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(f".{random.token_hex(8)}")  # threads of one process may make it at once
        fresh.touch(mode=0o600)
        fresh.write_text(random.token_hex(32), encoding="utf-8")
        with suppress(FileExistsError):
            os.link(fresh, path)  # whoever is first wins; everyone then reads the same key
        fresh.unlink()
    return path.read_text(encoding="utf-8").strip().encode()


def signing_key(key: bytes) -> SigningKey:
    """The Ed25519 key of the audit log, from the installation's audit key."""
    import hashlib

    return SigningKey(hashlib.sha256(b"smart360 audit\0" + key).digest())
