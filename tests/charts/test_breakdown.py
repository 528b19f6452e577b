import pytest

from compression.charts import breakdown
from compression.explain.sizes import Part, waterfall
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.settings import Settings, recipe_of
from compression.results.energy import energy
from compression.results.record import RUNTIME_PARTS, STORED_PARTS, Measures, SparseTiming
from compression.search.curves import curve_recipes
from tests.support.made_up_results import fabricate

MODEL = "lenet5-mnist5k"


@pytest.fixture
def result():
    return fabricate(recipe_of(subject_of(MODEL), Settings(pruning_percent=80, remove="weights", weight_bits=4)))


@pytest.fixture
def swept():
    return [fabricate(recipe) for recipe in curve_recipes(subject_of(MODEL), "none")["magnitude_pruning"].values()]


def test_slices_add_up_to_the_files(result):
    for slices, total in (
        (breakdown.stored_slices(result), result.stored_bytes),
        (breakdown.runtime_slices(result), result.onnx_bytes),
    ):
        assert sum(piece.amount for piece in slices) == total
        assert sum(piece.share for piece in slices) == pytest.approx(1)


def test_every_part_of_a_ledger_has_words_and_a_colour_of_its_own():
    for parts, of in ((STORED_PARTS, breakdown.stored_slices), (RUNTIME_PARTS, breakdown.runtime_slices)):
        ledger = dict.fromkeys(parts, 10)
        pruned = make_recipe(MODEL, [{"technique": "magnitude_pruning", "sparsity": 0.9}])
        slices = of(fabricate(pruned, ledger=ledger, runtime_ledger=ledger))
        assert len({piece.colour for piece in slices}) == len({piece.title for piece in slices}) == len(parts)
        assert all(piece.meaning for piece in slices)


def test_parts_without_bytes_are_left_out(result):
    assert result.ledger["codebooks"] == 0
    assert "Codebooks" not in [piece.title for piece in breakdown.stored_slices(result)]


def test_a_row_from_before_there_were_ledgers_has_no_slices():
    old = fabricate(Recipe(model=MODEL), ledger={}, runtime_ledger={})
    assert breakdown.stored_slices(old) == breakdown.runtime_slices(old) == ()
    assert not breakdown.draw_bytes(old)["data"]


def test_the_bars_are_the_slices_in_kilobytes(result):
    bars = breakdown.draw_bytes(result)["data"]
    stored = [bar for bar in bars if bar["y"][0] == "Stored file"]
    assert sum(bar["x"][0] for bar in stored) == pytest.approx(result.stored_bytes / 1000)
    assert sum(bar["x"][0] for bar in bars) == pytest.approx((result.stored_bytes + result.onnx_bytes) / 1000)
    assert all("bytes" in bar["hovertext"][0] or "KB" in bar["hovertext"][0] for bar in bars)


def test_the_bars_of_the_waterfall_are_its_parts(result):
    parts = waterfall(result)
    bars, words = breakdown.draw_waterfall(parts)["data"]
    assert [text.strip() for text in words["text"]] == [breakdown.change_in_words(part) for part in parts]
    assert len(bars["y"]) == len(set(bars["y"])) == len(parts)  # equal labels keep bars of their own
    assert bars["x"] == [part.bytes / 1000 for part in parts]
    assert [kind == "absolute" for kind in bars["measure"]] == [part.is_total for part in parts]


def test_changes_have_a_sign_and_sizes_do_not():
    words = [
        breakdown.change_in_words(Part("a", n, "b", total)) for n, total in ((1200, True), (1200, False), (-3, False))
    ]
    assert words == ["1.20 KB", "+1.20 KB", "−3 bytes"]


def test_the_axis_holds_what_changes_add_up_to_on_the_way():
    up_and_down = (Part("a", 1000, "", True), Part("b", 9000, ""), Part("c", -8000, ""), Part("d", 2000, "", True))
    low, high = breakdown.draw_waterfall(up_and_down)["layout"]["xaxis"]["range"]
    assert low == 0
    assert high > 10
    assert breakdown.draw_waterfall(up_and_down)["data"][1]["x"] == [1, 10, 10, 2]  # words stand right of every bar


