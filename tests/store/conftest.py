"""An empty store."""

import pytest


@pytest.fixture
def store(any_store):
    """Over each kind of database there is."""
    return any_store
