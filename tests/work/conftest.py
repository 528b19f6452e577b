"""An empty store."""

import pytest

from compression.store.store import Store


@pytest.fixture
def store(fresh_home):
    """On SQLite."""
    return Store()
