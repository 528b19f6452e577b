import pytest

from compression.search.limits import Limits
from compression.search.wish import Wish, wish_from
from compression.store.job_queue import Owner
from compression.store.searches import SearchState

WISH = Wish(Limits(stored_kb=100, drop_points=0.5), "smallest", 2.5)


@pytest.fixture
def owner(any_store):
    owner = Owner("d1", "here", 1, 1.0)
    any_store.queue.heartbeat(owner)
    return owner


def begun(store, **changes):
    return store.searches.begin(**{"model": "mlp-digits", "wish": WISH.to_json(), "minutes": 2.5} | changes)


def test_a_search_is_kept_as_it_was_begun(any_store):
    search = begun(any_store)
    assert any_store.searches.search(search.search_id) == search
    assert (search.state, search.spent_s, search.progress) == (SearchState.RUNNING, 0.0, ())
    assert wish_from(search.wish) == WISH
    assert any_store.searches.search("none") is None


def test_one_dispatcher_carries_it_on_and_the_next_one_after_it(any_store, owner):
    search = begun(any_store)
    assert [one.search_id for one in any_store.searches.running_of(owner.dispatcher_id)] == [search.search_id]
    other = Owner("d2", "here", 2, 2.0)
    any_store.queue.heartbeat(other)
    assert any_store.searches.running_of(other.dispatcher_id) == []
    any_store.queue.sign_off([owner.dispatcher_id])
    assert [one.search_id for one in any_store.searches.running_of(other.dispatcher_id)] == [search.search_id]


def test_paused_and_resumed(any_store, owner):
    search = begun(any_store)
    any_store.searches.move(search.search_id, SearchState.PAUSED)
    assert any_store.searches.running_of(owner.dispatcher_id) == []
    any_store.searches.move(search.search_id, SearchState.RUNNING)
    assert len(any_store.searches.running_of(owner.dispatcher_id)) == 1


def test_those_that_run_are_paused_by_their_jobs_name_or_all(any_store):
    first, second, over = begun(any_store), begun(any_store), begun(any_store)
    any_store.searches.move(over.search_id, SearchState.OVER)

    def states():
        return [any_store.searches.search(one.search_id).state.value for one in (first, second, over)]

    any_store.searches.pause(first.group)
    assert states() == ["paused", "running", "over"]
    any_store.searches.pause()
    assert states() == ["paused", "paused", "over"]


def test_what_was_cancelled_stays_so(any_store):
    search = begun(any_store)
    any_store.searches.move(search.search_id, SearchState.CANCELLED)
    any_store.searches.move(search.search_id, SearchState.RUNNING)
    any_store.searches.extend(search.search_id, 5)
    found = any_store.searches.search(search.search_id)
    assert (found.state, found.minutes) == (SearchState.CANCELLED, 2.5)


def test_more_minutes_have_it_go_on(any_store):
    search = begun(any_store)
    any_store.searches.move(search.search_id, SearchState.OVER)
    any_store.searches.extend(search.search_id, 5)
    found = any_store.searches.search(search.search_id)
    assert (found.state, found.minutes) == (SearchState.RUNNING, 7.5)


def test_progress_is_told(any_store):
    search = begun(any_store)
    any_store.searches.tell(search.search_id, 12.5, "14 settings measured", [(1.0, 2, 0.1), (12.5, 14, 0.25)])
    found = any_store.searches.search(search.search_id)
    assert (found.spent_s, found.message) == (12.5, "14 settings measured")
    assert found.progress == ((1.0, 2, 0.1), (12.5, 14, 0.25))


def test_each_workspace_sees_its_own_and_the_latest_comes_first(any_store):
    first, second, theirs = begun(any_store), begun(any_store), begun(any_store, workspace="class")
    found = any_store.searches.of_model("mlp-digits")
    assert [one.search_id for one in found] == [second.search_id, first.search_id]
    assert [one.search_id for one in any_store.searches.of_model("mlp-digits", "class")] == [theirs.search_id]
    any_store.searches.forget("mlp-digits")
    assert any_store.searches.every() == []
