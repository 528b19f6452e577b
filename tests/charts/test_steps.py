from dataclasses import replace

import pytest

from compression.charts import steps
from compression.charts.steps import stages
from compression.recipe import edit
from compression.recipe.recipe import make_recipe
from compression.results.metrics import METRICS
from tests.support.made_up_results import fabricate

RECIPE = make_recipe(
    "lenet5-mnist5k",
    [
        {"technique": "channel_pruning", "pruning_ratio": 0.5},
        {"technique": "fine_tuning", "epochs": 1},
        {"technique": "quantization", "weight_bits": 4},
    ],
    seed=3,
)
RESULTS = {recipe.recipe_id: fabricate(recipe) for recipe in edit.prefixes(RECIPE)}


class TestContributions:
    @pytest.mark.parametrize("measure", steps.SHOWN)
    def test_they_add_up(self, measure):
        first, *between, last = steps.changes(stages(RECIPE, RESULTS), METRICS[measure])
        assert first.is_total and last.is_total and len(between) == 3
        assert first.amount + sum(step.amount for step in between) == pytest.approx(last.amount)
        assert last.title == "All together"

    def test_they_end_where_the_measurements_do(self):
        results = dict(RESULTS)
        del results[edit.prefixes(RECIPE)[2].recipe_id]
        rows = steps.changes(stages(RECIPE, results), METRICS["stored"])
        assert [row.title for row in rows] == ["Baseline", "1. Prune channels", "So far"]
        assert steps.changes(stages(RECIPE, {}), METRICS["stored"]) == ()

    def test_better_is_told_from_worse(self):
        walked = stages(RECIPE, RESULTS)
        size, accuracy = (steps.changes(walked, METRICS[measure])[1] for measure in ("stored", "difference"))
        assert (size.amount < 0, size.is_better) == (True, True)
        assert (accuracy.amount < 0, accuracy.is_better) == (True, False)
        assert size.words.startswith("−") and size.words.endswith("MB")

    def test_the_baseline_takes_its_own_time_whatever_the_clock_said(self):
        walked = stages(RECIPE, RESULTS)
        noisy = walked[0].result.model_copy(update={"latency_ratio": 1.02})
        rows = steps.changes([replace(walked[0], result=noisy), *walked[1:]], METRICS["ratio"])
        assert rows[0].words == "1.00"

    @pytest.mark.parametrize("measure", steps.SHOWN)
    def test_the_picture_is_one_that_plotly_knows(self, measure):
        import plotly.graph_objects as go

        rows = steps.changes(stages(RECIPE, RESULTS), METRICS[measure])
        (bars,) = go.Figure(steps.draw(rows, METRICS[measure])).data
        assert list(bars.measure) == ["absolute", "relative", "relative", "relative", "total"]
        assert bars.textposition == "outside"  # in the colour of words, on the page and not on a bar
        low, high = steps.span(rows)
        reached = [sum(row.amount for row in rows[: n + 1]) for n in range(len(rows) - 1)]
        room = 0.2 * (max(0, *reached) - min(0, *reached))
        assert low < min(0, *reached) - room and max(0, *reached) + room < high
        good = bars.decreasing if measure != "difference" else bars.increasing
        assert good.marker.color == steps.GREEN
