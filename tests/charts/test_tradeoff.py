import math
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from compression.charts import drawing, tradeoff
from compression.charts.axes import Axes
from compression.charts.figure import INK
from compression.charts.rise import ROOM, Rise
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.settings import Settings, recipe_of
from compression.results.metrics import METRICS, Value
from compression.search.curves import CURVES, DEFAULT_CURVES, curve_recipes
from compression.search.estimate import Estimate
from compression.search.front import pareto_front
from compression.search.limits import Limits
from tests.support.made_up_results import BYTES, MS, fabricate, preview

MODEL = "lenet5-mnist5k"
RISE = Rise("accuracy")
SUBJECT = subject_of(MODEL)
CURRENT = recipe_of(SUBJECT, Settings(pruning_percent=45, weight_bits=4))


def curves(shown=DEFAULT_CURVES):
    return {curve: recipes.values() for curve, recipes in curve_recipes(SUBJECT, "none", shown).items()}


def results(*more, shown=DEFAULT_CURVES):
    swept = [recipe for recipes in curves(shown).values() for recipe in recipes]
    return [fabricate(recipe) for recipe in (Recipe(model=MODEL), *swept, *more)]


@pytest.fixture
def full():
    other = recipe_of(SUBJECT, Settings(weight_bits=7))
    return tradeoff.tradeoff(results(CURRENT, other), curves(), CURRENT)


def trace(figure, name):
    (found,) = [trace for trace in figure.data if trace.name == name]
    return found


def draw(data, cost="stored", gain="accuracy", is_even=False, **more):
    """The figure in plotly's own classes, which check every name and value."""
    axes = Axes(cost, cost, gain, is_even)
    plane = drawing.plane(cost, axes, tradeoff.ranges_for(data, BYTES, axes=axes))
    return go.Figure(drawing.draw(data, plane, **more))


def at(point, axis):
    return point.on(METRICS[axis])


def test_every_result_is_sorted_into_its_place(full):
    assert full.baseline.recipe_id == Recipe(model=MODEL).recipe_id
    assert full.current.recipe_id == CURRENT.recipe_id
    assert [point.recipe_id for point in full.others] == [recipe_of(SUBJECT, Settings(weight_bits=7)).recipe_id]
    assert {curve: len(points) for curve, points in full.curves.items()} == {
        curve: len(recipes) for curve, recipes in curve_recipes(SUBJECT, "none").items()
    }
    assert len(full.points) == len(results()) + 2
    assert full.guess is None


def many(count):
    """Results of one recipe under many seeds, each a bit smaller and faster but less accurate, or simply worse."""
    found = []
    for seed in range(count):
        step = {"technique": "magnitude_pruning", "sparsity": 0.5}
        like = fabricate(make_recipe(MODEL, [step], seed + 1))
        good = seed % 100 == 0
        accuracy, stored = (0.98 - seed / count / 2, 300_000 - 10 * seed) if good else (0.3, 400_000 + seed)
        found.append(like.model_copy(update={"accuracy": accuracy, "stored_bytes": stored}))
    return found


@pytest.fixture(scope="module")
def crowd():
    return [*results(CURRENT), *many(1500)]


def test_of_very_many_settings_the_front_the_curves_and_the_current_one_are_all_drawn(crowd):
    data = tradeoff.tradeoff(crowd, curves(), CURRENT)
    drawn = {point.recipe_id for point in data.points}
    costs = ([result.stored_bytes for result in crowd], [result.latency_ratio for result in crowd])
    fronts = [pareto_front(cost, [result.accuracy for result in crowd]) for cost in costs]
    assert {crowd[index].recipe_id for front in fronts for index in front} <= drawn
    assert {result.recipe_id for result in results(CURRENT)} <= drawn
    assert data.current is not None
    assert data.baseline is not None
    assert tradeoff.MAX_OTHERS <= len(data.others) < tradeoff.MAX_OTHERS + 100


def test_a_sample_is_said_on_the_chart_and_a_whole_is_not(crowd, full):
    data = tradeoff.tradeoff(crowd, curves(), CURRENT)
    (note,) = draw(data).layout.annotations
    assert note.text.endswith(f" · {len(data.points):,} of {len(crowd):,} drawn")
    (heading,) = draw(full).layout.annotations
    assert heading.text == "Smaller is to the left, better is up"


