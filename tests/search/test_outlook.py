import pytest

from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.settings import Settings, neutral_settings, recipe_of
from compression.results.record import WorstClass
from compression.search import outlook
from compression.search.curves import CURVES, curve_recipes
from compression.search.estimate import Known, estimate
from compression.search.limits import NO_LIMITS, Limits
from tests.support.made_up_results import ACCURACY, BYTES, MS, fabricate

MODEL = "lenet5-mnist5k"
SUBJECT = subject_of(MODEL)
KNOWN = Known(SUBJECT, ACCURACY, BYTES, MS)
BASELINE = fabricate(Recipe(model=MODEL))


@pytest.fixture(scope="module")
def curves():
    every = curve_recipes(SUBJECT, "none", CURVES)
    return {curve: {at: fabricate(recipe) for at, recipe in recipes.items()} for curve, recipes in every.items()}


@pytest.fixture(scope="module")
def expected(curves):
    return outlook.expect(KNOWN, "none", curves)


@pytest.mark.parametrize(
    ("limits", "target"),
    [
        (Limits(stored_kb=300, drop_points=3), "smallest"),
        (Limits(stored_kb=200), "accuracy"),
        (Limits(latency_ratio=0.6, drop_points=5), "fastest"),
        (Limits(latency_ms=0.7 * MS), "accuracy"),
    ],
)
def test_an_estimate_that_is_named_is_within_the_limits(limits, target, expected):
    found = outlook.look_out(limits, target, [BASELINE], expected)
    assert found.chance in ("probably", "perhaps")
    guess = found.expected.guess
    assert guess.stored_bytes <= 1000 * (limits.stored_kb or 1e9)
    assert guess.latency_ms <= (limits.latency_ms or 1e9)
    assert guess.latency_ms / MS <= (limits.latency_ratio or 1e9)
    assert 100 * (ACCURACY - guess.accuracy) <= (limits.drop_points or 100)
    assert "estimated" in found.sentences[0]


def test_probably_is_what_all_of_the_accuracys_range_allows(expected):
    found = outlook.look_out(Limits(stored_kb=300, drop_points=3), "smallest", [BASELINE], expected)
    low, _ = found.expected.guess.accuracy_range
    assert found.chance == "probably"
    assert 100 * (ACCURACY - low) <= 3


def test_perhaps_is_what_only_the_number_allows(expected):
    within = [one for one in expected if one.guess.stored_bytes <= 60_000]
    most = max(within, key=lambda one: one.guess.accuracy)
    lost = 100 * (ACCURACY - most.guess.accuracy) + 0.01
    found = outlook.look_out(Limits(stored_kb=60, drop_points=lost), "smallest", [BASELINE], expected)
    assert found.chance == "perhaps"
    assert "may turn out to be beyond" in found.sentences[0]


def test_what_is_measured_wins_over_estimates(expected):
    result = fabricate(make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 5}]))
    limits = Limits(stored_kb=result.stored_bytes / 1000, drop_points=2)
    found = outlook.look_out(limits, "smallest", [BASELINE, result], expected)
    assert (found.chance, found.best) == ("measured", result)
    assert found.sentences[0].startswith("Measured already") and "estimated" not in found.sentences[0]


def test_a_better_estimate_is_named_beside_it_and_a_worse_one_is_not(expected):
    limits = Limits(drop_points=3)
    found = outlook.look_out(limits, "smallest", [BASELINE], expected)
    assert found.best == BASELINE and found.expected.guess.stored_bytes < BYTES
    assert found.sentences[1].startswith("More may be possible: ")
    tiny = fabricate(make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 8}]), stored_bytes=10)
    assert outlook.look_out(limits, "smallest", [BASELINE, tiny], expected).expected is None


def test_a_setting_that_was_measured_to_be_beyond_is_not_named_by_its_estimate(expected):
    limits = Limits(stored_kb=300, drop_points=3)
    named = outlook.look_out(limits, "smallest", [BASELINE], expected).expected
    bad = fabricate(named.recipe, accuracy_difference=-0.5)
    found = outlook.look_out(limits, "smallest", [BASELINE, bad], expected)
    assert found.expected is not None and found.expected.recipe != named.recipe


