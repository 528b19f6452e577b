"""Fixtures of all tests. Nothing here or below ever touches the user's own data folder."""

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import hypothesis
import pytest
import sqlalchemy as sql

_HOME = Path(tempfile.mkdtemp(prefix="compression-tests-"))
os.environ["COMPRESSION_HOME"] = str(_HOME)
os.environ.pop("COMPRESSION_DATABASE", None)
os.environ.pop("COMPRESSION_SCHEDULER", None)
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
tempfile.tempdir = str(_HOME)  # where the lock of measurements lies: no test waits for those of other processes


@sql.event.listens_for(sql.Engine, "connect")
def _write_without_waiting_for_the_disk(connection, record):
    """Databases of tests need not outlive a power cut, and a write then takes a tenth of the time."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


hypothesis.settings.register_profile("no_clock", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("no_clock")


def pytest_sessionfinish() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def _no_speed_of_training_is_remembered():
    """Else budgets would be as many passes as the machine was quick in an earlier test."""
    yield
    for path in (_HOME / "training").glob("* on *, engine *.json"):
        path.unlink(missing_ok=True)


@pytest.fixture
def fresh_home(tmp_path, monkeypatch):
    """An empty COMPRESSION_HOME for one test, sharing the data sets that other tests have cached."""
    home = tmp_path / "home"
    home.mkdir()
    shared = _HOME / "data"
    shared.mkdir(exist_ok=True)
    (home / "data").symlink_to(shared)
    monkeypatch.setenv("COMPRESSION_HOME", str(home))
    return home


@pytest.fixture(params=["sqlite", "postgres"])
def any_store(request, fresh_home, monkeypatch):
    """An empty store over each kind of database there is."""
    from compression.store import tables
    from compression.store.store import Store

    monkeypatch.delenv("COMPRESSION_DATABASE", raising=False)
    if request.param == "sqlite":
        return Store()
    url = os.environ.get("COMPRESSION_TEST_POSTGRES")
    if not url:
        pytest.skip("COMPRESSION_TEST_POSTGRES is not set to the URL of an empty PostgreSQL database")
    store = Store(url)
    tables.METADATA.drop_all(store.database._pool())
    return store