def test_a_sample_hardly_changes_when_a_point_is_added(crowd):
    before = {point.recipe_id for point in tradeoff.tradeoff(crowd[:-1], curves(), CURRENT).others}
    after = {point.recipe_id for point in tradeoff.tradeoff(crowd, curves(), CURRENT).others}
    assert len(before ^ after) <= 2


def test_the_guess_is_kept_only_until_the_measurement():
    guess = Estimate(0.9, 100_000, 0.1)
    assert tradeoff.tradeoff(results(), curves(), CURRENT, guess).guess == guess
    assert tradeoff.tradeoff(results(CURRENT), curves(), CURRENT, guess).guess is None


def test_latency_is_the_paired_ratio_times_the_baselines_median():
    busy = fabricate(CURRENT, latency_p50_ms=99.0)
    data = tradeoff.tradeoff([fabricate(Recipe(model=MODEL)), busy], curves(), CURRENT)
    latency = at(data.current, "latency")
    assert latency.at == pytest.approx(MS * busy.latency_ratio)
    assert latency.low < latency.at < latency.high


def test_every_point_can_be_clicked_to_its_recipe(full):
    for axis in ("stored", "latency"):
        ids = {identity for trace in draw(full, axis).data for identity in trace.customdata or ()}
        assert ids == {point.recipe_id for point in full.points}


def test_size_is_in_kilobytes_and_accuracy_in_percent(full):
    drawn = trace(draw(full), "this setting")
    assert drawn.x[0] == pytest.approx(fabricate(CURRENT).stored_bytes / 1000)
    assert drawn.y[0] == pytest.approx(RISE.place(100 * fabricate(CURRENT).accuracy))
    even = trace(draw(full, is_even=True), "this setting")
    assert even.y[0] == pytest.approx(100 * fabricate(CURRENT).accuracy - 100)


def test_error_bars_are_the_intervals(full):
    accuracy, latency = (at(full.curves["quantization"][0], axis) for axis in ("accuracy", "latency"))
    low, at_, high = map(RISE.place, (accuracy.low, accuracy.at, accuracy.high))
    drawn = trace(draw(full, "latency"), "Quantization")
    assert drawn.error_y.array[1] == pytest.approx(high - at_)
    assert drawn.error_y.arrayminus[1] == pytest.approx(at_ - low)
    assert drawn.error_x.array[1] == pytest.approx(latency.high - latency.at)
    assert trace(draw(full, "stored"), "Quantization").error_x.array is None


def test_the_current_setting_is_hollow_and_called_estimated_until_it_is_measured(full):
    waiting = tradeoff.tradeoff(results(), curves(), CURRENT, Estimate(0.9, 100_000, 0.1))
    hollow, solid = (trace(draw(data), "this setting") for data in (waiting, full))
    assert (hollow.marker.symbol, list(hollow.text)) == ("circle-open", ["estimated"])
    assert (solid.marker.symbol, list(solid.text)) == ("circle", ["measured"])
    assert (hollow.x[0], hollow.y[0]) == pytest.approx((100, 1))  # 10 % go wrong
    unknown = replace(waiting, guess=Estimate(0.9, 100_000, None))
    assert not trace(draw(unknown, "latency"), "this setting").x


def test_accuracy_and_size_are_drawn_as_measured_while_latency_is_still_estimated():
    known = preview(CURRENT)
    data = tradeoff.tradeoff(results(), curves(), CURRENT, Estimate(0.9, 100_000, 0.1), preview=known)
    solid, hollow = (trace(draw(data, axis), "this setting") for axis in ("stored", "latency"))
    assert (solid.marker.symbol, list(solid.text)) == ("circle", ["measured"])
    assert (hollow.marker.symbol, list(hollow.text)) == ("circle-open", ["estimated"])
    assert (solid.x[0], solid.y[0]) == pytest.approx((known.stored_bytes / 1000, RISE.place(100 * known.accuracy)))
    assert (hollow.x[0], hollow.y[0]) == pytest.approx((0.1, RISE.place(100 * known.accuracy)))
    assert tradeoff.tradeoff(results(CURRENT), curves(), CURRENT, preview=known).preview is None


