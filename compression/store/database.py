"""Connections: the one place that knows which database it is, and what to say when it fails. Torch-free."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy as sql
from sqlalchemy import exc

from compression import environment
from compression.errors import StorageFailed
from compression.store.tables import COUNTERS, METADATA, SCHEMA

BUSY_TIMEOUT_S = 30
"""How long a writer waits for another one; a write takes milliseconds."""

WAL_IS_SAFE = sqlite3.sqlite_version_info >= (3, 51, 3)
"""Older SQLite can corrupt a write-ahead log after a reset (rare); a rollback journal is safe in all."""

_REVISION, _DELETIONS, _SCHEMA = "revision", "deletions", "schema"

_KEPT = "; what was stored before is kept"

_REMEDIES = (
    ("full", f"the disk is full. Free some space and try again{_KEPT}"),
    ("readonly", f"it is read-only. Check your rights, or set COMPRESSION_HOME to a folder you may write to{_KEPT}"),
    ("lock", f"another program has held it for longer than a write takes. Close that one and try again{_KEPT}"),
    (
        "unable to open",
        "it cannot be opened. Check that its folder exists and that you may write to it, or set COMPRESSION_HOME",
    ),
    (
        "malformed",
        "it is damaged. Move it away and restart: results are then measured again. Keep it, though: "
        "`sqlite3 FILE .recover` reads most of what is left",
    ),
    (
        "not a database",
        "it is not a database. Move that file away, or set COMPRESSION_HOME to another folder, and restart",
    ),
    ("i/o error", "the disk does not answer properly. Check it, or set COMPRESSION_HOME to another one"),
    *(
        (
            sign,
            "its tables are gone. Somebody emptied, damaged or replaced it while this program ran. Put a copy back if "
            "you have one; otherwise move it away, and a new one begins, in which results are measured again",
        )
        for sign in ("no such table", "no such column", 'relation "')
    ),
)
"""How the database's own words begin or end, and what to do. Where nothing stored can have been lost, it says so."""

_log = logging.getLogger(__name__)


