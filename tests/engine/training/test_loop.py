import math

import pytest
import torch
from torch import nn

from compression.engine.network.form import WeightFormat, restrict, weight_format
from compression.engine.network.grids import Affine, Codebook
from compression.engine.network.tracing import trace
from compression.engine.training import loop
from compression.engine.training.loop import SMALLEST_SIZE, augmented, optimized, steady, train
from compression.engine.training.speed import CHANNELS_LAST, FASTEST, PLAIN, always
from compression.errors import Cancelled, Diverged
from compression.models.data import Augmentation, load_dataset
from compression.watch import Watch
from sample_models.mlp import mlp_digits
from tests.support.networks import correct


def trained(seed=0, epochs=2.0, **settings):
    torch.manual_seed(1)
    model = mlp_digits()
    train(model, load_dataset("digits"), epochs=epochs, learning_rate=0.05, seed=seed, **settings)
    return model


def optimize(model, steps, **settings):
    """The model after some steps of the optimizer."""
    usual = {"learning_rate": 0.05, "seed": 0, "schedule": steady}
    for _ in optimized(model, load_dataset("digits"), steps=steps, **usual | settings):
        pass
    return model


def mlp():
    torch.manual_seed(1)
    return mlp_digits()


def test_training_learns_the_digits():
    split = load_dataset("digits").validation
    model = trained(epochs=15)
    assert correct(model, split) > 0.9
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
    trained(watch=Watch(report=lambda fraction, words: seen.append(fraction)))
    assert seen == sorted(seen)
    assert seen[-1] == 1

    calls = iter([False, False, True])

    def check():
        if next(calls):
            raise Cancelled("no longer wanted")

    with pytest.raises(Cancelled):
        trained(watch=Watch(check=check))


def test_long_gradients_are_shortened():
    """The size of a gradient that is too long no longer matters, and one that is short enough is left alone."""

    def steep(factor):
        return lambda logits, x, y: factor * nn.functional.cross_entropy(logits, y)

    def parameters(factor, **settings):
        return [p.detach() for p in optimize(mlp(), 5, loss=steep(factor), **settings).parameters()]

    for a, b in zip(parameters(1e5), parameters(1e6), strict=True):
        torch.testing.assert_close(a, b)
    for a, b in zip(parameters(0.1), parameters(0.1, max_gradient_norm=math.inf), strict=True):
        assert torch.equal(a, b)
    one, other = (parameters(1e3, max_gradient_norm=norm)[0] for norm in (5, math.inf))
    assert not torch.allclose(one, other)


def one_step(factor, strength):
    """By how much parameters change in one step on `factor` x cross entropy and a penalty on the first weight alone."""
    model = mlp()
    before = [p.detach().clone() for p in model.parameters()]
    weight = next(model.parameters())
    optimize(
        model,
        1,
        loss=lambda logits, x, y: factor * nn.functional.cross_entropy(logits, y),
        penalty=lambda: strength * weight.sum(),
    )
    return [p.detach() - old for p, old in zip(model.parameters(), before, strict=True)]


def test_neither_the_loss_nor_a_penalty_cuts_the_other_short():
    plain, penalized, steep_penalized = (one_step(*case) for case in ((1, 0), (1, 100), (1e5, 100)))
    for alone, beside in zip(plain[1:], penalized[1:], strict=True):
        assert torch.equal(alone, beside)
    assert plain[0].max() > 0
    for moved in (penalized[0], steep_penalized[0]):
        assert moved.max() < 0


def test_with_a_penalty_steps_are_a_share_of_each_tensors_size():
    share = 0.05 * steady(1, 1)
    sizes = [p.detach().square().mean().sqrt().item() for p in mlp().parameters()]
    moved = [change.abs().max().item() for change in one_step(1, 0)]
    assert moved == pytest.approx([share * max(size, SMALLEST_SIZE) for size in sizes], rel=0.02)


def convolutions():
    """An untrained network with batch norm and strides, for 8 x 8 images."""
    torch.manual_seed(1)
    layers = [nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2)]
    return trace(nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)), (1, 8, 8))


def steps_in(mode, model, steps=5, **settings):
    """The model after some steps, trained in a mode."""
    with always(mode):
        return optimize(model, steps, **settings)


def test_layouts_give_the_same_network_and_bfloat16_nearly():
    plain, channels_last, rough = (steps_in(mode, convolutions()) for mode in (PLAIN, CHANNELS_LAST, FASTEST))
    start = convolutions()
    for a, b, c, d in zip(*(model.parameters() for model in (plain, channels_last, rough, start)), strict=True):
        assert b.is_contiguous()
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
        assert (a - c).norm() < 0.2 * (a - d).norm()
    assert any(not torch.equal(a, c) for a, c in zip(plain.parameters(), rough.parameters(), strict=True))


