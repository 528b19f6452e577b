"""How much room everything takes, and where it lies. Torch-free."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sql

from compression.environment import artifact_folder, data_folder, home
from compression.store.store import Store


@dataclass(frozen=True)
class Place:
    """One kind of thing on the disk: what it is, where, how many files and bytes, what happens without it."""

    name: str
    path: str
    files: int
    n_bytes: int
    about: str


@dataclass(frozen=True)
class Usage:
    """All places, and the bytes that are free where the home folder is."""

    places: tuple[Place, ...]
    free_bytes: int | None

    @property
    def n_bytes(self) -> int:
        """All places together."""
        return sum(place.n_bytes for place in self.places)


def usage(store: Store) -> Usage:
    """Look at the disk now; takes some tenths of a second for every ten thousand files. Raises `StorageFailed`."""
    places = (
        _database(store),
        _folder(
            "Files of results",
            artifact_folder(),
            "Stored files, runtime files, predictions, answers. Named after their content: nothing is kept twice.",
        ),
        _folder("Data sets", data_folder(), "Downloaded or unpacked once; fetched again when they are missing."),
        _folder("Training notes", home() / "training", "What trains fastest on this machine; found out again."),
        _folder("Locks", home() / "locks", "Empty files that keep two processes from measuring the same thing."),
    )
    return Usage(places, _free(home()))


def _database(store: Store) -> Place:
    about = "Results, jobs, tags and notes. Room that deleted rows leave is used again; the file does not shrink."
    file = store.database.file
    if file is not None:
        beside = [Path(f"{file}{suffix}") for suffix in ("", "-wal", "-shm", "-journal")]
        sizes = [path.stat().st_size for path in beside if path.is_file()]
        return Place("Database", store.database.place, len(sizes), sum(sizes), about)
    with store.database.read() as connection:
        n_bytes = int(connection.scalar(sql.text("SELECT pg_database_size(current_database())")) or 0)
    return Place("Database", store.database.place, 0, n_bytes, f"{about} It is on a server.")


def _folder(title: str, folder: Path, about: str) -> Place:
    """All files below a folder, which may itself be a link to somewhere else."""
    sizes = []
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # gone since
                sizes.append(os.lstat(f"{root}/{name}").st_size)
    return Place(title, str(folder), len(sizes), sum(sizes), about)


def _free(folder: Path) -> int | None:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        return shutil.disk_usage(there).free
    except OSError:
        return None
