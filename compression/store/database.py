"""Tables and connections: the one place that knows which database it is. Torch-free."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import exc

from compression.errors import StorageFailed

SCHEMA = 1
"""Raise it when a table changes in a way that older programs cannot read. A new table does not, nor a column that may
be empty: both are added to a database that lacks them, and who does not know them leaves them empty."""

BUSY_TIMEOUT_S = 30
"""How long a writer waits for another one; a write takes milliseconds."""

WAL_IS_SAFE = sqlite3.sqlite_version_info >= (3, 51, 3)
"""Older SQLite can corrupt a write-ahead log after a reset (rare); a rollback journal is safe in all."""

METADATA = sql.MetaData()

COUNTERS = sql.Table(
    "counters",
    METADATA,
    sql.Column("name", sql.String(20), primary_key=True),
    sql.Column("value", sql.Integer, nullable=False),
)
RESULTS = sql.Table(
    "results",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True),
    sql.Column("result_key", sql.String(64), nullable=False, unique=True),
    sql.Column("recipe_id", sql.String(16), nullable=False),
    sql.Column("model", sql.String(100), nullable=False, index=True),
    sql.Column("model_version", sql.String(64), nullable=False),
    sql.Column("data_version", sql.String(200), nullable=False),
    sql.Column("engine_version", sql.String(40), nullable=False),
    sql.Column("machine_id", sql.String(64), nullable=False),
    sql.Column("document", sql.Text, nullable=False),  # the `Result` as JSON
)
ANSWERS = sql.Table(
    "answers",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True),
    sql.Column("answer_key", sql.String(64), nullable=False, unique=True),
    sql.Column("result_key", sql.String(64), nullable=False, index=True),
    sql.Column("kind", sql.String(40), nullable=False),
    sql.Column("artifact", sql.String(64), nullable=False),  # the `Answer` as JSON, a content-addressed file
)
ENGINES = sql.Table(
    "engines",
    METADATA,
    sql.Column("engine_id", sql.String(32), primary_key=True),
    sql.Column("host", sql.String(255), nullable=False),
    sql.Column("pid", sql.Integer, nullable=False),
    sql.Column("process_started", sql.Double, nullable=False),
    sql.Column("heartbeat", sql.Double, nullable=False),
)
JOBS = sql.Table(
    "jobs",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True),
    sql.Column("job_id", sql.String(32), nullable=False, unique=True),
    sql.Column("recipe", sql.Text, nullable=False),
    sql.Column("recipe_id", sql.String(16), nullable=False),
    sql.Column("study", sql.Text),  # the `Inquiry` as JSON; empty where the recipe is to be measured
    sql.Column("job_group", sql.String(200), nullable=False),
    sql.Column("background", sql.Boolean, nullable=False),
    sql.Column("state", sql.String(16), nullable=False),
    sql.Column("progress", sql.Double, nullable=False),
    sql.Column("message", sql.Text, nullable=False),
    sql.Column("preview", sql.Text),  # of a running job: the `Preview` as JSON, once it is known
    sql.Column("error", sql.Text),
    sql.Column("attempts", sql.Integer, nullable=False),
    sql.Column("claim", sql.String(32)),
    sql.Column("owner", sql.ForeignKey("engines.engine_id", ondelete="SET NULL")),
    # Unix time, UTC: the one form of a time that every database keeps as it is.
    sql.Column("created_at", sql.Double, nullable=False),
    sql.Column("started_at", sql.Double),
    sql.Column("finished_at", sql.Double),
    sql.Column("cancel_requested_at", sql.Double),
    sql.Index("jobs_of_group", "job_group", "state"),
    sql.Index("jobs_of_owner", "owner", "state"),
    sql.Index("jobs_of_state", "state", "finished_at"),
    sql.Index("jobs_of_recipe", "recipe_id"),
)
LOGS = sql.Table(
    "job_logs",
    METADATA,
    sql.Column("job_id", sql.ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    sql.Column("lines", sql.Text, nullable=False),  # see `store.logs`; apart, so that lists of jobs stay small
)
NOTES = sql.Table(
    "notes",
    METADATA,
    sql.Column("result_key", sql.String(64), primary_key=True),
    sql.Column("tags", sql.Text, nullable=False),  # a list of words as JSON
    sql.Column("note", sql.Text, nullable=False),
    sql.Column("changed_at", sql.Double, nullable=False),
)

_DELETIONS = "deletions"

_REMEDIES = (
    ("full", "the disk is full. Free some space and try again"),
    ("readonly", "it is read-only. Check your rights, or set COMPRESSION_HOME to a folder you may write to"),
    ("locked", f"another program has held it for {BUSY_TIMEOUT_S} s. Close that program and try again"),
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
)


class Database:
    """A database by its SQLAlchemy URL. Nothing is opened before the first use, so making one cannot fail.

    Every method raises `StorageFailed`, saying what is wrong with the database and what to do about it.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._made: sql.Engine | None = None
        self._is_ready = False

    @contextlib.contextmanager
    def read(self) -> Iterator[sql.Connection]:
        """A connection to read with."""
        with self._explained():
            self._make_ready()
            with self._engine().connect() as connection:
                yield connection

    @contextlib.contextmanager
    def write(self, *, announce: bool = True) -> Iterator[sql.Connection]:
        """One transaction: all of it or nothing. `announce` changes `revision`, which pages poll."""
        with self._explained():
            self._make_ready()
            with self._transaction() as connection:
                yield connection
                if announce:
                    counter = COUNTERS.update().where(COUNTERS.c.name == "revision")
                    connection.execute(counter.values(value=COUNTERS.c.value + 1))

    def revision(self) -> int:
        """A number that grows with every announced write of any process."""
        with self.read() as connection:
            return int(connection.scalar(sql.select(COUNTERS.c.value).where(COUNTERS.c.name == "revision")) or 0)

    @property
    def place(self) -> str:
        """The database in words, without its password."""
        try:
            url = sql.make_url(self.url)
        except exc.ArgumentError:
            return "the database in COMPRESSION_DATABASE"
        return url.database or "memory" if _is_sqlite(url) else url.render_as_string(hide_password=True)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sql.Connection]:
        engine = self._engine()
        with engine.connect() as connection, connection.begin():
            if _is_sqlite(engine.url):
                # Take the writer's place at once: a reader that becomes a writer halfway could not wait.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def _engine(self) -> sql.Engine:
        with self._lock:
            if self._made is None:
                self._made = _make_engine(self.url)
            return self._made

    def _make_ready(self) -> None:
        """Create what is missing, also when somebody removed the file while we run."""
        engine = self._engine()
        file = Path(engine.url.database or "") if _is_sqlite(engine.url) else None
        if self._is_ready and (file is None or file.exists()):
            return
        if file is not None:
            _make_folder(file)
        if self._schema() is None:
            self._create_tables()
        found = self._schema()
        if found != SCHEMA:
            raise StorageFailed(
                f"The database {self.place} was made by another version of this program (format {found}, not {SCHEMA})."
                " Use that version, or set COMPRESSION_HOME or COMPRESSION_DATABASE to another place."
            )
        self._add_what_is_missing()
        self._is_ready = True

    def _schema(self) -> int | None:
        with self._engine().connect() as connection:
            if not sql.inspect(connection).has_table(COUNTERS.name):
                return None
            found = connection.scalar(sql.select(COUNTERS.c.value).where(COUNTERS.c.name == "schema"))
            return None if found is None else int(found)

    def _create_tables(self) -> None:
        if _is_sqlite(self._engine().url):
            with self._engine().connect() as connection:
                connection.exec_driver_sql(f"PRAGMA journal_mode = {'WAL' if WAL_IS_SAFE else 'DELETE'}")
        try:
            with self._transaction() as connection:
                METADATA.create_all(connection)
                if connection.scalar(sql.select(sql.func.count()).select_from(COUNTERS)) == 0:
                    first = [{"name": "schema", "value": SCHEMA}, {"name": "revision", "value": 0}]
                    connection.execute(COUNTERS.insert(), first)
        except (exc.IntegrityError, exc.ProgrammingError):
            if self._schema() is None:  # otherwise another process made them in the same moment
                raise

    def _add_what_is_missing(self) -> None:
        """What an earlier version of this program did not know."""
        with self._engine().connect() as connection:
            if not (_missing_tables(connection) or _missing_columns(connection) or _missing_indexes(connection)):
                return
        with self._transaction() as connection:
            METADATA.create_all(connection)
            for column in _missing_columns(connection):  # fewer, if another process is at it
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {column.table.name} ADD COLUMN {column.name} {kind}")
            for index in _missing_indexes(connection):
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


