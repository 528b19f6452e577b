import dataclasses

import pytest

from benchmarks import search as benchmark
from compression.errors import NotApplicable
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.search.answer import answer
from tests.support.made_up_results import fabricate

MODEL = "lenet5-mnist5k"


class Bench:
    """Made-up results instead of measured ones, each in two counted seconds."""

    def __init__(self):
        self.model, self.subject, self.asked = MODEL, subject_of(MODEL), []

    def begin(self, recipe):
        self.asked.append(recipe)

    def result(self, recipe):
        if any(getattr(step, "clusters", 0) == 256 for step in recipe.steps):
            return None
        return fabricate(recipe, seconds=2.0)

    @property
    def baseline(self):
        return fabricate(Recipe(model=MODEL), seconds=2.0)


class Fixed:
    """A method that asks for these and remembers what it was told."""

    def __init__(self, recipes):
        self.recipes, self.told = list(recipes), []

    def ask(self):
        return self.recipes.pop(0) if self.recipes else None

    def tell(self, recipe, result):
        self.told.append((recipe, result))


def by_chance(count, seed=0):
    method = benchmark.ByChance(MODEL, seed)
    return [method.ask() for _ in range(count)]


def test_two_workers_measure_one_a_second():
    method = Fixed(by_chance(100))
    seen = benchmark.searched(Bench(), method, seconds=20.5)
    assert 17 <= len(seen) <= 21  # and the uncompressed model; some make no sense and take no time
    assert all(one.at <= 20.5 for one in seen)
    assert [one.at for one in seen] == sorted(one.at for one in seen)


def test_it_ends_with_so_many_results():
    seen = benchmark.searched(Bench(), Fixed(by_chance(100)), count=12)
    assert len(seen) == 13


def test_what_makes_no_sense_is_told_as_such():
    recipes = [one for one in by_chance(400) if any(getattr(step, "clusters", 0) == 256 for step in one.steps)][:2]
    method = Fixed([*recipes, *by_chance(3, 1)])
    benchmark.searched(Bench(), method, count=1)
    assert [result for recipe, result in method.told if recipe in recipes] == [None, None]


def test_chance_asks_for_everything_once():
    assert len({recipe.recipe_id for recipe in by_chance(300)}) == 300


@pytest.mark.parametrize("sampler", ["TPESampler", "NSGAIISampler"])
def test_optuna_is_told_what_it_asked_for(sampler):
    method = benchmark.ByOptuna(MODEL, 0, sampler)
    for _ in range(4):
        recipe = method.ask()
        method.tell(recipe, fabricate(recipe))
    states = [trial.state.name for trial in method._study.trials]
    assert states == ["COMPLETE"] * 4


def test_a_row_has_all_methods_and_the_tables_tell_them():
    row = benchmark.compare(Bench(), 0, 20 / 60)
    assert set(row["methods"]) == {"ours", "TPE", "NSGA-II", "random, 10 times as many"}
    counts = {name: one["measured"] for name, one in row["methods"].items()}
    assert counts["random, 10 times as many"] >= 10 * counts["ours"]
    assert all(0 <= one["validation"] <= 1 for one in row["methods"].values())
    text = benchmark.markdown([row])
    assert f"| {MODEL} | 0 |" in text and "random, 10 times as many" in text


def test_wishes_are_drawn_by_their_seed_and_granted():
    results = [fabricate(one) for one in by_chance(200)]
    wishes = benchmark.drawn_wishes(results, 6, seed=3)
    assert wishes == benchmark.drawn_wishes(results, 6, seed=3) != benchmark.drawn_wishes(results, 6, seed=4)
    assert all(wish.limits.are_set for wish in wishes)
    short = [dataclasses.replace(wish, minutes=0.15) for wish in wishes[:2]]
    rows = [benchmark.grant(Bench(), wish, results[:50], results) for wish in short]
    for row, wish in zip(rows, wishes, strict=False):
        assert row["chance_found"] == (answer(results, wish).best is not None)
        assert not row.get("broken", False)
    assert f"| {MODEL} | 2 |" in benchmark.markdown(rows)


def test_an_engine_that_refuses_gives_no_result(monkeypatch):
    def refuse(*arguments, **settings):
        raise NotApplicable("not for this model")

    monkeypatch.setattr("compression.engine.run.run_recipe", refuse)
    (recipe,) = by_chance(1)
    assert benchmark._measured(recipe.to_json()) is None