class Database:
    """A database by its SQLAlchemy URL. Nothing is opened before the first use, so making one cannot fail.

    Whoever reads waits `patience_s` for a program that holds all of an SQLite database.

    Every method raises `StorageFailed`, saying what is wrong with the database and what to do about it.
    """

    def __init__(self, url: str, patience_s: float = BUSY_TIMEOUT_S) -> None:
        self.url, self._patience_s = url, patience_s
        self._lock = threading.Lock()
        self._made: sql.Engine | None = None
        self._is_ready = False

    @contextlib.contextmanager
    def read(self) -> Iterator[sql.Connection]:
        """A connection to read with."""
        with self._explained():
            self._make_ready()
            with self._pool().connect() as connection:
                yield connection

    @contextlib.contextmanager
    def write(self, *, announce: bool = True, patience_s: float | None = None) -> Iterator[sql.Connection]:
        """One transaction: all of it or nothing. `announce` changes `revision`, which pages poll.

        It waits `patience_s` for others that write, by default `BUSY_TIMEOUT_S`.
        """
        with self._explained():
            self._make_ready()
            with self._transaction(patience_s) as connection:
                yield connection
                if announce:
                    _count(connection, _REVISION)

    def revision(self) -> int:
        """A number that grows with every announced write of any process."""
        with self.read() as connection:
            return _counter(connection, _REVISION) or 0

    @property
    def place(self) -> str:
        """The database in words, without its password."""
        try:
            url = sql.make_url(self.url)
        except exc.ArgumentError:
            return "the database in COMPRESSION_DATABASE"
        return str(self.file or "in memory") if _is_sqlite(url) else url.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """Where an SQLite database lies; None for one in memory or on a server."""
        url = sql.make_url(self.url)
        if not _is_sqlite(url) or not url.database or url.database == ":memory:" or url.query.get("mode") == "memory":
            return None
        return Path(unquote(urlsplit(url.database).path) if _is_uri(url) else url.database)

    @contextlib.contextmanager
    def _transaction(self, patience_s: float | None = None) -> Iterator[sql.Connection]:
        pool = self._pool()
        with pool.connect() as connection, connection.begin():
            if patience_s is not None and not _is_sqlite(pool.url):
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(1000 * patience_s)}")
            if _is_sqlite(pool.url):
                patience = BUSY_TIMEOUT_S if patience_s is None else patience_s
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(1000 * patience)}")
                # Take the writer's place at once: a reader that becomes a writer halfway could not wait.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def _pool(self) -> sql.Engine:
        with self._lock:
            if self._made is None:
                self._made = _make_pool(self.url, self._patience_s)
            return self._made

    def _make_ready(self) -> None:
        """Create what is missing, also when somebody removed the file while we run."""
        url, file = self._pool().url, self.file
        is_there = file is not None and file.exists()
        if self._is_ready and (is_there or file is None):
            return
        if file is not None and not _is_uri(url):
            _make_folder(file)
        if self._schema() is None and self._create_tables() and is_there and _has_files_beside(file):
            _log.warning("%s was emptied. A new database begins in it; results are measured again.", file)
        found = self._schema()
        if found != SCHEMA:
            raise StorageFailed(
                f"The database {self.place} was made by another version of this program (format {found}, not {SCHEMA})."
                " Use that version, or set COMPRESSION_HOME or COMPRESSION_DATABASE to another place."
            )
        self._add_what_is_missing()
        self._is_ready = True

    def _schema(self) -> int | None:
        """Which format it has; None where it is new.

        A file belongs to one program; a server's database may have other tables too, but none of these names.
        Raises `StorageFailed` where the tables are not this program's: whoever made them, they are left alone.
        """
        with self._pool().connect() as connection:
            inspector = sql.inspect(connection)
            there = set(inspector.get_table_names())
            if not (there if _is_sqlite(self._pool().url) else there & set(METADATA.tables)):
                return None
            columns = inspector.get_columns(COUNTERS.name) if COUNTERS.name in there else []
            if set(COUNTERS.columns.keys()) <= {column["name"] for column in columns}:
                found = _counter(connection, _SCHEMA)
                if found is not None:
                    return found
        raise StorageFailed(
            f"The database {self.place} holds tables that this program did not make, or only a part of its own. "
            "Nothing in it was changed. Set COMPRESSION_HOME or COMPRESSION_DATABASE to another place."
        )

    def _create_tables(self) -> bool:
        """Whether nobody else did in the same moment."""
        if _is_sqlite(self._pool().url):
            with self._pool().connect() as connection:
                connection.exec_driver_sql(f"PRAGMA journal_mode = {'WAL' if WAL_IS_SAFE else 'DELETE'}")
        try:
            with self._transaction() as connection:
                METADATA.create_all(connection)
                is_new = _counter(connection, _SCHEMA) is None
                if is_new:
                    first = [{"name": _SCHEMA, "value": SCHEMA}, {"name": _REVISION, "value": 0}]
                    connection.execute(COUNTERS.insert(), first)
        except (exc.IntegrityError, exc.ProgrammingError):
            if self._schema() is None:  # otherwise another process made them
                raise
            return False
        return is_new

    def _add_what_is_missing(self) -> None:
        """What an earlier version of this program did not know."""
        with self._pool().connect() as connection:
            if not any(_missing(connection)):
                return
        with self._transaction() as connection:
            METADATA.create_all(connection)
            _, columns, indexes = _missing(connection)  # fewer, if another process is at it
            for column in columns:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {column.table.name} ADD COLUMN {column.name} {kind}")
            for index in indexes:
                index.create(connection, checkfirst=True)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except exc.IntegrityError:
            raise
        except exc.DBAPIError as error:
            raise StorageFailed(_explain(str(error.orig), self.place)) from error
        except (OSError, exc.TimeoutError) as error:
            raise StorageFailed(_explain(str(error), self.place)) from error