def test_accuracy_on_the_first_images_is_called_so_far_and_has_its_interval():
    early = preview(CURRENT).model_copy(update={"n_test": 100, "accuracy_low": 0.5})
    data = tradeoff.tradeoff(results(), curves(), CURRENT, Estimate(0.9, 100_000, 0.1), preview=early)
    solid = trace(draw(data, "stored"), "this setting")
    assert (solid.marker.symbol, list(solid.text)) == ("circle", ["so far"])
    ends = solid.y[0] + solid.error_y.array[0], solid.y[0] - solid.error_y.arrayminus[0]
    assert any(end == pytest.approx(RISE.place(50)) for end in ends)


def test_axes_hold_a_point_that_is_half_measured():
    small = preview(CURRENT).model_copy(update={"stored_bytes": 10, "accuracy": 0.1})
    ranges = tradeoff.ranges_for(tradeoff.tradeoff(results(), curves(), CURRENT, preview=small), BYTES, None)
    assert ranges["stored"][0] < math.log10(10 / 1000) and ranges["accuracy"][0] < 0.04


def test_curves_look_the_same_on_both_axes_and_differ_from_each_other():
    every = tradeoff.tradeoff(results(shown=CURVES), curves(CURVES), CURRENT)
    assert len(every.curves) > len(DEFAULT_CURVES)
    for curve in every.curves:
        title = CURVES[curve].words
        left, right = (trace(draw(every, axis), title) for axis in ("stored", "latency"))
        assert left.marker.color == right.marker.color
        assert left.marker.symbol == right.marker.symbol
    assert len({look.symbol for look in CURVES.values()}) == len(CURVES)


def test_one_hue_a_slider_with_one_filled_symbol_each():
    sliders = {("channel_pruning",), ("magnitude_pruning", "second_order_pruning"), ("quantization", "weight_sharing")}
    sliders |= {("distillation", "student_control", "slimmable_student"), ("low_rank", "depthwise_separable")}
    hues = [{CURVES[curve].colour for curve in group} for group in sliders]
    assert all(len(hue) == 1 for hue in hues)
    assert len(set.union(*hues)) == len(sliders)
    for group in sliders:
        assert [curve for curve in group if CURVES[curve].dash == "solid"] == [group[0]]


def test_points_of_curves_that_are_not_shown_are_grey_and_still_there():
    data = tradeoff.tradeoff(results(shown=CURVES), curves(), CURRENT)
    hidden = {recipe.recipe_id for recipe in curves(("low_rank",))["low_rank"]}
    assert hidden <= {point.recipe_id for point in data.others}
    assert "Low rank" not in [trace.name for trace in draw(data).data]


def test_a_curve_starts_at_the_baseline_and_the_front_never_falls(full):
    assert trace(draw(full), "Quantization").x[0] == pytest.approx(BYTES / 1000)
    front = trace(draw(full), "best trade-offs")
    assert list(front.y) == sorted(front.y)
    assert list(front.x) == sorted(front.x)
    assert len(front.x) > 1


def test_hover_holds_all_numbers_with_units(full):
    told = ("prune 45 % of channels", "n = 1,000", "KB", "theoretical", "runtime file", "zipped", " ms", "p95", "MACs")
    assert [words for words in told if words not in full.current.hover] == []


def test_without_results_the_chart_says_what_is_coming():
    figure = draw(tradeoff.Tradeoff())
    assert "Measuring the baseline" in figure.layout.annotations[1].text
    assert len(draw(tradeoff.tradeoff(results(), curves(), CURRENT)).layout.annotations) == 1
    early = tradeoff.tradeoff(
        [], {}, CURRENT, preview=preview(CURRENT)
    )  # which is drawn where its latency is not asked
    assert [len(draw(early, axis).layout.annotations) for axis in ("stored", "latency")] == [1, 2]


def test_ranges_hold_every_point_and_only_grow(full):
    first = tradeoff.ranges_for(tradeoff.Tradeoff(), BYTES)
    later = tradeoff.ranges_for(full, BYTES, first)
    assert later["stored"][0] <= first["stored"][0]
    assert later["stored"][1] >= first["stored"][1]
    for point in full.points:
        assert later["stored"][0] <= math.log10(at(point, "stored").at) <= later["stored"][1]
        assert at(point, "latency").high <= later["latency"][1]
    assert tradeoff.ranges_for(tradeoff.Tradeoff(), BYTES, later) == later


