import pytest

from compression.explain import latency
from compression.recipe.recipe import Recipe, make_recipe
from tests.support.made_up_results import fabricate, timing

MODEL = "lenet5-mnist5k"
SMALL = fabricate(make_recipe(MODEL, [{"technique": "channel_pruning", "pruning_ratio": 0.5}]))


@pytest.mark.parametrize(
    ("loads", "words"),
    [
        ((), ""),
        ((0.03,), "timed once, while other programs kept 3 % of the processors busy"),
        ((0.03, 0.4), "timed twice, while other programs kept 3 % and 40 % of the processors busy"),
        ((0, 0.5, 1), "timed 3 times, while other programs kept 0 %, 50 % and 100 % of the processors busy"),
    ],
)
def test_how_often_and_beside_what_it_was_timed(loads, words):
    timings = tuple(timing(0.5, load=load) for load in loads)
    assert latency.rests_on(SMALL.model_copy(update={"timings": timings})) == words


def test_what_shares_the_originals_graph_says_so():
    same = SMALL.model_copy(update={"graph": "g", "baseline": SMALL.baseline.model_copy(update={"graph": "g"})})
    assert "with the original: the same graph" in latency.rests_on(same)
    assert "the same graph" not in latency.rests_on(fabricate(Recipe(model=MODEL)))


class TestTheCall:
    def of(self, call_ms, ms=0.0265, before_ms=0.078):
        """A student of a quarter's width, whose computing takes less than the call."""
        before = SMALL.baseline.model_copy(update={"latency_p50_ms": before_ms, "call_ms": call_ms})
        return SMALL.model_copy(update={"latency_p50_ms": ms, "call_ms": call_ms, "baseline": before})

    def test_is_told_where_it_costs_as_much_as_computing(self):
        assert latency.of_the_call(self.of(0.0165)) == (
            "0.0165 ms of the 0.0265 ms are what it costs to call the runtime from Python, whatever it computes. "
            "Computing alone takes about 16 % of the time it took: nearer to what a program in C sees."
        )

    def test_is_not_told_where_it_costs_little(self):
        assert latency.of_the_call(self.of(0.005)) == ""
        assert latency.of_the_call(self.of(0.0)) == ""

    def test_nothing_is_said_of_computing_that_is_lost_in_the_noise(self):
        assert "Computing alone" not in latency.of_the_call(self.of(0.027))
