"""Searches through a real dispatcher and workers that run `fake_run` instead of networks."""

import time
from pathlib import Path

import pytest

from compression.search.limits import Limits
from compression.search.wish import Wish
from compression.store.jobs import JobState
from compression.store.searches import SearchState
from compression.work import dispatcher, searching
from compression.work.dispatcher import Dispatcher
from tests.support.fake_dispatcher import FakeDispatcher
from tests.support.fake_run import MODEL, RUN

PATIENCE_S = 90
LONG, SHORT = 60.0, 0.1


@pytest.fixture
def home(fresh_home, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.delenv("COMPRESSION_SCHEDULER", raising=False)
    return fresh_home


def wait_for(condition, what):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.05)


def test_the_dispatcher_of_a_server_carries_on_its_searches(fresh_home, monkeypatch):
    carried = []
    monkeypatch.setattr(dispatcher, "Dispatcher", FakeDispatcher)
    monkeypatch.setattr(dispatcher, "_dispatcher", None)
    monkeypatch.setattr(searching, "carry_on", carried.append)
    assert carried == [dispatcher.get_dispatcher()]
    dispatcher.get_dispatcher()
    assert len(carried) == 1
    monkeypatch.setattr(dispatcher, "_dispatcher", None)


def test_it_searches_pauses_and_goes_on_with_the_next_dispatcher_until_its_time_is_over(home):
    wish = Wish(Limits(stored_kb=500), "smallest", LONG)
    first = Dispatcher(run=RUN, background_workers=2)
    search = searching.begin(first.store, MODEL, wish)
    searching.carry_on(first)

    def now():
        return first.store.searches.search(search.search_id)

    def measured():
        return len(first.store.results(MODEL))

    wait_for(lambda: measured() >= 20, "twenty settings")
    first.store.searches.move(search.search_id, SearchState.PAUSED)
    time.sleep(2.0)  # a moment's work may be on its way
    wait_for(lambda: all(job.state.is_final for job in first.jobs(search.group)), "the pause")
    paused_at = measured()
    time.sleep(1.0)
    assert measured() == paused_at
    first.store.searches.move(search.search_id, SearchState.RUNNING)
    wait_for(lambda: measured() > paused_at, "more settings")
    first.close()
    spent, known = now().spent_s, measured()
    assert now().state is SearchState.RUNNING and spent > 0

    second = Dispatcher(run=RUN, background_workers=2)
    try:
        searching.carry_on(second)
        wait_for(lambda: measured() > known, "the next dispatcher")
        assert now().spent_s >= spent
        recipes = [job.recipe.recipe_id for job in second.jobs(search.group) if job.state is JobState.COMPLETE]
        assert len(set(recipes)) == len(recipes)  # nothing was done twice
        second.store.searches.move(search.search_id, SearchState.OVER)
        second.store.searches.extend(search.search_id, SHORT - LONG)  # its time is over at once
        over = searching.search_until_over(second, now())
        assert over.state is SearchState.OVER
        found = searching.answer_of(second.store, over)
        assert found.is_met and found.best.stored_bytes <= 500_000
        volumes = [volume for _, _, volume in over.progress]
        assert volumes == sorted(volumes) and volumes[-1] > 0
    finally:
        second.close()


def test_a_search_of_a_model_that_is_gone_says_so(home):
    dispatcher = Dispatcher(run=RUN, background_workers=1)
    try:
        search = dispatcher.store.searches.begin("no-such-model", Wish().to_json(), 5.0)
        searching.carry_on(dispatcher)

        def now():
            return dispatcher.store.searches.search(search.search_id)

        wait_for(lambda: now().state is SearchState.CANCELLED, "the refusal")
        assert "no-such-model" in now().message
    finally:
        dispatcher.close()
