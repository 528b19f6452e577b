"""Searches in the database: begun and steered by pages, carried on by whichever dispatcher lives. Torch-free."""

from __future__ import annotations

import enum
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sql

from compression.store.database import Database
from compression.store.tables import SEARCHES

GROUP = "search-"
"""How the groups of searches' jobs begin; the search's name follows."""


class SearchState(enum.StrEnum):
    """RUNNING <-> PAUSED -> OVER | CANCELLED; one that is over runs again when it is given more minutes."""

    RUNNING = "running"
    PAUSED = "paused"
    OVER = "over"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Search:
    """One search: its `wish` as JSON, and how far it is.

    `spent_s` of 60 x `minutes` seconds are over. `progress` are seconds spent, settings measured and the hypervolume
    (0 to 1) then, oldest first.
    """

    search_id: str
    model: str
    workspace: str
    wish: str
    state: SearchState
    minutes: float
    spent_s: float
    progress: tuple[tuple[float, int, float], ...]
    message: str
    created_at: datetime

    @property
    def group(self) -> str:
        """Of its jobs."""
        return GROUP + self.search_id


class Searches:
    """The table of searches. Only who owns a search moves its progress; anybody may pause, resume and cancel it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, model: str, wish: str, minutes: float, workspace: str = "") -> Search:
        """A new search that waits for a dispatcher."""
        row = {
            "search_id": uuid.uuid4().hex,
            "model": model,
            "workspace": workspace,
            "wish": wish,
            "state": SearchState.RUNNING.value,
            "minutes": minutes,
            "spent_s": 0.0,
            "progress": "[]",
            "message": "starting",
            "created_at": time.time(),
        }
        with self._database.write() as connection:
            connection.execute(SEARCHES.insert().values(row))
        return _search(row)

    def search(self, search_id: str) -> Search | None:
        """One search; None where there is none of that name."""
        return next(iter(self._read(SEARCHES.c.search_id == search_id)), None)

    def of_model(self, model: str, workspace: str = "") -> list[Search]:
        """All of a model in a workspace, the latest first."""
        return self._read((SEARCHES.c.model == model) & (SEARCHES.c.workspace == workspace))

    def every(self) -> list[Search]:
        """All, the latest first."""
        return self._read(sql.true())

    def running_of(self, dispatcher_id: str) -> list[Search]:
        """Those that a dispatcher is to carry on, after it took those that nobody does."""
        running = SEARCHES.c.state == SearchState.RUNNING.value
        free = running & SEARCHES.c.owner.is_(None)
        if self._read(free):
            with self._database.write() as connection:
                connection.execute(SEARCHES.update().where(free).values(owner=dispatcher_id))
        return self._read(running & (SEARCHES.c.owner == dispatcher_id))

    def move(self, search_id: str, state: SearchState) -> None:
        """Pause, resume, cancel or end it. One that was cancelled stays so."""
        change: dict[str, Any] = {"state": state.value}
        if state in (SearchState.OVER, SearchState.CANCELLED):
            change["finished_at"] = time.time()
        which = (SEARCHES.c.search_id == search_id) & (SEARCHES.c.state != SearchState.CANCELLED.value)
        with self._database.write() as connection:
            connection.execute(SEARCHES.update().where(which).values(change))

    def pause(self, group: str = "") -> None:
        """Pause the one that runs and whose jobs are called so; without a name all that run."""
        which = SEARCHES.c.state == SearchState.RUNNING.value
        if group:
            which &= SEARCHES.c.search_id == group.removeprefix(GROUP)
        with self._database.write() as connection:
            connection.execute(SEARCHES.update().where(which).values(state=SearchState.PAUSED.value))

    def extend(self, search_id: str, minutes: float) -> None:
        """Give it so many minutes more; it goes on where it was over."""
        which = (SEARCHES.c.search_id == search_id) & (SEARCHES.c.state != SearchState.CANCELLED.value)
        more = {"minutes": SEARCHES.c.minutes + minutes, "state": SearchState.RUNNING.value, "finished_at": None}
        with self._database.write() as connection:
            connection.execute(SEARCHES.update().where(which).values(more))

    def tell(self, search_id: str, spent_s: float, message: str, progress: Sequence[tuple[float, int, float]]) -> None:
        """How far it is."""
        now = {"spent_s": spent_s, "message": message, "progress": json.dumps(list(progress))}
        with self._database.write() as connection:
            connection.execute(SEARCHES.update().where(SEARCHES.c.search_id == search_id).values(now))

    def forget(self, model: str) -> None:
        """Drop all of a model that is no more."""
        with self._database.write() as connection:
            connection.execute(SEARCHES.delete().where(SEARCHES.c.model == model))

    def _read(self, which: sql.ColumnElement[bool]) -> list[Search]:
        query = sql.select(SEARCHES).where(which).order_by(SEARCHES.c.sequence.desc())
        with self._database.read() as connection:
            return [_search(dict(row)) for row in connection.execute(query).mappings()]


def _search(row: Mapping[str, Any]) -> Search:
    return Search(
        search_id=row["search_id"],
        model=row["model"],
        workspace=row["workspace"],
        wish=row["wish"],
        state=SearchState(row["state"]),
        minutes=row["minutes"],
        spent_s=row["spent_s"],
        progress=tuple((s, int(n), volume) for s, n, volume in json.loads(row["progress"])),
        message=row["message"],
        created_at=datetime.fromtimestamp(row["created_at"], UTC),
    )
