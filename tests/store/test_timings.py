"""Results whose networks have the same graph are timed as one."""

import pytest

from compression.recipe.recipe import make_recipe
from tests.support.made_up_results import fabricate, files_of, timing

MODEL = "lenet5-mnist5k"


def recipe(percent):
    return make_recipe(MODEL, [{"technique": "channel_pruning", "pruning_ratio": percent / 100}])


def keep(store, percent, graph, *timings):
    result = fabricate(recipe(percent), graph=graph).timed(timings)
    store.add_result(result, files_of(recipe(percent)))
    return result


FIRST, SECOND, THIRD = (
    timing(ratio, at=f"2026-01-0{day}T00:00:00") for day, ratio in ((1, 0.4), (2, 0.44), (3, 0.405))
)


def test_a_graph_that_was_timed_is_known(store):
    keep(store, 50, "graph", FIRST)
    assert store.timings(MODEL, "graph") == (FIRST,)
    assert store.timings(MODEL, "another") == store.timings("mlp-digits", "graph") == ()


def test_two_that_were_timed_at_the_same_time_have_both_timings(store):
    keep(store, 50, "graph", SECOND)
    keep(store, 51, "graph", FIRST)
    keep(store, 52, "another", THIRD)
    one, two, other = (store.result(recipe(percent)) for percent in (50, 51, 52))
    assert one.timings == two.timings == (FIRST, SECOND)
    assert one.latency_ratio == two.latency_ratio == pytest.approx((0.4 * 0.44) ** 0.5)
    assert other.timings == (THIRD,)


def test_timing_again_makes_all_of_them_surer(store):
    before = keep(store, 50, "graph", FIRST)
    keep(store, 51, "graph", FIRST)
    seen, revision = store.results(MODEL), store.revision()
    assert len(seen) == 2
    store.add_timing(before, THIRD)
    found = store.results(MODEL)
    assert [one.timings for one in found] == [(FIRST, THIRD)] * 2
    assert [one.recipe_id for one in found] == [one.recipe_id for one in seen]
    assert found[0].latency_ratio_high - found[0].latency_ratio_low < 0.9 * (
        before.latency_ratio_high - before.latency_ratio_low
    )
    assert store.revision() > revision


def test_a_result_without_a_graph_shares_with_nobody(store):
    keep(store, 50, "", FIRST)
    keep(store, 51, "", SECOND)
    assert store.result(recipe(50)).timings == (FIRST,)
    assert store.timings(MODEL, "") == ()
