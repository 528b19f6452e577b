"""The search on a made-up engine (`fabricate`), where every recipe's numbers are known."""

import numpy as np
import pytest

from compression.models.subject import subject_of
from compression.recipe.budgets import trains
from compression.recipe.recipe import Recipe, make_recipe
from compression.search import front
from compression.search.answer import answer
from compression.search.campaign import Campaign
from compression.search.limits import NO_LIMITS, Limits, judge, rank_of
from compression.search.space import Space
from compression.search.wish import wish_for
from tests.support.made_up_results import fabricate

MODEL = "lenet5-mnist5k"
SUBJECT = subject_of(MODEL)


def searched(count, *, limits=NO_LIMITS, target="accuracy", seed=0, take=()):
    """A campaign after so many measurements."""
    campaign = Campaign(SUBJECT, limits, target, seed=seed)
    campaign.take(take)
    for _ in range(count):
        campaign.tell(fabricate(campaign.ask()))
    return campaign


def by_chance(count, seed):
    """As many settings of the same space, drawn evenly."""
    space, random = Space(SUBJECT), np.random.default_rng(seed)
    drawn = {space.canonical(tuple(int(random.integers(size)) for size in space.sizes)) for _ in range(count)}
    return [fabricate(space.recipe(position)) for position in drawn]


def test_it_begins_with_the_uncompressed_model():
    assert Campaign(SUBJECT).ask() == Recipe(model=MODEL)


def test_it_finds_more_than_chance_does_with_ten_times_as_many():
    found = searched(50, seed=3).hypervolume
    assert found > front.hypervolume(front.goals(by_chance(500, 3)))


def test_nothing_is_asked_twice_also_while_several_are_under_way():
    campaign = Campaign(SUBJECT)
    asked = []
    for _ in range(12):
        turn = [campaign.ask() for _ in range(3)]
        asked += turn
        for recipe in reversed(turn):
            campaign.tell(fabricate(recipe))
    assert len({recipe.recipe_id for recipe in asked}) == len(asked)


def test_the_same_seed_asks_the_same():
    first, again, other = ([one.recipe_id for one in searched(20, seed=seed).results] for seed in (0, 0, 1))
    assert first == again != other


def test_what_failed_is_not_asked_again():
    campaign = Campaign(SUBJECT)
    campaign.tell(fabricate(campaign.ask()))
    failed = [campaign.ask() for _ in range(10)]
    for recipe in failed:
        campaign.failed(recipe)
    later = [campaign.ask() for _ in range(15)]
    assert not {recipe.recipe_id for recipe in failed} & {recipe.recipe_id for recipe in later}


def test_what_failed_in_an_earlier_campaign_is_not_asked_either():
    earlier, campaign = Campaign(SUBJECT), Campaign(SUBJECT)
    asked = [earlier.ask() for _ in range(3)]
    campaign.tell(fabricate(asked[0]))
    campaign.failed(asked[1])
    assert campaign.ask() == asked[2]


def test_it_goes_on_from_what_was_measured_before():
    before = searched(25).results
    taken = Campaign(SUBJECT)
    taken.take(before)
    assert taken.hypervolume == pytest.approx(front.hypervolume(front.goals(before)))
    known = {result.recipe_id for result in before}
    assert not known & {taken.ask().recipe_id for _ in range(10)}


def test_results_that_no_knob_leads_to_do_no_harm():
    odd = fabricate(make_recipe(MODEL, [{"technique": "distillation", "width_mult": 0.5, "epochs": 1}]))
    campaign = Campaign(SUBJECT)
    campaign.tell(odd)
    assert campaign.results == ()
    assert campaign.ask() is not None


def test_untrained_settings_are_tried_before_those_that_train():
    asked = [result.parsed_recipe for result in searched(9).results]
    assert not any(map(trains, asked))


LIMITS = Limits(stored_kb=150, latency_ratio=0.6)


@pytest.mark.parametrize("target", ["accuracy", "smallest", "fastest", "memory"])
def test_with_limits_it_finds_the_best_that_keeps_them(target):
    """At least as good as the best of ten times as many settings by chance."""
    wish = wish_for(LIMITS, target)
    found = answer(searched(50, limits=LIMITS, target=target).results, wish).best
    others = answer(by_chance(500, 5), wish).best
    assert found is not None and all(one.state == "kept" for one in judge(found, LIMITS))
    assert rank_of(found, target)[0] <= rank_of(others, target)[0]
