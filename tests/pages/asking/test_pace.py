"""News waits where many look; the clock is the test's."""

import pytest

from pages.components.asking import pace


@pytest.fixture
def turns():
    made = pace.Turns()
    assert made.take("a", 100.0, is_own=False)
    assert made.take("a", 100.5, is_own=False)  # it has not drawn yet
    return made


def test_a_few_pages_look_as_often_as_one():
    assert pace.look_seconds(1) == pace.look_seconds(pace.FEW) == pace.LOOK_SECONDS
    assert pace.look_seconds(25) == 5 * pace.LOOK_SECONDS


def test_one_draws_at_a_time(turns):
    assert not turns.take("b", 100.5, is_own=True)
    turns.over("b", 100.9)  # a move's answer is nobody's turn
    assert not turns.take("b", 100.9, is_own=True)


def test_between_news_there_is_time_for_moves(turns):
    turns.over("a", 101.0)  # it took a second
    assert not turns.take("b", 101.9, is_own=True)
    assert not turns.take("b", 104.9, is_own=False)
    assert turns.take("b", 102.1, is_own=True)


def test_news_of_curves_waits_longer(turns):
    turns.over("a", 101.0)
    assert not turns.take("b", 102.1, is_own=False)
    assert turns.take("b", 105.1, is_own=False)


def test_a_page_that_went_away_holds_nobody_up(turns):
    assert not turns.take("b", 109.9, is_own=True)
    assert turns.take("b", 100.0 + pace.PATIENCE_S, is_own=True)
