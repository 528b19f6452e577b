import pytest

from compression.models.subject import subject_of
from compression.recipe.settings import Settings, placed, recipe_of
from compression.recipe.steps import DepthwiseSeparable, LayerTying, LowRank
from compression.results.metrics import METRICS
from compression.search.curves import CURVES, curve_recipes
from compression.search.estimate import HAVE_PRIORS, Known, estimate
from tests.support.made_up_results import fabricate

MODEL = "lenet5-mnist5k"
SUBJECT = subject_of(MODEL)
KNOWN = Known(SUBJECT, accuracy=0.99, stored_bytes=1_700_000, latency_ms=0.2)


@pytest.fixture(scope="module")
def measured():
    curves = curve_recipes(SUBJECT, "none", CURVES)
    return {curve: {at: fabricate(recipe) for at, recipe in recipes.items()} for curve, recipes in curves.items()}


def test_neutral_settings_are_the_baseline():
    guess = estimate(Settings(), KNOWN, {})
    assert (guess.accuracy, guess.stored_bytes, guess.latency_ms) == pytest.approx((0.99, 1_700_000, 0.2))


@pytest.mark.parametrize(
    "settings",
    [
        Settings(pruning_percent=50),
        Settings(pruning_percent=80, remove="weights", criterion="second_order"),
        Settings(pruning_percent=90, remove="weights"),
        Settings(weight_bits=4),
        Settings(weight_bits=3, codes="codebook"),
        Settings(student_percent=50),
        Settings(structure=(LowRank(rank_ratio=0.25),)),
        Settings(structure=(DepthwiseSeparable(share=0.5),)),
    ],
)
def test_at_a_measured_position_the_guess_is_the_measurement(settings, measured):
    result = fabricate(recipe_of(SUBJECT, settings))
    guess = estimate(settings, KNOWN, measured)
    assert guess.accuracy == pytest.approx(result.accuracy)
    assert guess.stored_bytes == pytest.approx(result.stored_bytes, rel=1e-5)
    assert guess.latency_ms == pytest.approx(result.latency_ratio * 0.2)


def test_between_positions_it_lies_between_the_neighbours(measured):
    low, middle, high = (estimate(Settings(pruning_percent=p), KNOWN, measured) for p in (50, 55, 60))
    assert low.stored_bytes > middle.stored_bytes > high.stored_bytes
    assert low.accuracy > middle.accuracy > high.accuracy
    assert low.latency_ms > middle.latency_ms > high.latency_ms


def after(percents_to_accuracies):
    """The curve of removed channels, measured with these accuracies."""
    recipes = {percent: recipe_of(SUBJECT, Settings(pruning_percent=percent)) for percent in percents_to_accuracies}
    results = {at: fabricate(recipe, accuracy=percents_to_accuracies[at]) for at, recipe in recipes.items()}
    return {"channel_pruning": results}


@pytest.mark.parametrize(
    "known",
    [{}, after({20: 0.99}), after({50: 0.995}), after({30: 0.986, 60: 0.989, 80: 0.4}), after({10: 0.97, 50: 0.985})],
)
def test_nothing_is_expected_to_be_better_than_the_original(known):
    for percent in range(0, 96, 5):
        guess = estimate(Settings(pruning_percent=percent), KNOWN, known)
        assert guess.accuracy <= 0.99
        low, high = guess.accuracy_range
        assert low <= guess.accuracy <= high <= 0.99


@pytest.mark.parametrize("accuracies", [(0.985, 0.9), (0.99, 0.1), (0.7, 0.69), (0.9, 0.95)])
def test_between_measured_neighbours_it_goes_from_one_to_the_other(accuracies):
    known = after(dict(zip((40, 80), accuracies, strict=True)))
    found = [estimate(Settings(pruning_percent=percent), KNOWN, known).accuracy for percent in range(40, 81, 5)]
    assert found == sorted(found, reverse=accuracies[0] > accuracies[1])
    assert [found[0], found[-1]] == pytest.approx(accuracies)


def test_a_bad_point_does_not_drag_good_ones_down():
    """As with bits, where 2 lose nearly everything and 4 lose nothing: people must not be frightened off 3."""
    known = after({20: 0.99, 60: 0.3})
    assert estimate(Settings(pruning_percent=25), KNOWN, known).accuracy > 0.97
    assert estimate(Settings(pruning_percent=10), KNOWN, known).accuracy == pytest.approx(0.99, abs=1e-3)


def test_the_range_is_as_wide_as_the_neighbours_are_apart():
    def width(accuracies, width=1.5):
        guess = estimate(Settings(pruning_percent=50), KNOWN, after(accuracies), width=width)
        return guess.accuracy_range[1] - guess.accuracy_range[0]

    assert width({40: 0.98, 60: 0.978}) < width({40: 0.98, 60: 0.9})
    assert width({40: 0.98, 60: 0.9}, 1.0) < width({40: 0.98, 60: 0.9}, 2.0)


def test_sliders_combine_factors_and_add_losses(measured):
    prune, bits = Settings(pruning_percent=50), Settings(weight_bits=4)
    both = estimate(Settings(pruning_percent=50, weight_bits=4), KNOWN, measured)
    alone = [estimate(settings, KNOWN, measured) for settings in (prune, bits)]
    assert both.stored_bytes == pytest.approx(alone[0].stored_bytes * alone[1].stored_bytes / 1_700_000)
    assert 0.99 - both.accuracy == pytest.approx(sum(0.99 - guess.accuracy for guess in alone))


