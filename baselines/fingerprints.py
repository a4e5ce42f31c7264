"""Secrets as keyed fingerprints: a change is seen, the value is not (P7, reliability §4.2)."""

import hashlib
import hmac
import re
from collections.abc import Callable
from functools import cached_property
from typing import Final

PREFIX: Final = "secret:"
_FINGERPRINT: Final = re.compile(r"secret:[0-9a-f]{16}")
_NAME: Final = re.compile(
    r"(^|_)(api_?key|auth_?key|key|token|secret|passw(or)?d|pin|account_number|pan(_no)?|tax_id(_no)?)($|_)", re.I
)
_VALUE: Final = re.compile(
    r"(sk|pk|rk)_(live|test)_[0-9A-Za-z]{8,}|xox[abprs]-[0-9A-Za-z-]{8,}|AKIA[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{20,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}\."
)
#: Stand-ins people type when they mean to set the secret later.
PLACEHOLDERS: Final = ("changeme", "change-me", "change_me", "password", "secret", "admin", "test", "xxx", "xxxx",
                       "todo", "tbd", "placeholder", "dummy", "none", "n/a",
                       "0000", "1234", "12345", "123456")  # fmt: skip


class SecretKey:
    """Makes fingerprints for one tenant of one installation.

    The key is derived from the installation's and the tenant's name, so the same secret at two
    tenants never looks equal. Within a tenant equal values of one field do look equal (a rule needs
    it); of two fields they do not.
    """

    def __init__(self, installation_key: bytes | Callable[[], bytes], tenant: str) -> None:
        """``installation_key`` may be asked for when a secret is first met: a file without one needs no key."""
        self._installation_key, self.tenant = installation_key, tenant

    @cached_property
    def _key(self) -> bytes:
        key = self._installation_key
        if not isinstance(key, bytes):
            key = key()
        return hmac.new(key, b"smart360 fingerprint\0" + self.tenant.encode(), hashlib.sha256).digest()

    def __repr__(self) -> str:
        return "SecretKey(***)"

    @property
    def id(self) -> str:
        """Names the key without telling it: fingerprints of two keys cannot be compared."""
        return hmac.new(self._key, b"id", hashlib.sha256).hexdigest()[:8]

    def fingerprint(self, resource_type: str, path: str, value: str) -> str:
        """``secret:`` and 16 hex digits; a value that is a fingerprint already stays as it is.

        Args:
            resource_type: where the value stands.
            path: of the field, without the object's key.
            value: the secret itself; it is not kept.
        """
        if _FINGERPRINT.fullmatch(value):
            return value
        data = "\0".join((resource_type, path, value)).encode("utf-8", "surrogatepass")
        return PREFIX + hmac.new(self._key, data, hashlib.sha256).hexdigest()[:16]

    def placeholders(self, resource_type: str, path: str) -> frozenset[str]:
        """Fingerprints that known stand-ins would have in this field."""
        words = {form for word in PLACEHOLDERS for form in (word, word.upper(), word.capitalize())}
        return frozenset(self.fingerprint(resource_type, path, word) for word in words)


def looks_secret(name: str, value: str) -> bool:
    """True for an unknown field that by its name or the shape of its value holds a secret."""
    return _NAME.search(name) is not None or _VALUE.search(value) is not None


def is_fingerprint(value: object) -> bool:
    """True for ``secret:<16 hex>``."""
    return isinstance(value, str) and _FINGERPRINT.fullmatch(value) is not None
