"""What a training ends with, on validation images that are made to say what each test needs."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from compression.engine.network.form import clone
from compression.engine.techniques import apply_step
from compression.engine.training import best as best_module
from compression.engine.training.best import Scores, is_better, scores
from compression.engine.training.device import CPU
from compression.engine.training.loop import train
from compression.engine.training.speed import FEWEST_STEPS
from compression.recipe import steps
from compression.recipe.budgets import passes_of
from compression.watch import Watch
from tests.engine.techniques.conftest import make_context
from tests.support.networks import correct


@functools.cache
def context(name="mlp-digits"):
    return make_context(name)


def judged(right, losses=None):
    right = np.asarray(right, dtype=bool)
    return Scores(right, np.asarray(losses if losses is not None else 1.0 - right, dtype=float))


def passes(number, data=None):
    return passes_of(number, len((data or context().dataset).train))


class TestEvidence:
    def test_a_few_images_more_are_luck_and_many_are_not(self):
        old = np.arange(200) < 150
        few, many = old | (np.arange(200) >= 198), old | (np.arange(200) >= 180)
        assert not is_better(judged(few), judged(old))
        assert is_better(judged(many), judged(old))

    def test_a_lower_loss_counts_where_as_many_are_right(self):
        rng = np.random.default_rng(0)
        right, losses = np.arange(200) < 190, rng.uniform(0, 0.2, 200)
        assert is_better(judged(right, losses * 0.9), judged(right, losses))
        assert not is_better(judged(right, losses + rng.normal(0, 0.05, 200)), judged(right, losses))

    def test_a_lower_loss_makes_up_for_no_mistake(self):
        right, losses = np.arange(200) < 190, np.full(200, 0.1)
        worse = right & (np.arange(200) != 0)
        assert not is_better(judged(worse, losses - 0.05), judged(right, losses))

    def test_nothing_is_better_than_itself(self):
        same = judged(np.arange(10) < 5)
        assert not is_better(same, same)

    def test_it_is_rarely_fooled(self):
        """Of two networks that are equally good, the second is taken for better in a few percent of cases at most."""
        rng, fooled = np.random.default_rng(1), 0
        for _ in range(400):
            hardness = rng.uniform(0, 1, 500)
            one, other = (np.clip(hardness + rng.normal(0, 0.2, 500), 0, 2) for _ in range(2))
            fooled += is_better(judged(one < 0.9, one), judged(other < 0.9, other))
        assert fooled / 400 < 0.06

    def test_the_loss_is_the_label_s_missing_likelihood(self):
        model = clone(context().teacher)
        split = context().dataset.validation.head(7)
        found = scores(model, split, CPU)
        p = model(torch.from_numpy(split.x)).softmax(1).detach().numpy()
        expected = [-np.log(p[i, label]) for i, label in enumerate(split.y)]
        np.testing.assert_allclose(found.losses, expected, rtol=1e-3, atol=1e-5)
        assert found.accuracy == correct(model, split)


UNTRAINED = {
    "as it is": (),
    "masked": (steps.MagnitudePruning(sparsity=0.9),),
    "two bits, corrected": (steps.Quantization(weight_bits=2, method="gptq"),),
    "one bit": (steps.Quantization(weight_bits=1),),
    "masked codes": (steps.MagnitudePruning(sparsity=0.5), steps.Quantization(weight_bits=3, symmetric=False)),
    "activations": (steps.Quantization(weight_bits=4, activation_bits=8),),
    "codebook": (steps.WeightSharing(clusters=8),),
    "half": (steps.Quantization(weight_bits=16),),
}


@pytest.mark.parametrize("learn_scales", [False, True])
@pytest.mark.parametrize("name", UNTRAINED)
def test_where_training_does_not_help_the_given_network_is_kept_bit_for_bit(name, learn_scales, monkeypatch):
    monkeypatch.setattr(best_module, "is_better", lambda new, old: False)
    model, told = context().teacher, []
    for step in UNTRAINED[name]:
        model = apply_step(model, step, context())
    asked = steps.FineTuning(epochs=2, learning_rate=0.05, learn_scales=learn_scales)
    tuned = apply_step(model, asked, dataclasses.replace(context(), trained=told.append))
    before, after = model.state_dict(), tuned.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    x = torch.from_numpy(context().dataset.validation.x)
    assert torch.equal(model(x), tuned(x))
    assert [training.kept for training in told] == ["untrained"]
    assert not told[0].helped


def test_of_many_looks_the_luckiest_is_not_taken(monkeypatch):
    """Each network that is looked at has a loss that is a little lower, by less than the images can tell."""
    rng, looks = np.random.default_rng(0), []
    base = rng.uniform(0, 0.3, 200)

    def luckier(*_):
        noise = rng.normal(0, 0.05, 200)
        looks.append(judged(np.arange(200) < 196, base + noise - noise.mean() - 0.001 * (len(looks) > 0)))
        return looks[-1]

    monkeypatch.setattr(best_module, "scores", luckier)
    found = train(clone(context().teacher), context().dataset, epochs=passes(400), learning_rate=0.01, seed=0)
    assert len(looks) > 15
    assert min(look.loss for look in looks[1:]) < looks[0].loss
    assert found.kept == "untrained"


def test_a_longer_training_need_not_prove_that_it_is_better_than_a_shorter_one(monkeypatch):
    """From each look to the next the images can hardly tell, but hundreds of steps have gone the right way."""
    rng, looks = np.random.default_rng(0), []

    def a_little_better(*_):
        noise = rng.normal(0, 0.05, 200)
        right = np.arange(200) < (180 if looks else 100)
        looks.append(judged(right, np.where(right, 0.1, 2.0) + noise - noise.mean() - 0.001 * len(looks)))
        return looks[-1]

    monkeypatch.setattr(best_module, "scores", a_little_better)
    found = train(clone(context().teacher), context().dataset, epochs=passes(400), learning_rate=0.01, seed=0)
    assert not any(is_better(new, old) for old, new in itertools.pairwise(looks[1:]))
    assert found.kept_at == 400


def test_a_training_that_spoils_a_network_is_given_up():
    model = clone(context().teacher)
    found = train(model, context().dataset, epochs=2, learning_rate=3.0, seed=0, loss=_opposite)
    assert found.kept == "untrained"
    assert correct(model, context().dataset.test) == correct(context().teacher, context().dataset.test)


def _opposite(logits, x, y):
    return nn.functional.cross_entropy(-logits, y)


def test_what_training_brings_back_is_kept_and_it_says_how_much():
    damaged = apply_step(context().teacher, steps.ChannelPruning(pruning_ratio=0.7), context())
    tuned = clone(damaged)
    found = train(tuned, context().dataset, epochs=20, learning_rate=0.03, seed=0)
    assert found.helped
    validation = context().dataset.validation
    assert found.n_validation == len(validation)
    assert found.points[0] == (0, correct(damaged, validation))
    assert [step for step, _ in found.points] == sorted({step for step, _ in found.points})
    assert correct(tuned, validation) > correct(damaged, validation) + 0.03
    assert not tuned.training


def test_batch_norms_are_measured_on_images_as_they_are():
    """Not on the last batches of turned and shifted ones: a step that changes no weight changes no answer much."""
    resnet8, seen = context("resnet8-mnist5k"), []
    model = clone(resnet8.teacher)

    def spoil(step, steps):
        seen.append(step)

    found = train(model, resnet8.dataset, epochs=passes(3, resnet8.dataset), learning_rate=1e-9, seed=0, on_step=spoil)
    assert seen == [1, 2, 3]
    assert found.points[-1][1] >= found.points[0][1] - 0.004


class TestEndingEarly:
    def stopping(self, after):
        """A watch that wants no more as soon as so many looks were told."""
        calls = []
        return Watch(is_enough=lambda: calls.append(1) or len(calls) > after)

    def trained(self, number, watch=None):
        torch.manual_seed(0)
        model = clone(apply_step(context().teacher, steps.MagnitudePruning(sparsity=0.95), context()))
        told = train(
            model,
            context().dataset,
            epochs=passes(number),
            learning_rate=0.03,
            seed=0,
            **({"watch": watch} if watch else {}),
        )
        return model, told

    def test_it_is_the_same_network_as_with_as_many_passes(self):
        stopped, told = self.trained(200, self.stopping(25))
        assert told.was_ended_early
        assert FEWEST_STEPS < told.steps < 200
        shorter, whole = self.trained(told.steps)
        assert not whole.was_ended_early
        for one, other in zip(stopped.state_dict().values(), shorter.state_dict().values(), strict=True):
            assert torch.equal(one, other)
        assert told.points == whole.points

    def test_longer_trainings_pass_through_what_shorter_ones_reach(self):
        points = [self.trained(number)[1].points for number in (100, 200)]
        shared = [point for point in points[0][:-1] if point in points[1]]
        assert shared == list(points[0][:-1])
        assert len(shared) > 1

    def test_zeros_that_still_come_cannot_be_ended(self):
        model = clone(context().teacher)
        seen = []
        found = train(
            model,
            context().dataset,
            epochs=passes(40),
            learning_rate=0.01,
            seed=0,
            unfinished=0.75,
            watch=Watch(
                is_enough=lambda: True, learned=lambda points, number, may_end: seen.append((points[-1][0], may_end))
            ),
        )
        assert found.steps == 40
        assert found.kept != "untrained"
        assert found.kept_at >= 30
        assert all(step >= 30 and not may_end for step, may_end in seen)


def test_the_watch_is_told_each_point():
    seen = []
    model = clone(context().teacher)
    watch = Watch(learned=lambda points, number, may_end: seen.append((list(points), number, may_end)))
    found = train(model, context().dataset, epochs=5, learning_rate=0.01, seed=0, watch=watch)
    assert [len(points) for points, *_ in seen] == list(range(1, len(found.points) + 1))
    assert seen[-1] == (list(found.points), found.planned, False)
    for points, planned, may_end in seen:
        assert may_end == (FEWEST_STEPS <= points[-1][0] < planned)
    assert len({may_end for *_, may_end in seen}) == 2
