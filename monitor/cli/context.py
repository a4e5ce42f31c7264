"""What commands share: settings read once, and everything wired from them."""

from functools import lru_cache

from monitor.cli import tell
from monitor.deps import Deps
from monitor.errors import SecretMissing
from monitor.secrets import installation_key
from monitor.settings import read_settings


@lru_cache(1)
def deps() -> Deps:
    """Everything a command needs, from this run's settings."""
    return Deps(read_settings())


def fingerprint_key() -> bytes:
    """The key for fingerprints of secrets; says so where it was just made.

    Raises:
        SecretMissing: there is none, and none can be kept.
    """
    settings = deps().settings
    path = settings.state_folder / "fingerprint.key"
    is_new = not settings.fingerprint_key and not path.exists()
    try:
        key = installation_key(settings.fingerprint_key, settings.state_folder, "fingerprint")
    except OSError as error:
        raise SecretMissing(
            f"the key for fingerprints of secrets cannot be kept here ({error.strerror}).", where=str(path),
            mend="Set SMART360_STATE_FOLDER, or SMART360_FINGERPRINT_KEY to env:NAME or file:/path.",
        ) from None  # fmt: skip
    if is_new:
        tell.note(f"made a key for fingerprints of secrets: {path}")
    return key