def _missing(connection: sql.Connection) -> tuple[set[str], list[sql.Column[object]], list[sql.Index]]:
    """Tables; and columns and indexes of the tables that are there."""
    inspector = sql.inspect(connection)
    there = set(inspector.get_table_names())
    columns: list[sql.Column[object]] = []
    indexes: list[sql.Index] = []
    for name in there & set(METADATA.tables):
        known = {one["name"] for one in (*inspector.get_columns(name), *inspector.get_indexes(name))}
        columns += [column for column in METADATA.tables[name].columns if column.name not in known]
        indexes += [index for index in METADATA.tables[name].indexes if index.name not in known]
    return set(METADATA.tables) - there, columns, indexes


def _counter(connection: sql.Connection, name: str) -> int | None:
    found = connection.scalar(sql.select(COUNTERS.c.value).where(COUNTERS.c.name == name))
    return None if found is None else int(found)


def _count(connection: sql.Connection, name: str) -> bool:
    """One more; whether there is such a counter."""
    more = COUNTERS.update().where(COUNTERS.c.name == name).values(value=COUNTERS.c.value + 1)
    return connection.execute(more).rowcount > 0


def deletions() -> sql.ColumnElement[int]:
    """How often results were deleted: what was remembered of them before then is no longer true."""
    return sql.func.coalesce(sql.select(COUNTERS.c.value).where(COUNTERS.c.name == _DELETIONS).scalar_subquery(), 0)


def count_deletion(connection: sql.Connection) -> None:
    """Have all processes forget what they remember of results; in the transaction that deletes them."""
    if not _count(connection, _DELETIONS):
        connection.execute(COUNTERS.insert().values(name=_DELETIONS, value=1))


def hold(connection: sql.Connection) -> None:
    """Keep all other announced writes waiting until the end of this transaction."""
    connection.execute(sql.select(COUNTERS.c.value).where(COUNTERS.c.name == _REVISION).with_for_update())


def _make_pool(url: str, patience_s: float) -> sql.Engine:
    try:
        parsed = sql.make_url(url)
        if not _is_sqlite(parsed):
            return sql.create_engine(parsed, pool_pre_ping=True)
        # A connection for each use costs 0.2 ms and is right in threads and after the file was replaced.
        pool = sql.create_engine(parsed, poolclass=sql.NullPool, connect_args={"timeout": patience_s})
    except (exc.NoSuchModuleError, ImportError) as error:
        raise StorageFailed(
            f"The driver for COMPRESSION_DATABASE is missing: {error}. "
            'For PostgreSQL: pip install "psycopg[binary]", and begin the URL with postgresql+psycopg://.'
        ) from error
    except exc.ArgumentError as error:
        raise StorageFailed(
            "COMPRESSION_DATABASE is not a database URL. Write it like "
            "postgresql+psycopg://user:password@host/name or sqlite:////folder/file.sqlite, or unset it."
        ) from error
    sql.event.listen(pool, "connect", lambda connection, record: connection.execute("PRAGMA foreign_keys = ON"))
    return pool


def _is_sqlite(url: sql.URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _has_files_beside(file: Path | None) -> bool:
    """Whether files of results lie in the home folder: an empty database that is being made just now has none."""
    folder = environment.artifact_folder()
    return file is not None and file.parent == environment.home() and any(folder.glob("??/*"))


def _is_uri(url: sql.URL) -> bool:
    """Whether SQLite takes the database's name as a URI, `file:...`, which says itself how it is to be opened."""
    return "uri" in url.query and str(url.database).startswith("file:")


def _make_folder(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(
            f"The folder {file.parent} cannot be made: {error.strerror or error}. "
            "Check your rights and free space, or set COMPRESSION_HOME to another folder."
        ) from error


def _explain(text: str, place: str) -> str:
    text = text.strip()
    for sign, remedy in _REMEDIES:
        if sign in text.lower():
            return f"The database {place} cannot be used: {remedy}. ({text})"
    return f"The database {place} cannot be used: {text}. Check that it runs and that COMPRESSION_DATABASE is right."