def test_a_point_beyond_the_range_widens_it(full):
    known = full.current.known.model_copy(
        update={"latency_ratio": 25.0, "latency_ratio_high": 30.0, "stored_bytes": 90_000_000}
    )
    slow = replace(full, current=replace(full.current, known=known))
    ranges = tradeoff.ranges_for(slow, BYTES)
    assert ranges["latency"][1] > 30 * MS
    assert ranges["stored"][1] > math.log10(90_000)


def test_the_axis_of_accuracies_is_what_the_card_tells_and_stays_when_points_arrive(full):
    """However bad they are: the axis begins at 0 %, and it ends above the baseline's interval."""
    card = Value(99.0, 97.8, 99.8)
    empty = tradeoff.ranges_for(tradeoff.Tradeoff(), BYTES, accuracy=card)
    assert empty["accuracy"] == pytest.approx((-ROOM, RISE.place(99.8) + ROOM))
    every = results(CURRENT)
    ranges, seen = empty, []
    for count in range(1, len(every) + 1):
        ranges = tradeoff.ranges_for(tradeoff.tradeoff(every[:count], curves(), CURRENT), BYTES, ranges, accuracy=card)
        seen.append((ranges["accuracy"], ranges["stored"]))
    assert {accuracy for accuracy, _ in seen} == {empty["accuracy"]}
    assert len({stored for _, stored in seen} | {empty["stored"]}) <= 2


def test_an_even_axis_starts_high_and_grows_down_in_steps_where_a_point_needs_it(full):
    even = Axes(is_even=True)
    mild = tradeoff.tradeoff(results()[:1], curves(), Recipe(model=MODEL))
    first = tradeoff.ranges_for(mild, BYTES, axes=even)
    assert first["accuracy_even"] == (-5, 0)
    later = tradeoff.ranges_for(full, BYTES, first, even)
    assert later["accuracy_even"] == (-100, 0)
    assert tradeoff.ranges_for(replace(mild, guess=Estimate(0.7, 1, 1)), BYTES, axes=even)["accuracy_even"] == (-40, 0)
    assert tradeoff.ranges_for(mild, BYTES, later, even)["accuracy_even"] == (-100, 0)


def test_the_axis_of_times_comes_with_the_baseline_and_grows_in_steps_of_its_time(full):
    """What is drawn before has no time, so nothing that is seen moves when the axis gets its numbers."""
    nobody_knows = tradeoff.ranges_for(tradeoff.Tradeoff(), BYTES)
    assert "latency" not in nobody_knows
    assert drawing.plane("latency", Axes(), nobody_knows).reach == (0, 1)
    ends, ranges = set(), nobody_knows
    for point in (full.baseline, *(point for points in full.curves.values() for point in points)):
        ranges = tradeoff.ranges_for(tradeoff.Tradeoff(full.baseline, others=(point,)), BYTES, ranges)
        ends.add(ranges["latency"][1])
    slow = replace(full.current, known=full.current.known.model_copy(update={"latency_ratio": 1.3}))
    ranges = tradeoff.ranges_for(tradeoff.Tradeoff(full.baseline, current=slow), BYTES, ranges)
    ends.add(ranges["latency"][1])
    assert sorted(ends) == pytest.approx([1.25 * MS, 1.6 * MS])


def test_at_the_baseline_the_current_marker_is_a_star_without_words():
    data = tradeoff.tradeoff(results()[:1], curves(), Recipe(model=MODEL))
    drawn = trace(draw(data), "this setting")
    assert drawn.marker.symbol == "star"
    assert drawn.text is None


@pytest.mark.parametrize(
    ("span", "ticks"),
    [((1.2, 3.1), [20, 50, 100, 200, 500, 1000]), ((-1.0, 3.0), [0.1, 1, 10, 100, 1000])],
)
def test_ticks_are_round_kilobytes(span, ticks):
    positions, texts = drawing.size_ticks(span)
    assert positions == pytest.approx(ticks)
    assert texts[-1] == "1,000"


def test_view_changes_of_the_person_survive_new_points(full):
    before = draw(tradeoff.tradeoff(results()[:3], curves(), CURRENT))
    assert before.layout.uirevision == draw(full).layout.uirevision


def test_custom_recipes_are_points_too():
    custom = make_recipe(MODEL, [{"technique": "fine_tuning", "epochs": 1}])
    data = tradeoff.tradeoff([fabricate(custom)], curves(), custom)
    assert data.current.recipe_id == custom.recipe_id


