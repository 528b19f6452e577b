import math

import pytest
import torch
from torch import nn

from compression.data import load_dataset
from compression.errors import Cancelled, Diverged
from compression.training import Augmentation, train
from sample_models.mlp import mlp_digits


def trained(seed=0, epochs=2.0, **settings):
    torch.manual_seed(1)
    model = mlp_digits()
    train(model, load_dataset("digits"), epochs=epochs, learning_rate=0.05, seed=seed, **settings)
    return model


def test_training_learns_the_digits():
    split = load_dataset("digits").validation
    model = trained(epochs=15)
    accuracy = (model(torch.from_numpy(split.x)).argmax(1).numpy() == split.y).mean()
    assert accuracy > 0.9
    assert not model.training


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, second, third = trained(0), trained(0), trained(1)
    for a, b, c in zip(first.parameters(), second.parameters(), third.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_no_epochs_change_nothing():
    torch.manual_seed(1)
    before = mlp_digits().state_dict()
    after = trained(epochs=0).state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_progress_ends_at_one_and_cancelling_stops():
    seen = []
    trained(report=lambda fraction, words: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == 1

    calls = iter([False, False, True])

    def check():
        if next(calls):
            raise Cancelled("no longer wanted")

    with pytest.raises(Cancelled):
        trained(check_cancelled=check)


def test_long_gradients_are_shortened():
    """The size of a gradient that is too long no longer matters, and one that is short enough is left alone."""

    def steep(factor):
        return lambda logits, x, y: factor * nn.functional.cross_entropy(logits, y)

    def parameters(factor, **settings):
        return [p.detach() for p in trained(epochs=0.3, loss=steep(factor), **settings).parameters()]

    for a, b in zip(parameters(1e5), parameters(1e6), strict=True):
        torch.testing.assert_close(a, b)
    for a, b in zip(parameters(0.1), parameters(0.1, max_gradient_norm=math.inf), strict=True):
        assert torch.equal(a, b)
    one, other = (parameters(1e3, max_gradient_norm=norm)[0] for norm in (5, math.inf))
    assert not torch.allclose(one, other)


def one_step(factor, strength):
    """Parameters after one step on `factor` x cross entropy, with a penalty on the first layer's weight alone."""
    torch.manual_seed(1)
    model, data = mlp_digits(), load_dataset("digits")
    weight = next(model.parameters())
    train(
        model, data, epochs=64 / len(data.train), learning_rate=0.05, seed=0,
        loss=lambda logits, x, y: factor * nn.functional.cross_entropy(logits, y),
        penalty=(lambda: strength * weight.sum()) if strength else None,
    )  # fmt: skip
    return [p.detach() for p in model.parameters()]


def test_neither_the_loss_nor_a_penalty_cuts_the_other_short():
    plain, penalized, steep, steep_penalized = (one_step(*case) for case in ((1, 0), (1, 100), (1e5, 0), (1e5, 100)))
    for before, after in zip(plain[1:], penalized[1:], strict=True):
        assert torch.equal(before, after)
    moved = plain[0] - penalized[0]
    assert moved.min() > 0
    torch.testing.assert_close(moved, moved.mean().expand_as(moved))
    torch.testing.assert_close(steep[0] - steep_penalized[0], moved)


def test_divergence_is_an_error_that_names_the_learning_rate():
    with pytest.raises(Diverged, match="learning rate below 1e\\+20"):
        train(mlp_digits(), load_dataset("digits"), epochs=2, learning_rate=1e20, seed=0)


def test_augmentation_neutral_is_neutral_and_flip_mirrors():
    x = torch.randn(8, 1, 12, 12)
    same = Augmentation()(x, torch.Generator().manual_seed(0))
    assert torch.allclose(same, x, atol=1e-5)
    flipped = Augmentation(flip=True)(x, torch.Generator().manual_seed(0))
    mirrored = [torch.allclose(a, b.flip(-1), atol=1e-5) for a, b in zip(flipped, x, strict=True)]
    unchanged = [torch.allclose(a, b, atol=1e-5) for a, b in zip(flipped, x, strict=True)]
    assert any(mirrored)
    assert any(unchanged)
    assert all(m != u for m, u in zip(mirrored, unchanged, strict=True))


def test_a_fraction_of_an_epoch_is_that_many_steps():
    steps = []

    class Counting(nn.Linear):
        def forward(self, x):
            steps.append(len(x))
            return super().forward(x.flatten(1))

    data = load_dataset("digits")
    train(Counting(64, 10), data, epochs=0.5, learning_rate=0.01, seed=0, batch_size=32)
    assert sum(steps) == pytest.approx(0.5 * len(data.train), abs=32)
