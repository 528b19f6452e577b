"""Deleting results, and what that frees: rows first, then files that nothing else needs. Torch-free.

Files are named after their content, so several results may share one, and answers are files too. A file goes when no
row names it any more. Whatever a crash in between leaves behind, `orphans` finds.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sql

from compression import atomic, environment
from compression.errors import StorageFailed
from compression.models.brought import own
from compression.results.conditions import Conditions, conditions_of
from compression.store import artifacts
from compression.store.database import Database, count_deletion, hold
from compression.store.store import Store
from compression.store.tables import ANSWERS, NOTES, RESULTS

FRESH_S = 3600
"""Files younger than this may belong to a measurement that has not written its row yet: they are no orphans."""

_NAME = re.compile(r'"([0-9a-f]{64})"')


@dataclass(frozen=True)
class Deletion:
    """What deleting some results removes, or has removed.

    `baseline_of` counts results that stay and whose baseline is among those that go: it is measured again when needed.
    `shared_files` stay, since other results or answers have them too.
    """

    results: int
    answers: int
    notes: int
    files: int
    file_bytes: int
    shared_files: int
    baseline_of: int


@dataclass(frozen=True)
class Orphans:
    """What nobody needs: files that no row names, and answers to questions about results that are gone."""

    files: tuple[Path, ...]
    file_bytes: int
    answers: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to clean up."""
        return not self.files and not self.answers


def plan(store: Store, result_keys: Collection[str]) -> Deletion:
    """What `delete` would remove, as things are now. Raises `StorageFailed`."""
    with store.database.read() as connection:
        return _planned(connection, store.database, set(result_keys))[0]


def delete(store: Store, result_keys: Collection[str]) -> Deletion:
    """Remove results with their answers, tags and notes, and the files that nothing else names; returns what went.

    The rows go in one transaction, then the files. Jobs that need a result meanwhile measure it again.
    Raises `StorageFailed`; then either nothing went, or the files that are left are orphans.
    """
    wanted = set(result_keys)
    with store.database.write() as connection:
        planned, doomed = _planned(connection, store.database, wanted)
        keys = [{"key": key} for key in wanted]
        for table in (ANSWERS, NOTES, RESULTS) if keys else ():
            connection.execute(table.delete().where(table.c.result_key == sql.bindparam("key")), keys)
        count_deletion(connection)
    _remove(store.database, [artifacts.path_of(name) for name in doomed])
    return planned


def remove_own(store: Store, name: str) -> str:
    """Remove a person's own model with its results and searches, or own images that no model needs; says what went.

    Raises what `compression.models.brought.own.remove` does, before anything is gone, and `StorageFailed`.
    """
    if name in own.own_models():
        store.searches.forget(name)  # first: one that runs would measure more
        delete(store, results_of(store, name))
    return own.remove(name)


def results_of(store: Store, model: str) -> Sequence[str]:
    """The keys of all results of a model, whatever the conditions. Raises `StorageFailed`."""
    with store.database.read() as connection:
        return connection.scalars(sql.select(RESULTS.c.result_key).where(RESULTS.c.model == model)).all()


def orphans(store: Store, fresh_s: float = FRESH_S) -> Orphans:
    """What a crash or a deletion has left behind. Raises `StorageFailed`."""
    with store.database.read() as connection:
        needed = _named(connection, lost_answers=False) | _named_elsewhere(store.database)
        answers = int(connection.scalar(sql.select(sql.func.count()).select_from(ANSWERS).where(_lost())) or 0)
    before = time.time() - fresh_s
    found = {
        path: about.st_size
        for path, about in files()
        if _name_of(path) not in needed and _is_ours(path) and about.st_mtime < before
    }
    return Orphans(tuple(found), sum(found.values()), answers)


def clean_up(store: Store, fresh_s: float = FRESH_S) -> Orphans:
    """Remove the orphans; returns what went. Raises `StorageFailed`."""
    found = orphans(store, fresh_s)
    with store.database.write() as connection:
        connection.execute(ANSWERS.delete().where(_lost()))
    _remove(store.database, found.files)
    return found


