"""What commands share: settings read once, and everything wired from them."""

from functools import lru_cache

from monitor.deps import Deps
from monitor.settings import read_settings


@lru_cache(1)
def deps() -> Deps:
    """Everything a command needs, from this run's settings."""
    return Deps(read_settings())