@pytest.mark.parametrize("memory", ["cache", "dram"])
def test_energy_is_the_models(result, memory):
    slices = breakdown.energy_slices(result, memory)
    assert sum(piece.amount for piece in slices) == pytest.approx(energy(result, memory).joules)
    bars = breakdown.draw_energy(result, memory)["data"]
    baseline = sum(bar["x"][0] for bar in bars if bar["y"][0] == "Baseline")
    assert baseline == pytest.approx(1e6 * energy(result.baseline, memory).joules)


def test_no_energy_has_no_shares_to_divide():
    nothing = Measures.model_construct(macs=0, integer_macs=0, weight_bytes=0, activation_traffic_bytes=0)
    assert [piece.share for piece in breakdown.energy_slices(nothing, "cache")] == [0, 0, 0]


def test_settings_that_make_a_layer_as_sparse_are_one_point_the_middle_one():
    first = SparseTiming(layer="a", rows=9, columns=9, sparsity=0.801, batch_size=1, dense_ms=1, sparse_ms=1)
    same = [first.model_copy(update={"sparse_ms": ms, "sparsity": 0.8}) for ms in (3.0, 2.0)]
    sparser = first.model_copy(update={"sparsity": 0.9})
    points = breakdown.points_of([sparser, first, *same])
    assert [(point.sparsity, point.sparse_ms) for point in points] == [(0.8, 2), (0.9, 1)]


def test_timings_of_a_layer_are_grouped_by_batch_and_sorted(swept):
    (layer,) = breakdown.timed_layers(swept)
    assert breakdown.timed_layers(swept) == {layer: "linear1 (500 × 800)"}
    timings = breakdown.timings_of(layer, reversed(swept))
    assert list(timings) == [1, 16]
    for group in timings.values():
        assert [timing.sparsity for timing in group] == sorted(timing.sparsity for timing in group)
        assert len(group) == len(swept)


def test_the_layer_with_most_points_is_offered_first(swept):
    small = SparseTiming(layer="a", rows=9, columns=9, sparsity=0.9, batch_size=1, dense_ms=1, sparse_ms=1)
    large = small.model_copy(update={"layer": "b", "rows": 9000})
    more = fabricate(make_recipe(MODEL, [{"technique": "low_rank", "rank_ratio": 0.3}]), sparse=(small, large))
    assert list(breakdown.timed_layers([more, *swept])) == ["linear1", "b", "a"]


def test_the_sentence_says_where_skipping_zeros_pays_and_where_it_does_not(swept):
    (layer,) = breakdown.timed_layers(swept)
    words = breakdown.crossover_words(breakdown.timings_of(layer, swept))
    assert "one image at a time it is faster from **87 %** zeros on" in words
    assert "16 images together it is not faster at any measured sparsity (up to 95 %)" in words


def test_what_holds_for_all_batch_sizes_is_said_once(swept):
    (layer,) = breakdown.timed_layers(swept)
    never = breakdown.timings_of(layer, swept)[16]
    assert breakdown.crossover_words({1: never, 16: never}) == (
        "With one image at a time and with 16 images together it is not faster at any measured sparsity (up to 95 %)."
    )


def test_the_chart_marks_the_crossing_and_holds_every_point(swept):
    (layer,) = breakdown.timed_layers(swept)
    timings = breakdown.timings_of(layer, swept)
    figure = breakdown.draw_sparse(timings)
    one, sixteen = figure["data"]
    assert one["x"] == pytest.approx([100 * timing.sparsity for timing in timings[1]])
    assert one["y"][-1] < 1 < sixteen["y"][-1]
    verticals = [line["x0"] for line in figure["layout"]["shapes"] if line["x0"] == line["x1"]]
    assert verticals == [pytest.approx(87, abs=0.5)]
    low, high = figure["layout"]["yaxis"]["range"]
    assert 10**low < min(one["y"])
    assert max(sixteen["y"]) < 10**high
