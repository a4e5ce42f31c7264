"""A target to keep things of."""

import pytest

from monitor.store.unit import Store
from monitor.target import Target
from tests.monitor.store.made import registered


@pytest.fixture
def target(store: Store) -> Target:
    """``swa/production`` in an otherwise empty store."""
    return registered(store)
