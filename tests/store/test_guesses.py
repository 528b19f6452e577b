"""Guesses, over every database there is."""

import pytest

from compression.store import guesses
from compression.store.guesses import Guess

Q = "pruning-0123456789abcdef"


def test_a_guess_comes_back_to_its_browser_and_counts_for_all(store):
    room = store.within("class-a")
    for visitor, choice in (("one", "little"), ("two", "little"), ("three", "same")):
        guesses.give(room, visitor, Q, choice)
    assert guesses.of_visitor(room, "one") == {Q: Guess("little")}
    assert guesses.counts(room, Q) == {"little": 2, "same": 1}


def test_classes_do_not_see_each_other(store):
    guesses.give(store.within("class-a"), "one", Q, "little")
    assert guesses.counts(store.within("class-b"), Q) == {}
    assert guesses.counts(store, Q) == {}
    assert guesses.of_visitor(store.within("class-b"), "one") == {}


def test_another_guess_takes_the_place_of_the_first_until_the_answer_was_seen(store):
    guesses.give(store, "one", Q, "little")
    guesses.give(store, "one", Q, "same")
    assert guesses.counts(store, Q) == {"same": 1}
    guesses.answer(store, "one", Q)
    guesses.give(store, "one", Q, "little")
    assert guesses.of_visitor(store, "one") == {Q: Guess("same", is_answered=True)}


def test_a_flood_counts_as_one_class(store, monkeypatch):
    monkeypatch.setattr(guesses, "MOST_IN_A_CLASS", 5)
    for number in range(9):
        guesses.give(store, str(number), Q, "little")
    assert guesses.counts(store, Q).total() == 5


def test_old_ones_are_forgotten(store, monkeypatch):
    now = guesses.time.time()
    monkeypatch.setattr(guesses.time, "time", lambda: now - 86_400 * (guesses.KEPT_DAYS + 1))
    guesses.give(store, "old", Q, "little")
    monkeypatch.undo()
    guesses.give(store, "new", Q, "same")
    assert guesses.counts(store, Q) == {"same": 1}


@pytest.fixture(autouse=True)
def _is_fresh(store):
    """A database that several tests share is empty in these workspaces."""
    with store.database.write() as connection:
        connection.execute(guesses.GUESSES.delete())
