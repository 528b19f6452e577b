import itertools
from urllib.parse import parse_qs, urlparse

import pytest

from benchmarks import slider, start
from benchmarks.slider import BIT_WIDTHS, GOALS, Press
from benchmarks.start import Memory, Start
from compression.models.subject import subject_of
from compression.recipe.settings import BIT_WIDTHS as BITS_ON_SLIDER
from compression.recipe.settings import PRUNING, Settings, recipe_of
from compression.search.curves import CURVES, curve_recipes
from pages.components.view.link import view_from

SUBJECT = subject_of(slider.MODEL)


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
    swept = {recipe for points in curve_recipes(SUBJECT, "none", CURVES).values() for recipe in points.values()}
    pruning, bits, seen = 0, BIT_WIDTHS[0], set()
    for presses in slider.route():
        for press in presses:
            if press.field == "weight_bits":
                bits = BITS_ON_SLIDER[BITS_ON_SLIDER.index(bits) + 1]
            else:
                pruning += PRUNING.step if press.key == "ArrowRight" else -PRUNING.step
        assert 0 <= pruning <= PRUNING[-1]
        recipe = recipe_of(SUBJECT, Settings(pruning, bits))
        assert recipe not in seen | swept
        seen.add(recipe)
    assert len(list(slider.route())) == slider.ROUTE_MOVES >= 2 * slider.MOVES + slider.WARM_UP


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


def test_each_pace_is_told_in_its_own_floors_and_stages_that_were_not_timed_are_left_out():
    at_once = times(floor=100, estimate=190, measured=301, latency=390, seen=1)
    reading = times(floor=200, estimate=190, measured=301, latency=1000)
    found = {goal.what: goal for goal in slider.goals({0.5: at_once, 3.0: reading})}
    assert len(found) == len(at_once) + len(reading) - 2
    at_once_measured, measured = (found[f"measured, {rest} s after the last move"] for rest in ("0.5", "3"))
    assert (at_once_measured.is_reached, measured.is_reached) == (False, True)
    assert measured.found == pytest.approx(301 / 200) and measured.note == "301 ms"
    assert not found["latency, 3 s after the last move"].is_reached


def test_paces_follow_one_another_and_only_the_first_is_warmed_up():
    assert slider._paces([0.5, 3.0], 2) == [0.5] * (slider.WARM_UP + 2) + [3.0] * 2


@pytest.mark.parametrize("arguments", [["--moves", "1"], ["--moves", "40"], ["--rest", "1", "1"]])
def test_more_moves_than_there_are_settings_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        slider.main(arguments)
    assert "error" in capsys.readouterr().err


def test_goals_of_a_start_are_medians_and_the_largest_process():
    starts = [Start(3, 8, Memory(200, 1), (Memory(500, 1), Memory(701, 300))), Start(5, 14, Memory(251, 1), ())]
    found = start.goals([2.0, 2.0], starts)
    assert [goal.found for goal in found] == [2.0, 11.0, 251, 701]
    assert [goal.is_reached for goal in found] == [True, False, False, False]


def test_a_start_is_told_in_bare_starts_with_the_largest_worker():
    worker, larger = Memory(500, 300), Memory(800, 400)
    rows = start.table([1.0, 9.0, 2.0], [Start(5, 8, Memory(200, 150), (worker, larger))] * 3).splitlines()
    assert "2.50 times, goal 2: missed" in rows[1]
    assert "8.00 s, goal 10: reached" in rows[2]
    assert "200.00 MB RSS, goal 250: reached" in rows[3]
    assert "800.00 MB RSS, goal 700: missed" in rows[4]