def files() -> Iterator[tuple[Path, os.stat_result]]:
    """All files in the artifact folder, with what the system knows of them."""
    for folder in _scan(environment.artifact_folder()):
        if folder.is_dir(follow_symlinks=False):
            for file in _scan(Path(folder.path)):
                with contextlib.suppress(FileNotFoundError):  # somebody deletes too
                    yield Path(file.path), file.stat()


def _planned(connection: sql.Connection, database: Database, wanted: set[str]) -> tuple[Deletion, set[str]]:
    """What goes, and the names of its files."""
    going, staying, baselines = set[str](), _named_elsewhere(database), set[Conditions]()
    others: Counter[Conditions] = Counter()
    counts = dict.fromkeys((RESULTS, ANSWERS, NOTES), 0)
    for row in connection.execute(sql.select(RESULTS)):
        if row.result_key not in wanted:
            staying |= _names_in(row.document)
            others[conditions_of(row)] += 1
            continue
        counts[RESULTS] += 1
        going |= _names_in(row.document)
        if _is_baseline(row.document):
            baselines.add(conditions_of(row))
    for key, name in connection.execute(sql.select(ANSWERS.c.result_key, ANSWERS.c.artifact)):
        counts[ANSWERS] += key in wanted
        (going if key in wanted else staying).add(name)
    counts[NOTES] = len(wanted.intersection(connection.scalars(sql.select(NOTES.c.result_key))))
    sizes = [size for size in map(_size, going - staying) if size is not None]
    shared = sum(_size(name) is not None for name in going & staying)
    baseline_of = sum(others[conditions] for conditions in baselines)
    planned = Deletion(counts[RESULTS], counts[ANSWERS], counts[NOTES], len(sizes), sum(sizes), shared, baseline_of)
    return planned, going - staying


def _is_baseline(document: str) -> bool:
    """Whether it is surely that of a model as it is; a damaged one may be anything."""
    with contextlib.suppress(LookupError, TypeError, ValueError):
        return not json.loads(document)["recipe"]["steps"]
    return False


def _named(connection: sql.Connection, *, lost_answers: bool = True) -> set[str]:
    """All files that rows name. One honest look at every row."""
    found = set[str]()
    for document in connection.scalars(sql.select(RESULTS.c.document)):
        found |= _names_in(document)
    answers = sql.select(ANSWERS.c.artifact)
    return found.union(connection.scalars(answers if lost_answers else answers.where(~_lost())))


def _named_elsewhere(database: Database) -> set[str]:
    """Files that another database in the same home names: it was used before COMPRESSION_DATABASE was set, say."""
    usual = environment.home() / "results.sqlite"
    if not usual.is_file() or (database.file is not None and database.file.resolve() == usual.resolve()):
        return set()
    with Database(f"sqlite:///{usual}").read() as connection:
        return _named(connection)


def _lost() -> sql.ColumnElement[bool]:
    """Answers to questions about results that are gone."""
    return ~sql.exists().where(RESULTS.c.result_key == ANSWERS.c.result_key)


def _names_in(document: str) -> set[str]:
    """Whatever looks like a file's name in a result: artifacts, and hashes of weights, which do no harm."""
    return set(_NAME.findall(str(document)))


def _remove(database: Database, found: Iterable[Path]) -> None:
    """Delete files, but for those that a row has come to name meanwhile: no row can come while this looks."""
    with database.write(announce=False) as connection:
        hold(connection)
        needed = _named(connection) | _named_elsewhere(database)
        for path in found:
            if _name_of(path) not in needed:
                _unlink(path)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageFailed(
            f"The file {path} could not be deleted: {error.strerror or error}. Check your rights there; "
            "the result is no longer listed, and the clean-up on the Jobs page finds what is left."
        ) from error


def _name_of(path: Path) -> str:
    return path.parent.name + path.name


def _is_ours(path: Path) -> bool:
    """Whether this program made the file, as a whole one or as one that it was about to rename."""
    return bool(re.fullmatch("[0-9a-f]{64}", _name_of(path))) or path.name.startswith(atomic.UNFINISHED)


def _size(name: str) -> int | None:
    try:
        return artifacts.path_of(name).stat().st_size
    except OSError:
        return None


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageFailed(
            f"The folder {folder} cannot be read: {error.strerror or error}. Check your rights."
        ) from error