@pytest.mark.parametrize("mode", [PLAIN, CHANNELS_LAST, FASTEST])
def test_a_step_is_that_of_a_plain_loop(mode):
    """Whatever the layout of gradients, the fused optimizer does what the written-out formula says."""
    model, before = convolutions(), list(convolutions().parameters())
    with always(mode):
        for step in optimized(
            model, load_dataset("digits"), steps=1, learning_rate=0.05, seed=0, schedule=lambda step, steps: 1.0
        ):
            gradients = [parameter.grad for parameter in model.parameters()] if step else []
    for parameter, old, gradient in zip(model.parameters(), before, gradients, strict=True):
        decayed = gradient + (5e-4 if old.dim() > 1 else 0) * old
        torch.testing.assert_close(parameter, old - 0.05 * 1.9 * decayed, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("learn_scales", [False, True])
def test_formats_hold_exactly_in_bfloat16(learn_scales):
    model = convolutions()
    first, second, last = (model.get_submodule(name) for name in ("0", "3", "6"))
    mask = torch.rand(first.weight.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    restrict(first, mask=mask)
    restrict(second, grid=Affine(4, torch.full((16,), 0.03125), torch.zeros(16, dtype=torch.int32), -8, 7))
    codes = torch.randint(0, 4, last.weight.shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    restrict(last, grid=Codebook(torch.tensor([-0.1, -0.01, 0.02, 0.1]).half().float(), codes))
    before = [layer.weight.clone() for layer in (first, second, last)]
    steps_in(FASTEST, model, steps=20, learn_scales=learn_scales)
    for layer, old in zip((first, second, last), before, strict=True):
        assert not torch.equal(layer.weight, old)
        assert torch.equal(layer.weight, weight_format(layer).project(layer.weight))
    assert torch.equal(first.weight != 0, mask)
    assert weight_format(first) == WeightFormat(mask=weight_format(first).mask)
    assert torch.equal(weight_format(last).grid.codes, codes)


def test_losses_get_exact_logits_and_images_in_either_precision():
    seen = []

    def loss(logits, x, y):
        seen.append((logits.dtype, x.dtype))
        return nn.functional.cross_entropy(logits, y)

    for mode in (PLAIN, FASTEST):
        steps_in(mode, convolutions(), steps=1, loss=loss)
    assert seen == [(torch.float32, torch.float32)] * 2


def test_the_first_training_of_its_kind_is_like_all_others(fresh_home):
    """The test of what is fastest leaves no trace in what is trained."""
    data = load_dataset("digits")

    def weights():
        model = convolutions()
        train(model, data, epochs=2, learning_rate=0.05, seed=0)
        return model.state_dict()

    first, second = weights(), weights()
    assert len(list((fresh_home / "training").iterdir())) == 1
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_accelerator_is_used_unless_another_device_is_named(monkeypatch):
    asked = []

    class Stop(Exception):
        pass

    def resident(model, device):
        asked.append(device)
        raise Stop

    monkeypatch.setattr(loop, "training_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(loop, "resident", resident)
    for settings in ({}, {"device": torch.device("cpu")}):
        with pytest.raises(Stop):
            train(mlp_digits(), load_dataset("digits"), epochs=1, learning_rate=0.05, seed=0, **settings)
    assert asked == [torch.device("cuda"), torch.device("cpu")]


def test_divergence_is_an_error_that_names_the_learning_rate():
    with pytest.raises(Diverged, match="learning rate below 1e\\+20"):
        train(mlp_digits(), load_dataset("digits"), epochs=2, learning_rate=1e20, seed=0)


def test_augmentation_neutral_is_neutral_and_flip_mirrors():
    x = torch.randn(8, 1, 12, 12)
    same = augmented(x, Augmentation(), torch.Generator().manual_seed(0))
    assert torch.allclose(same, x, atol=1e-5)
    flipped = augmented(x, Augmentation(flip=True), torch.Generator().manual_seed(0))
    mirrored = [torch.allclose(a, b.flip(-1), atol=1e-5) for a, b in zip(flipped, x, strict=True)]
    unchanged = [torch.allclose(a, b, atol=1e-5) for a, b in zip(flipped, x, strict=True)]
    assert any(mirrored)
    assert any(unchanged)
    assert all(m != u for m, u in zip(mirrored, unchanged, strict=True))


def test_images_that_are_only_shifted_keep_their_pixels():
    x = torch.randint(0, 1000, (64, 3, 10, 14)).float()
    shifted = augmented(x, Augmentation(shift=0.2), torch.Generator().manual_seed(0))
    for image, moved in zip(x, shifted, strict=True):
        torch.testing.assert_close(moved, moved.round(), atol=0.02, rtol=0)
        assert set(moved.round().flatten().tolist()) <= set(image.flatten().tolist())
    assert sum(torch.equal(image, moved) for image, moved in zip(x, shifted.round(), strict=True)) < 20


def test_a_fraction_of_an_epoch_is_that_many_steps():
    steps = []

    class Counting(nn.Linear):
        def forward(self, x):
            steps.append(len(x))
            return super().forward(x.flatten(1))

    data = load_dataset("digits")
    found = train(Counting(64, 10), data, epochs=0.5, learning_rate=0.01, seed=0)
    assert 64 * found.steps == pytest.approx(0.5 * len(data.train), abs=32)
    assert steps.count(64) == found.steps