def _missing_tables(connection: sql.Connection) -> set[str]:
    return set(METADATA.tables) - set(sql.inspect(connection).get_table_names())


def _missing_columns(connection: sql.Connection) -> list[sql.Column[Any]]:
    """Of the tables that are there."""
    inspector = sql.inspect(connection)
    there = {
        table: {column["name"] for column in inspector.get_columns(table)}
        for table in set(METADATA.tables) & set(inspector.get_table_names())
    }
    return [
        column for name, known in there.items() for column in METADATA.tables[name].columns if column.name not in known
    ]


def _missing_indexes(connection: sql.Connection) -> list[sql.Index]:
    """Of the tables that are there."""
    inspector = sql.inspect(connection)
    there = set(METADATA.tables) & set(inspector.get_table_names())
    known = {index["name"] for table in there for index in inspector.get_indexes(table)}
    return [index for table in there for index in METADATA.tables[table].indexes if index.name not in known]


def deletions(connection: sql.Connection) -> int:
    """How often results were deleted: what was remembered of them before then is no longer true."""
    return int(connection.scalar(sql.select(COUNTERS.c.value).where(COUNTERS.c.name == _DELETIONS)) or 0)


def count_deletion(connection: sql.Connection) -> None:
    """Have all processes forget what they remember of results; in the transaction that deletes them."""
    counter = COUNTERS.update().where(COUNTERS.c.name == _DELETIONS).values(value=COUNTERS.c.value + 1)
    if connection.execute(counter).rowcount == 0:
        connection.execute(COUNTERS.insert().values(name=_DELETIONS, value=1))


def hold(connection: sql.Connection) -> None:
    """Keep all other announced writes waiting until the end of this transaction."""
    connection.execute(sql.select(COUNTERS.c.value).where(COUNTERS.c.name == "revision").with_for_update())


def _make_engine(url: str) -> sql.Engine:
    try:
        parsed = sql.make_url(url)
        if not _is_sqlite(parsed):
            return sql.create_engine(parsed, pool_pre_ping=True)
        # A connection for each use costs 0.2 ms and is right in threads and after the file was replaced.
        engine = sql.create_engine(parsed, poolclass=sql.NullPool, connect_args={"timeout": BUSY_TIMEOUT_S})
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
    sql.event.listen(engine, "connect", _enforce_foreign_keys)
    return engine


def _enforce_foreign_keys(connection: sqlite3.Connection, record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


def _is_sqlite(url: sql.URL) -> bool:
    return url.get_backend_name() == "sqlite"


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
            return f"The database {place} cannot be used: {remedy}. What was stored before is kept. ({text})"
    return (
        f"The database {place} cannot be used: {text}. "
        "Check that it runs and that COMPRESSION_DATABASE is right; what was stored before is kept."
    )
