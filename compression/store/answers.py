"""Answers to inquiries in the database: each names a file. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sql

from compression.inquiries import Inquiry
from compression.results import conditions
from compression.results.record import Result
from compression.store import artifacts
from compression.store.database import Database
from compression.store.tables import ANSWERS


def names_of(database: Database, wanted: Mapping[str, str]) -> dict[str, str]:
    """Names of the files of those that were answered; `wanted` are answers' keys, and what to list each under.

    A lost file is no answer.
    """
    query = sql.select(ANSWERS.c.answer_key, ANSWERS.c.artifact).where(ANSWERS.c.answer_key.in_(wanted))
    with database.read() as connection:
        rows = connection.execute(query).all()
    return {wanted[key]: name for key, name in rows if artifacts.path_of(name).is_file()}


def add(database: Database, inquiry: Inquiry, result: Result, content: bytes) -> None:
    """See `Store.add_answer`."""
    name = artifacts.write(content)
    result_key = conditions.key(result.recipe_id, conditions.conditions_of(result))
    key = inquiry.answer_key(result_key)
    row = {"answer_key": key, "result_key": result_key, "kind": inquiry.kind, "artifact": name}
    with database.write() as connection:
        known = connection.scalar(sql.select(ANSWERS.c.artifact).where(ANSWERS.c.answer_key == key))
        if known is None:
            connection.execute(ANSWERS.insert().values(row))
        elif not artifacts.path_of(known).is_file():
            connection.execute(ANSWERS.update().where(ANSWERS.c.answer_key == key).values(row))
    if known is None:
        artifacts.restore(content)
