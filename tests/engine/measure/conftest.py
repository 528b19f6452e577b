"""Measurements of tests have the machine for themselves."""

import tempfile

import pytest


@pytest.fixture(autouse=True)
def own_lock(tmp_path, monkeypatch):
    """Tests must not wait for measurements of others."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path