def test_no_guess_is_worse_than_chance_or_better_than_perfect():
    worst = Settings(pruning_percent=95, weight_bits=1, student_percent=10)
    assert estimate(worst, KNOWN, {}).accuracy == pytest.approx(0.1)


def test_without_measurements_stronger_compression_means_smaller_and_worse():
    for settings in (
        [Settings(pruning_percent=p) for p in (10, 40, 90)],
        [Settings(pruning_percent=p, remove="weights") for p in (30, 70, 95)],
        [Settings(weight_bits=b) for b in (8, 4, 1)],
        [Settings(student_percent=p) for p in (90, 50, 10)],
        [Settings(student_percent=p, student="slimmable") for p in (90, 50, 25)],
        [placed(Settings(), "low_rank", p) for p in (55, 30, 10)],
        [placed(Settings(), "depthwise_separable", p) for p in (25, 50, 100)],
        [Settings(weight_bits=b, codes="codebook") for b in (8, 3, 1)],
    ):
        guesses = [estimate(setting, KNOWN, {}) for setting in settings]
        sizes = [guess.stored_bytes for guess in guesses]
        accuracies = [guess.accuracy for guess in guesses]
        assert sizes == sorted(sizes, reverse=True)
        assert accuracies == sorted(accuracies, reverse=True)
        assert sizes[0] < 1_700_000


def test_what_is_not_known_stays_unknown():
    guess = estimate(Settings(weight_bits=4), Known(SUBJECT, accuracy=0.9), {})
    assert guess.accuracy is not None
    assert guess.stored_bytes is None
    assert guess.latency_ms is None


def test_what_has_no_curve_moves_the_guess_by_its_prior():
    plain = estimate(Settings(weight_bits=8), KNOWN, {})
    assert estimate(Settings(weight_bits=8, coding="packed"), KNOWN, {}).stored_bytes > plain.stored_bytes
    assert estimate(Settings(weight_bits=8, activation_bits=4), KNOWN, {}).accuracy < plain.accuracy
    assert estimate(Settings(weight_bits=8, rate_weight=0.5), KNOWN, {}).stored_bytes < plain.stored_bytes
    tied = [estimate(placed(Settings(), "layer_tying", blocks), KNOWN, {}) for blocks in (1, 2, 4)]
    assert tied[0].stored_bytes > tied[1].stored_bytes > tied[2].stored_bytes
    family = Settings(student="mobilenet_v3_small")
    assert estimate(family, KNOWN, {}).stored_bytes > KNOWN.stored_bytes
    narrow = Settings(student="mobilenet_v3_small", student_percent=50, depth_percent=50)
    assert estimate(narrow, KNOWN, {}).stored_bytes < estimate(family, KNOWN, {}).stored_bytes


def test_a_pattern_is_guessed_at_the_zeros_it_fixes(measured):
    fixed = Settings(pruning_percent=5, remove="weights", pattern="2:4")
    half = Settings(pruning_percent=50, remove="weights")
    assert estimate(fixed, KNOWN, measured) == estimate(half, KNOWN, measured)


class TestOtherNumbers:
    """What the trade-off charts can show beside accuracy, stored size and latency."""

    AXES = tuple(key for key, metric in METRICS.items() if metric.side and key not in HAVE_PRIORS)

    def guess(self, axis, settings, measured):
        return estimate(settings, KNOWN, measured, [METRICS[axis]]).of(METRICS[axis])

    def number(self, axis, settings):
        return METRICS[axis].read(fabricate(recipe_of(SUBJECT, settings)))

    @pytest.mark.parametrize("axis", AXES)
    @pytest.mark.parametrize("settings", [Settings(pruning_percent=50), Settings(weight_bits=4)])
    def test_at_a_measured_position_they_are_the_measurement(self, axis, settings, measured):
        assert self.guess(axis, settings, measured) == pytest.approx(self.number(axis, settings))

    @pytest.mark.parametrize("axis", AXES)
    def test_between_positions_they_lie_between_the_neighbours(self, axis, measured):
        around = [self.number(axis, Settings(pruning_percent=at)) for at in (50, 60)]
        assert min(around) <= self.guess(axis, Settings(pruning_percent=55), measured) <= max(around)

    def test_factors_multiply_and_percents_add(self, measured):
        pruned, coded = Settings(pruning_percent=50), Settings(weight_bits=4)
        both = Settings(pruning_percent=50, weight_bits=4)
        base = self.number("runtime", Settings())
        product = self.guess("runtime", pruned, measured) * self.guess("runtime", coded, measured) / base
        assert self.guess("runtime", both, measured) == pytest.approx(product)
        total = self.guess("flips", pruned, measured) + self.guess("flips", coded, measured)
        assert self.guess("flips", both, measured) == pytest.approx(min(1, total))

    @pytest.mark.parametrize("axis", AXES)
    def test_nobody_knows_without_points_or_a_curve(self, axis, measured):
        assert self.guess(axis, Settings(pruning_percent=50), {}) is None
        assert self.guess(axis, Settings(pruning_percent=50, structure=(LayerTying(blocks=2),)), measured) is None
