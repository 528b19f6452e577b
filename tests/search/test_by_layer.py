"""Estimates of levels chosen layer by layer, from made-up tables and measurements."""

import pytest

from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe, make_recipe
from compression.search import by_layer, outlook
from compression.search.allocation import accuracy_at
from compression.search.by_layer import expect, predicted_loss
from compression.search.estimate import Known
from compression.search.limits import Limits
from tests.search.test_allocation import cell, tables
from tests.support import made_up_answers
from tests.support.made_up_results import ACCURACY, BYTES, MS, fabricate

MODEL = "lenet5-mnist5k"
KNOWN = Known(subject_of(MODEL), ACCURACY, BYTES, MS)
TABLES = made_up_answers.tables()
BASELINE = fabricate(Recipe(model=MODEL))
SMALL = Limits(stored_kb=TABLES.layers[1].bytes / 1000 / 4)


def bits(level, levels=(), **others):
    return {"technique": "quantization", "weight_bits": level, "levels": levels, **others}


def channels(share, **others):
    return {"technique": "channel_pruning", "pruning_ratio": share, **others}


def measured(number, lost):
    """A setting with so many bits, and what it lost."""
    return fabricate(make_recipe(MODEL, [bits(number)]), accuracy=ACCURACY - lost, accuracy_difference=-lost)


@pytest.mark.parametrize(
    ("steps", "loss"),
    [
        ([], 0),
        ([bits(4)], 2 * 0.064),
        ([bits(8, [["conv1", 5]])], 0.016 + 0.001),
        ([bits(7)], 2 * 0.0025),  # halfway
        ([channels(0.25)], 0.001),
        ([channels(0.25), bits(8)], 0.003),
        ([channels(0.9)], None),  # beyond all that was tried
        ([bits(4, activation_bits=8)], None),
        ([{"technique": "magnitude_pruning", "sparsity": 0.7}], None),  # each layer has another share of zeros
        ([{"technique": "second_order_pruning", "sparsity": 0.0, "levels": [["hidden", 0.7]]}], 0.004),
        ([bits(4), {"technique": "fine_tuning", "epochs": 1}], None),
    ],
)
def test_what_measured_settings_lose_by_the_tables(steps, loss):
    found = predicted_loss(TABLES, make_recipe(MODEL, steps))
    assert found == (None if loss is None else pytest.approx(loss))


def test_each_has_its_bytes_its_time_and_a_range_of_accuracies():
    found = expect(KNOWN, TABLES, [BASELINE])
    smallest = min(found, key=lambda one: one.guess.stored_bytes)
    assert smallest.guess.stored_bytes < 0.1 * TABLES.layers[1].bytes
    for one in found:
        low, high = one.guess.accuracy_range
        assert low < one.guess.accuracy <= high <= ACCURACY
        assert one.ratio == pytest.approx(one.what.ms / 0.035)
        assert one.recipe.steps and predicted_loss(TABLES, one.recipe) == pytest.approx(one.what.loss)


def test_what_techniques_cost_together_is_less_sure():
    found = expect(KNOWN, TABLES, [BASELINE])
    both = {"channel_pruning", "magnitude_pruning"}
    together = [one.guess.doubt for one in found if both <= one.what.levels.keys()]
    alone = [one.guess.doubt for one in found if len(both & one.what.levels.keys()) == 1 and len(one.what.levels) < 3]
    assert together and alone and min(together) > max(alone)


def expected_of(results):
    """Of one allocation that loses a little."""
    found = expect(KNOWN, TABLES, [BASELINE, *results])
    alone = [one for one in found if one.guess.doubt == by_layer.ALONE]
    return min(alone, key=lambda one: abs(one.what.loss - 0.02)).guess


def test_measured_settings_move_the_estimates():
    usual = expected_of([])
    worse = expected_of([measured(4, 0.7), measured(5, 0.6), measured(6, 0.5)])
    assert worse.accuracy < usual.accuracy


def test_ranges_are_as_wide_as_measurements_say():
    def width(guess):
        low, high = guess.accuracy_range
        return high - low

    kept = float(TABLES.accuracy - accuracy_at(TABLES, predicted_loss(TABLES, make_recipe(MODEL, [bits(3)]))))
    right, wrong = [measured(3, kept)], [measured(3, kept), measured(5, 0.6)]
    assert width(expected_of(wrong)) > 1.2 * width(expected_of(right))


def test_without_layers_or_the_originals_accuracy_there_are_none():
    assert expect(Known(KNOWN.subject), TABLES, []) == ()
    assert expect(KNOWN, tables([]), []) == ()


def test_the_outlook_names_them():
    everything = expect(KNOWN, TABLES, [BASELINE])
    found = outlook.look_out(SMALL, "accuracy", [BASELINE], everything)
    assert found.chance in ("probably", "perhaps") and found.expected in everything
    assert "chosen layer by layer: about " in found.sentences[0] and found.sentences[0].endswith("estimated.")
    assert found.reach["stored"].most <= 1000 * SMALL.stored_kb


def test_tables_are_looked_through_once(monkeypatch):
    expect(KNOWN, TABLES, [BASELINE])
    monkeypatch.setattr(by_layer, "frontier", None)
    assert expect(KNOWN, TABLES, [BASELINE, measured(4, 0.1)])


def test_losses_between_cells_are_those_of_the_level():
    known = tables([TABLES.layers[0].model_copy(update={"cells": (cell("quantization", 4, 1, 0.5),)})])
    assert predicted_loss(known, make_recipe(MODEL, [bits(3)])) is None
    assert predicted_loss(known, make_recipe(MODEL, [bits(4)])) == 0.5