def test_an_impossible_wish_says_so_and_what_comes_nearest(expected):
    found = outlook.look_out(Limits(stored_kb=0.01, drop_points=0.5), "smallest", [BASELINE], expected)
    assert (found.chance, found.best, found.is_within) == ("hardly", None, False)
    assert found.sentences[0].startswith(f"Hardly: none of {len(expected):,} estimated settings")
    assert "“10 bytes” would have to be" in found.sentences[0]


def test_what_nobody_can_estimate_yet_is_not_called_impossible():
    bare = outlook.expect(Known(SUBJECT, ACCURACY, BYTES), "none", {})
    found = outlook.look_out(Limits(latency_ms=0.1), "accuracy", [], bare)
    assert found.chance == "unknown" and "0.100 ms" in found.sentences[0]


def test_memory_and_the_worst_class_are_estimated_when_they_are_limited(curves):
    limits = Limits(memory_kb=900, worst_points=6)
    asked = outlook.asked_for(limits, "memory")
    assert {metric.key for metric in asked} == {"memory", "worst_class"}
    found = outlook.look_out(limits, "memory", [BASELINE], outlook.expect(KNOWN, "none", curves, asked=asked))
    assert found.chance in ("probably", "perhaps")
    others = found.expected.guess.others
    before = WorstClass.model_validate(BASELINE.worst_class).accuracy
    assert others["memory"] <= 900_000
    assert 100 * (before - others["worst_class"]) <= 6


def test_the_reach_is_of_what_is_within_the_limits(expected):
    found = outlook.look_out(Limits(stored_kb=200), "accuracy", [BASELINE], expected)
    least, middle, most = found.reach["stored"]
    assert found.is_within and least <= middle <= most <= 200_000
    wide = outlook.look_out(NO_LIMITS, "smallest", [BASELINE], expected).reach
    assert wide["stored"].most == BYTES and wide["accuracy"].most == ACCURACY
    assert wide["ratio"].least < found.reach["ratio"].most <= 1


def test_the_grid_is_estimated_as_anything_else_is(curves):
    found = {one.what: one.guess for one in outlook.expect(KNOWN, "none", curves, width=2.0)}
    settings = Settings(pruning_percent=50, weight_bits=4, student=neutral_settings(SUBJECT).student)
    assert found[settings] == estimate(settings, KNOWN, curves, width=2.0)


def test_with_a_budget_only_what_trains_is_estimated():
    for one in outlook.grid(SUBJECT, "quick"):
        assert any(step.technique == "fine_tuning" for step in recipe_of(SUBJECT, one).steps)


RISING = [(10.0 * n, n, 0.1 * n) for n in range(1, 10)]


@pytest.mark.parametrize(
    ("progress", "spent_s", "hardly"),
    [
        (RISING, 90, False),
        ([*RISING, (280.0, 15, 0.9001)], 300, True),
        ([*RISING, (280.0, 14, 0.9001)], 300, False),  # hardly anything was measured lately
        (RISING[:2], 300, False),  # too early to say
        ([(seconds, n, 0.0) for seconds, n, _ in RISING], 300, False),  # nothing found at all
        ([], 0, False),
    ],
)
def test_more_time_hardly_helps_where_the_last_third_brought_next_to_nothing(progress, spent_s, hardly):
    assert outlook.hardly_helps(progress, spent_s) is hardly


def test_accuracy_is_compared_by_what_is_lost():
    """A model's validation images may be easier than its test images."""
    easy = BASELINE.model_copy(update={"validation": BASELINE.choosing.model_copy(update={"accuracy": 0.5})})
    expected = outlook.expect(KNOWN, "none", {})
    assert outlook.look_out(Limits(stored_kb=1e6), "accuracy", [easy], expected).expected is None