def test_the_current_setting_alone_is_marked_for_the_page(full):
    waiting = tradeoff.tradeoff(results(), curves(), CURRENT, Estimate(0.9, 100_000, 0.1))
    for data in (full, waiting, tradeoff.Tradeoff()):
        assert [trace.name for trace in draw(data).data if trace.meta == drawing.MARK] == ["this setting"]


# What stands out.


def strengths(drawn):
    """Opacities by recipe_id."""
    opacities = drawn.marker.opacity
    given = opacities if isinstance(opacities, tuple) else [opacities or 1] * len(drawn.customdata)
    return dict(zip(drawn.customdata, given, strict=True))


def test_the_front_alone_is_strong_and_what_it_beats_is_pale(full):
    figure = draw(full)
    front = trace(figure, "best trade-offs")
    assert (front.line.color, front.line.width > 2, front.line.dash) == (INK, True, None)
    others = [found for name in full.curves if (found := trace(figure, CURVES[name].words))]
    for drawn in (trace(figure, "other settings"), *others):
        for identity, strength in strengths(drawn).items():
            assert strength == (1 if identity in front.customdata else drawing.PALE)
        assert drawn.line.width is None or drawn.line.width < front.line.width
    assert set(front.customdata) != {point.recipe_id for point in full.points}


def test_error_bars_are_strong_for_the_front_the_current_and_the_best_and_pale_for_the_rest(full):
    limited = tradeoff.tradeoff(results(CURRENT), curves(), CURRENT, limits=Limits(stored_kb=150))
    figure = draw(limited)
    strong = {found.name for found in figure.data if found.error_y.color and not found.error_y.color.startswith("rgba")}
    assert strong == {"best trade-offs", "this setting", "best within your limits"}
    pale = [found.error_y.color for found in figure.data if found.error_y.color and found.name not in strong]
    assert len(pale) == len(full.curves) + 1
    assert all(colour.endswith(f" {drawing.PALE_BARS:g})") for colour in pale)


def test_the_best_within_limits_is_a_point_like_all_others():
    """Measured by hand and on no curve, it once hung in empty space, and the chart said that only a sample is drawn."""
    tiny = recipe_of(SUBJECT, Settings(student_percent=50, student="slimmable", weight_bits=6))
    found = [*results(), fabricate(tiny, stored_bytes=5_000, accuracy=0.985)]
    data = tradeoff.tradeoff(found, curves(), Recipe(model=MODEL), limits=Limits(drop_points=2))
    assert data.best.recipe_id == tiny.recipe_id
    assert data.best in data.others and data.best in data.points
    assert len(data.points) == data.n_results == len(found)
    figure = draw(data)
    assert tiny.recipe_id in trace(figure, "other settings").customdata
    assert tiny.recipe_id in trace(figure, "best trade-offs").customdata
    assert figure.layout.annotations[0].text == "Smaller is to the left, better is up"


def test_the_best_is_drawn_among_very_many(crowd):
    data = tradeoff.tradeoff(crowd, curves(), CURRENT, limits=Limits(stored_kb=400.3))
    assert data.best in data.points


class TestCorners:
    STAIRS = ((0.0, 0.1), (0.1, 0.6), (0.12, 0.61), (0.3, 0.9), (0.31, 0.905), (0.8, 0.92))

    def test_are_the_points_that_stand_for_most(self):
        assert tradeoff.corners(self.STAIRS) == [1, 2, 3] or tradeoff.corners(self.STAIRS) == [0, 1, 3]

    def test_are_three_to_five_of_a_long_front(self):
        smooth = [(n / 40, 1 - 0.9 ** (n + 1)) for n in range(40)]
        assert 3 <= len(tradeoff.corners(smooth)) <= 5
        assert tradeoff.corners(smooth) == sorted(tradeoff.corners(smooth))

    def test_are_all_of_a_short_one(self):
        assert tradeoff.corners(self.STAIRS[:2]) == [0, 1]
        assert tradeoff.corners([]) == []

    def test_carry_their_names_but_for_the_one_that_has_a_label(self, full):
        named = trace(draw(full), "corners")
        front = trace(draw(full), "best trade-offs")
        assert 2 <= len(named.text) <= 5
        assert set(named.customdata) <= set(front.customdata) - {full.current.recipe_id}
        words = {result.recipe_id: result.words for result in results(CURRENT)}
        for identity, text in zip(named.customdata, named.text, strict=True):
            assert text.replace("<br>", " ").lower() == words[identity].lower()
