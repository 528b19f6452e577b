import pytest

from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.recipe.settings import BIT_WIDTHS, PRUNING, Settings, neutral_settings, recipe_of
from compression.results.metrics import METRICS
from compression.search.estimate import Known, estimate
from compression.search.limits import Limits
from compression.search.surface import PAIRS, surface
from tests.support.made_up_results import fabricate

MODEL = "lenet5-mnist5k"
SUBJECT = subject_of(MODEL)
ORIGINAL = fabricate(Recipe(model=MODEL))
KNOWN = Known(SUBJECT, ORIGINAL.accuracy, float(ORIGINAL.stored_bytes), ORIGINAL.latency_p50_ms)
HERE = neutral_settings(SUBJECT)
BITS_AND_CHANNELS = ("pruning_percent", "weight_bits")


def results(*settings):
    found = [ORIGINAL, *(fabricate(recipe_of(SUBJECT, one)) for one in settings)]
    return {result.recipe_id: result for result in found}


def seen(measured=(), settings=HERE, pair=BITS_AND_CHANNELS, **others):
    return surface(settings, pair, results(*measured), KNOWN, {}, **others)


def test_it_has_a_cell_for_each_pair_of_positions():
    found = seen()
    assert (found.columns, found.levels) == (tuple(PRUNING), BIT_WIDTHS)
    assert [len(row) for row in found.rows] == [len(PRUNING)] * len(BIT_WIDTHS)
    for level, row in zip(found.levels, found.rows, strict=True):
        for column, cell in zip(found.columns, row, strict=True):
            assert cell.settings == Settings(pruning_percent=column, weight_bits=level, student=HERE.student)


@pytest.mark.parametrize("pair", PAIRS)
def test_all_else_stays_as_it_is(pair):
    settings = Settings(pruning_percent=30, weight_bits=4, student_percent=50, student=HERE.student)
    found = seen(settings=settings, pair=pair)
    (third,) = {"pruning_percent", "weight_bits", "student_percent"} - set(pair)
    assert {getattr(cell.settings, third) for cell in found.cells} == {getattr(settings, third)}
    row, column = found.here
    assert found.rows[row][column].recipe == recipe_of(SUBJECT, settings)


def test_measured_cells_have_their_measurement_and_the_others_an_estimate():
    done = Settings(pruning_percent=50, weight_bits=8, student=HERE.student)
    found = seen([done])
    measured = {cell.recipe: cell for cell in found.cells if cell.result is not None}
    assert measured.keys() == {Recipe(model=MODEL), recipe_of(SUBJECT, done)}
    cell = measured[recipe_of(SUBJECT, done)]
    for key in ("accuracy", "stored", "latency", "ratio"):
        assert cell.value(METRICS[key]) == METRICS[key].read(cell.result)
    other = next(cell for cell in found.cells if cell.result is None)
    guess = estimate(other.settings, KNOWN, {})
    assert other.value(METRICS["stored"]) == guess.stored_bytes
    assert other.value(METRICS["ratio"]) == pytest.approx(guess.latency_ms / KNOWN.latency_ms)


def test_limits_hold_for_measured_and_for_estimated_cells():
    done = Settings(pruning_percent=50, weight_bits=8, student=HERE.student)
    found = seen([done], limits=Limits(stored_kb=200))
    assert {cell.is_within for cell in found.cells} == {True, False}
    for cell in found.cells:
        assert cell.is_within == (cell.value(METRICS["stored"]) <= 200_000)


def test_what_is_missing_comes_coarse_to_fine_and_each_once():
    found = seen()
    missing = found.missing
    assert len(set(missing)) == len(missing) == len({cell.recipe for cell in found.cells} - {Recipe(model=MODEL)})
    corners = {found.rows[row][column].recipe for row in (0, -1) for column in (0, -1)} - {Recipe(model=MODEL)}
    assert set(missing[: len(corners)]) == corners
    middles = {cell.recipe for cell in found.rows[len(found.rows) // 2 - 1]}
    assert middles & set(missing[:12])
