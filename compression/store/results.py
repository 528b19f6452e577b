"""Results as rows: they never change, so each is read once by a process that asks again and again. Torch-free."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sql

from compression.errors import CompressionError
from compression.results.record import Result
from compression.store.database import Database, deletions
from compression.store.tables import RESULTS

T = TypeVar("T")

LISTS_REMEMBERED = 5
"""In memory: results of four models, about 10 KB each, and the light rows of all."""


@dataclass(frozen=True)
class Unreadable:
    """A row that holds no result any more, as on a damaged disk. Measured again, a result takes its place."""

    result_key: str
    recipe_id: str


@functools.lru_cache(maxsize=1024)
def parse(document: str) -> Result:
    """Results never change, so one parse is enough; workers and pages ask for the same ones again and again.

    Raises ValueError or `CompressionError` where this is none: a number is missing, or is no number, or the recipe.
    """
    result = Result.model_validate_json(document)
    result.parsed_recipe  # noqa: B018 - raises, too
    return result


def read(row: sql.Row[Any]) -> Result | Unreadable:
    """What a row of the table of results holds."""
    try:
        return parse(row.document)
    except (CompressionError, ValueError):  # pydantic's errors are of this kind
        return Unreadable(row.result_key, row.recipe_id)


class Remembered:
    """What rows of results were read as, so that only later ones are read; of `LISTS_REMEMBERED` lists."""

    def __init__(self) -> None:
        self._lists: dict[Hashable, tuple[int, dict[int, tuple[str, Any]]]] = {}

    def rows(
        self,
        database: Database,
        name: Hashable,
        which: sql.ColumnElement[bool],
        read: Callable[[sql.Row[Any]], T],
    ) -> list[T]:
        """What `read` makes of each row, the oldest first; `name` is the list's, and stands for `which` and `read`.

        All are read anew where others than the latest have changed: results were deleted, the database was replaced,
        or a row became visible after one with a higher number. Where nothing has, that takes one small query.
        """

        def rows(condition: sql.ColumnElement[bool]) -> dict[int, tuple[str, T]]:
            query = sql.select(RESULTS).where(which, condition).order_by(RESULTS.c.sequence)
            return {row.sequence: (row.result_key, read(row)) for row in connection.execute(query)}

        deleted, known = self._lists.get(name, (0, {}))
        last = next(reversed(known), -1)
        is_last, is_ours = RESULTS.c.sequence == last, sql.select(sql.func.count()).select_from(RESULTS).where(which)
        now = sql.select(
            deletions(),  # SQLite gives the numbers of deleted rows to later ones
            is_ours.scalar_subquery(),
            sql.select(RESULTS.c.result_key).where(is_last).scalar_subquery(),
        )
        with database.read() as connection:
            deletions_now, count, key = connection.execute(now).one()
            if deletions_now != deleted or (known and key != known[last][0]):
                known = {}
            if len(known) != count:
                known = known | rows(RESULTS.c.sequence > next(reversed(known), -1))
            if len(known) != count:
                known = rows(sql.true())
        self._lists.pop(name, None)
        self._lists[name] = deletions_now, known
        for forgotten in list(self._lists)[:-LISTS_REMEMBERED]:
            self._lists.pop(forgotten, None)
        return [value for _, value in known.values()]
