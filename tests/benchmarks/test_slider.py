import itertools
from urllib.parse import parse_qs, urlparse

import pytest

from benchmarks import slider, start
from benchmarks.slider import BIT_WIDTHS, GOALS, Press
from benchmarks.start import Memory, Start
from compression.links import view_from
from compression.settings import BIT_WIDTHS as BITS_ON_SLIDER
from compression.settings import MAX_PRUNING, PRUNING_STEP, Settings, recipe_of
from compression.sweeps import CURVES, curve_recipes


def times(**medians):
    """Three moves a stage around these medians, of which one is much too slow."""
    return {stage: [0.9 * median, 1000 * median, median] for stage, median in medians.items()}


def test_stages_are_told_in_floors_of_the_same_run():
    found = {line.stage: line for line in slider.lines(times(floor=100, estimate=190, measured=301, latency=1, seen=1))}
    assert found["estimate"].floors == pytest.approx(1.9)
    assert found["estimate"].is_reached
    assert not found["measured"].is_reached


def test_the_table_says_what_was_missed():
    rows = slider.table(times(floor=100, estimate=190, measured=301, latency=1, seen=1)).splitlines()
    assert len(rows) == 1 + len(GOALS)
    assert "goal 2: reached" in rows[1]
    assert "goal 3: missed" in rows[2]


def test_the_route_meets_no_setting_twice_and_none_that_a_curve_measures():
    swept = {recipe for points in curve_recipes(slider.MODEL, "none", CURVES).values() for recipe in points.values()}
    pruning, bits, seen = 0, BIT_WIDTHS[0], set()
    for presses in slider.route():
        for press in presses:
            if press.field == "weight_bits":
                bits = BITS_ON_SLIDER[BITS_ON_SLIDER.index(bits) + 1]
            else:
                pruning += PRUNING_STEP if press.key == "ArrowRight" else -PRUNING_STEP
        assert 0 <= pruning <= MAX_PRUNING
        recipe = recipe_of(slider.MODEL, Settings(pruning, bits))
        assert recipe not in seen | swept
        seen.add(recipe)
    assert len(seen) >= slider.MOVES + slider.WARM_UP


def test_there_and_back_stays_on_what_was_measured():
    way = [Press("pruning_percent", "ArrowRight")] * 3
    keys = [press.key for press in itertools.islice(slider.there_and_back(way), 12)]
    assert keys == (["ArrowLeft"] * 3 + ["ArrowRight"] * 3) * 2


def test_the_page_that_is_timed_is_a_valid_link():
    asked = {key: value[0] for key, value in parse_qs(urlparse(slider.address_of("http://127.0.0.1:1")).query).items()}
    view = view_from(asked)
    assert view.settings.weight_bits == BIT_WIDTHS[0]
    assert view.settings.pruning_percent == 0
    assert ",".join(view.curves) == slider.CURVES


def test_a_start_is_told_in_bare_starts_with_the_largest_worker():
    worker, larger = Memory(500, 300), Memory(800, 400)
    rows = start.table([1.0, 9.0, 2.0], [Start(5, 8, Memory(200, 150), (worker, larger))] * 3).splitlines()
    assert "2.50 times, goal 2: missed" in rows[1]
    assert "8.00 s, goal 10: reached" in rows[2]
    assert "200.00 MB RSS, goal 250: reached" in rows[3]
    assert "800.00 MB RSS, goal 700: missed" in rows[4]
