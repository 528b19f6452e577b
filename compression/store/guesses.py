"""What people guess before something is measured: by question, of browsers that nobody knows. Torch-free."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sql

from compression.store.store import Store
from compression.store.tables import GUESSES

MOST_IN_A_CLASS = 500
"""Guesses of one question that count: no class is larger, and a link may fall into strange hands."""

KEPT_DAYS = 400
"""A school year; older guesses are forgotten when the next one comes."""


@dataclass(frozen=True)
class Guess:
    """The name of a choice, and whether what was measured has been seen since: then it stays."""

    choice: str
    is_answered: bool = False


def give(store: Store, visitor: str, question: str, choice: str) -> None:
    """Note what a browser guesses in the store's workspace; another guess takes the place of one not yet answered."""
    mine = _of(store) & (GUESSES.c.visitor == visitor) & (GUESSES.c.question == question)
    now = {"choice": choice, "changed_at": time.time()}
    with store.database.write() as connection:
        connection.execute(GUESSES.delete().where(GUESSES.c.changed_at < time.time() - 86_400 * KEPT_DAYS))
        if connection.scalar(sql.select(sql.func.count()).select_from(GUESSES).where(mine)):
            connection.execute(GUESSES.update().where(mine, GUESSES.c.is_answered.is_(False)).values(now))
        else:
            who = {"workspace": store.workspace, "visitor": visitor, "question": question, "is_answered": False}
            connection.execute(GUESSES.insert().values(who | now))


def answer(store: Store, visitor: str, question: str) -> None:
    """Note that a browser has seen what its guess came to."""
    mine = _of(store) & (GUESSES.c.visitor == visitor) & (GUESSES.c.question == question)
    with store.database.write(announce=False) as connection:
        connection.execute(GUESSES.update().where(mine).values(is_answered=True))


def of_visitor(store: Store, visitor: str) -> dict[str, Guess]:
    """A browser's guesses in the store's workspace, by question."""
    query = sql.select(GUESSES).where(_of(store), GUESSES.c.visitor == visitor)
    with store.database.read() as connection:
        return {row.question: Guess(row.choice, row.is_answered) for row in connection.execute(query)}


def counts(store: Store, question: str) -> Counter[str]:
    """How many browsers chose what in the store's workspace; of the first `MOST_IN_A_CLASS`."""
    query = sql.select(GUESSES.c.choice).where(_of(store), GUESSES.c.question == question)
    with store.database.read() as connection:
        return Counter(connection.scalars(query.order_by(GUESSES.c.sequence).limit(MOST_IN_A_CLASS)))


def _of(store: Store) -> sql.ColumnElement[bool]:
    return GUESSES.c.workspace == store.workspace
