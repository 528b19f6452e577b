import pytest

from compression.charts import tradeoff
from compression.charts.axes import COSTS, GAINS
from compression.charts.palette import contenders
from compression.explain import comparison
from compression.recipe.recipe import Recipe, make_recipe
from compression.results.metrics import INTEGER_MACS, METRICS, MISSING, carbon_of, energy_of
from pages.components.shown import table
from tests.support.made_up_results import fabricate, preview, without_what_came_later

MODEL = "lenet5-mnist5k"
BASELINE = fabricate(Recipe(model=MODEL))
SMALL = fabricate(make_recipe(MODEL, [{"technique": "channel_pruning", "pruning_ratio": 0.5}]))
POOR = without_what_came_later(SMALL)
LATER = {"clock", "memory", "process_peak", "worst_class"}


def changed(key, **fields):
    """How a metric differs where the baseline is changed like this."""
    return METRICS[key].change(SMALL.model_copy(update=fields), SMALL)


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
class TestEveryMetric:
    def test_reads_a_whole_result_and_its_interval_holds_the_number(self, metric):
        low, high = (value := metric.of(SMALL)).ends
        assert low <= value.at <= high
        assert metric.read(SMALL) == value.at

    def test_explains_itself(self, metric):
        assert metric.title[0].isupper() and metric.meaning.endswith(".")
        assert metric.said(SMALL) != MISSING

    def test_nothing_is_better_than_itself(self, metric):
        assert metric.change(SMALL, SMALL).effect == "same"

    def test_a_baselines_bare_numbers_are_those_compared_with_itself(self, metric):
        if metric.of_itself is not None:
            assert metric.read(SMALL.baseline) == metric.read(BASELINE) == metric.of_itself

    def test_what_is_not_measured_is_not_said(self, metric):
        assert (metric.said(POOR) == MISSING) == (metric.key in LATER)
        assert metric.change(POOR, POOR).words in ("", "the same")


def test_links_know_the_axes_by_these_names():
    assert {*COSTS} == {"stored", "theoretical", "runtime", "zipped", "memory", "latency", "macs", "energy"}
    assert {*GAINS} == {"accuracy", "worst_class", "flips"}


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("accuracy", "95.3 % (94.1–96.1)"),
        ("difference", "−3.7 points (−4.3 to −3.1)"),
        ("stored", "523 KB"),
        ("ratio", "0.65 (0.63–0.67)"),
        ("latency", "0.130 ms (0.126–0.134)"),
        ("macs", "2.29 M"),
    ],
)
def test_numbers_have_one_form_everywhere(key, words):
    assert METRICS[key].said(SMALL) == words


def test_changes_are_factors_and_points_where_intervals_do_not_meet():
    assert changed("stored", stored_bytes=SMALL.stored_bytes // 4) == ("4.0× smaller", "better")
    assert changed("macs", macs=2 * SMALL.macs) == ("2.0× more", "worse")
    assert changed("process_peak", process_peak_bytes=4_100_000) == ("the same", "same")
    assert changed("flips", changed_predictions=SMALL.n_test // 2).effect == "worse"
    worst = SMALL.worst_class.model_copy(update={"correct": SMALL.worst_class.correct - 50})
    assert changed("worst_class", worst_class=worst) == ("−51.5 points", "worse")
    one = SMALL.worst_class.model_copy(update={"correct": SMALL.worst_class.correct - 1})
    assert changed("worst_class", worst_class=one) == ("no measurable difference", "same")
    assert changed("worst_class") == ("the same", "same")
    assert changed("ratio", latency_ratio=0.1).words == ""  # which is a change itself


def test_before_the_clock_was_asked_there_are_sizes_and_accuracy_only():
    early = preview(Recipe.model_validate(SMALL.recipe))
    known = {key for key, metric in METRICS.items() if metric.of(early)}
    sizes = {"stored", "runtime", "zipped", "theoretical", "params", "nonzero", "macs"}
    assert known == sizes | {"accuracy", "worst_class"}


def test_assumptions_change_the_model():
    assert energy_of("dram").read(SMALL) > energy_of("cache").read(SMALL)
    assert carbon_of("cache", 0.0).read(SMALL) == 0
    assert INTEGER_MACS.said(SMALL) == "87.2 %"


def test_all_times_of_a_model_have_one_scale():
    """Whenever they were timed: the ratio times what the baseline took when it was measured."""
    assert SMALL.latency_p50_ms == METRICS["latency"].read(SMALL) == SMALL.latency_ratio * BASELINE.latency_p50_ms


def test_less_said_is_less_shown():
    results = [without_what_came_later(BASELINE), POOR]
    assert "process peak" not in tradeoff.hover_text(POOR)
    rows = comparison.table(contenders(results), {})
    assert [row.title for row in rows if row.cells[1].value == MISSING and "redictions" not in row.title] == [
        METRICS[key].title for key in METRICS if key in LATER and METRICS[key].has_row
    ]
    assert table.frame_of(results)["memory"].isna().all()
