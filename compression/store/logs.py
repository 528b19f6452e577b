"""What a job did when: a short list of lines, kept beside the job. Torch-free.

A worker collects lines in memory (`Journal`), among them what it logs as a warning or an error meanwhile, and hands
them to the store together with what it writes anyway.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Literal

import sqlalchemy as sql

from compression.store.database import Database
from compression.store.tables import LOGS

Kind = Literal["step", "warning", "error"]

FIRST_LINES, LAST_LINES = 60, 240
"""Kept of a long log: how it began, and how it ended."""

MAX_TEXT: dict[Kind, int] = {"step": 300, "warning": 1000, "error": 6000}
"""Characters of one line; of a longer one (a traceback) the beginning and the end are kept."""

MAX_CHARACTERS = 60_000
"""Of a whole log as JSON: a few screens, and no burden for a database with thousands of jobs."""


@dataclass(frozen=True)
class Line:
    """One thing that happened: when (Unix time), what kind of thing, and what in words."""

    at: float
    kind: Kind
    text: str


_NUMBER = re.compile(r"\d[\d.,]*")


class Journal:
    """The lines of one job, as its worker collects them."""

    def __init__(self, before: list[Line] | None = None) -> None:
        """Go on with the lines of an earlier attempt, if there was one."""
        self._first: list[Line] = []
        self._last: deque[Line] = deque()
        self._left_out = 0
        self._said, self._shape = "", ""
        self._latest: Line | None = None  # of several alike
        for line in before or []:
            self._keep(line)

    def say(self, text: str, kind: Kind = "step") -> None:
        """Add a line, unless it says what the last one did.

        Of steps that differ in nothing but numbers ("step 20 of 152") the first and the last are kept.
        """
        if text == self._said:
            return
        self._said = text
        line = Line(round(time.time(), 3), kind, _shortened(text, MAX_TEXT[kind]))
        shape = _NUMBER.sub("0", text) if kind == "step" else ""
        if shape and shape == self._shape:
            self._latest = line
            return
        if self._latest:
            self._keep(self._latest)
        self._shape, self._latest = shape, None
        self._keep(line)

    @property
    def lines(self) -> list[Line]:
        """What is kept, with a line for what is not."""
        gap = [Line(self._last[0].at, "step", f"… {self._left_out:,} lines left out …")] if self._left_out else []
        return [*self._first, *gap, *self._last, *([self._latest] if self._latest else [])]

    def to_json(self) -> str:
        """All of it for the database, shortened where it would be too long."""
        while len(text := json.dumps([astuple(line) for line in self.lines])) > MAX_CHARACTERS and len(self._last) > 1:
            for _ in range(1 + len(self._last) // 8):
                self._forget()
        return text

    def _keep(self, line: Line) -> None:
        if len(self._first) < FIRST_LINES:
            self._first.append(line)
            return
        self._last.append(line)
        if len(self._last) > LAST_LINES:
            self._forget()

    def _forget(self) -> None:
        self._last.popleft()
        self._left_out += 1


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 3]}\n…\n{text[-2 * most // 3 :]}"


class _Listener(logging.Handler):
    """Takes warnings and errors of its own thread: other jobs of the process are none of this one's business."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.WARNING)
        self._journal, self._thread = journal, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._journal.say(self.format(record), "error" if record.levelno >= logging.ERROR else "warning")


@contextlib.contextmanager
def listening(journal: Journal) -> Iterator[None]:
    """Inside, what this program logs in this thread as a warning or worse is in the journal too, with tracebacks."""
    logger, listener = logging.getLogger("compression"), _Listener(journal)
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)


def keep(connection: sql.Connection, job_id: str, lines: str) -> None:
    """Write a journal's JSON for a job, in place of an earlier one."""
    mine = LOGS.update().where(LOGS.c.job_id == job_id).values(lines=lines)
    if connection.execute(mine).rowcount == 0:
        connection.execute(LOGS.insert().values(job_id=job_id, lines=lines))


def log_of(database: Database, job_id: str) -> list[Line]:
    """The lines of a job; none where nothing was written (yet)."""
    with database.read() as connection:
        text = connection.scalar(sql.select(LOGS.c.lines).where(LOGS.c.job_id == job_id))
    try:
        return [Line(*parts) for parts in json.loads(text)] if text else []
    except (TypeError, ValueError):
        return [Line(0.0, "warning", "This log is damaged and cannot be read.")]
