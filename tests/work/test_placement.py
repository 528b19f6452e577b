from dataclasses import replace

import pytest

from compression.recipe.recipe import make_recipe
from compression.store.store import Store
from compression.work.placement import NEAR, next_job
from tests.support.fake_run import recipe as any_recipe


def recipe(ratio, *bits, seed=0):
    pruning = {"technique": "channel_pruning", "pruning_ratio": ratio}
    rounding = [{"technique": "quantization", "weight_bits": b} for b in bits]
    return make_recipe("mlp-digits", [pruning, *rounding], seed)


@pytest.fixture
def jobs(fresh_home):
    """Makes waiting jobs of these recipes."""

    def make(*recipes, background=True):
        found = Store().add_jobs(recipes, group="sweep", background=background)
        return [replace(job, background=background) for job in found]

    return make


def pick(waiting, background=True, last=None, running=()):
    return next_job(waiting, background=background, last=last, running=running)


def test_in_order_where_nothing_speaks_for_another(jobs):
    waiting = jobs(recipe(0.1), recipe(0.2))
    assert pick(waiting) is waiting[0]
    assert pick([]) is None


def test_a_workers_own_beginning_comes_first_and_anothers_last(jobs):
    waiting = jobs(recipe(0.1, 8), recipe(0.2, 8), recipe(0.3, 8))
    assert pick(waiting, last=recipe(0.3)) is waiting[2]
    assert pick(waiting, running=[recipe(0.1)]) is waiting[1]
    assert pick(waiting, last=recipe(0.1), running=[recipe(0.1, 4)]) is waiting[0]
    assert pick(waiting[:1], running=[recipe(0.1)]) is waiting[0]


def test_only_the_same_first_step_of_the_same_model_and_seed_counts(jobs):
    waiting = jobs(any_recipe(), recipe(0.3, 8), recipe(0.3, 4, seed=1))
    assert pick(waiting, last=recipe(0.3, 2)) is waiting[1]
    assert pick(waiting, last=recipe(0.3, 2, seed=1)) is waiting[2]
    assert pick(waiting, last=make_recipe("lenet5-mnist5k", [])) is waiting[0]


def test_what_is_far_off_keeps_its_place(jobs):
    waiting = jobs(*(recipe(0.1, bits) for bits in (8, 7, 6, 5, 4, 3, 2)), recipe(0.2), recipe(0.3))
    assert len(waiting) == NEAR + 1
    assert pick(waiting, last=recipe(0.2)) is waiting[NEAR - 1]
    assert pick(waiting, last=recipe(0.3)) is waiting[0]


def test_people_come_first_whatever_was_begun(jobs):
    asked = jobs(recipe(0.1), recipe(0.2), background=False)
    waiting = [*asked, *jobs(recipe(0.3))]
    for background in (False, True):
        assert pick(waiting, background, last=recipe(0.3), running=[recipe(0.1)]) is asked[0]
    assert pick(waiting[2:], background=False) is None
