import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from compression.engine.network.form import ActivationQuantizer, weight_format, weighted_layers
from compression.engine.network.tracing import trace
from compression.engine.techniques import apply_step
from compression.engine.techniques.fine_tuning import fine_tuning
from compression.errors import Diverged
from compression.recipe.steps import (
    ChannelPruning,
    Distillation,
    FineTuning,
    MagnitudePruning,
    Quantization,
    WeightSharing,
)
from tests.support.networks import carried_out, loss, pairs_of_layers

MODULE = sys.modules[fine_tuning.__module__]

pytestmark = pytest.mark.usefixtures("trusted")


START = {
    "masked": (MagnitudePruning(sparsity=0.97),),
    "two bits": (Quantization(weight_bits=2),),
    "one bit": (Quantization(weight_bits=1),),
    "half": (MagnitudePruning(sparsity=0.97), Quantization(weight_bits=16)),
    "rounded activations": (Quantization(weight_bits=2, activation_bits=8),),
    "masked and quantized": (MagnitudePruning(sparsity=0.97), Quantization(weight_bits=2, symmetric=False)),
    "narrow": (ChannelPruning(pruning_ratio=0.7),),
}


@pytest.mark.parametrize("start", START)
def test_formats_stay_and_the_network_learns(start, mlp, lowest_loss):
    model = carried_out(mlp, *START[start])
    tuned = apply_step(model, FineTuning(epochs=12, alpha=0), mlp)
    for before, after in pairs_of_layers(model, tuned):
        assert not torch.equal(before.weight, after.weight)
        assert after.weight.shape == before.weight.shape
        found, given = weight_format(after), weight_format(before)
        assert torch.equal(found.project(after.weight), after.weight)
        assert (found.grid is None) == (given.grid is None)
        if given.mask is not None:
            assert (after.weight[~given.mask] == 0).all()
        if hasattr(given.grid, "scale"):
            assert torch.equal(found.grid.scale, given.grid.scale)
        assert isinstance(after.weight, nn.Parameter)
    assert loss(tuned, mlp.dataset.train) < 0.95 * loss(model, mlp.dataset.train)


def test_activation_ranges_stay(mlp):
    model = apply_step(mlp.teacher, Quantization(weight_bits=4, activation_bits=8), mlp)
    tuned = apply_step(model, FineTuning(epochs=0.5), mlp)
    ranges = [
        [(layer.scale, layer.zero_point) for layer in network.modules() if isinstance(layer, ActivationQuantizer)]
        for network in (model, tuned)
    ]
    assert len(ranges[0]) == 3
    assert ranges[0] == ranges[1]


def test_divergence_is_reported(mlp):
    model = apply_step(mlp.teacher, MagnitudePruning(sparsity=0.1), mlp)
    with torch.no_grad():
        for layer in weighted_layers(model).values():
            layer.weight.mul_(1e15)
    with pytest.raises(Diverged, match="learning rate"):
        apply_step(model, FineTuning(epochs=5, learning_rate=1), mlp)


@pytest.mark.parametrize(
    ("start", "asked", "expected"),
    [
        (Quantization(weight_bits=4), {}, 0.003),
        (Quantization(weight_bits=1, method="nearest"), {}, 0.01),
        (MagnitudePruning(sparsity=0.1), {}, 0.01),
        (MagnitudePruning(sparsity=0.99, recalibrate=False), {}, 0.03),
        (Quantization(weight_bits=4), {"entropy_penalty": 0.1}, 0.02),
        (WeightSharing(clusters=8), {"entropy_penalty": 0.1}, 0.003),
        (Quantization(weight_bits=4), {"learning_rate": 0.05}, 0.05),
    ],
)
def test_steps_are_small_where_little_was_lost_and_on_grids(start, asked, expected, mlp, monkeypatch):
    used = []
    monkeypatch.setattr(MODULE, "train", lambda *_, learning_rate, **__: used.append(learning_rate))
    fine_tuning(apply_step(mlp.teacher, start, mlp), FineTuning(epochs=1, **asked), mlp)
    assert used == [expected]


def test_training_goes_on_from_the_weights_before_rounding(mlp, lowest_loss):
    """From the middles of their codes hardly any weight would reach another code."""
    rounded = apply_step(mlp.teacher, Quantization(weight_bits=1), mlp)
    tuned = apply_step(rounded, FineTuning(epochs=3, alpha=0), mlp)
    again = apply_step(tuned, FineTuning(epochs=1), mlp)
    for one, other in ((rounded, tuned), (tuned, again)):
        pairs = pairs_of_layers(one, other)
        assert any((before.weight != after.weight).any() for before, after in pairs)
    for layer in weighted_layers(again).values():
        assert torch.equal(weight_format(layer).project(layer.hidden_weight), layer.weight)
    assert loss(tuned, mlp.dataset.train) < 0.7 * loss(rounded, mlp.dataset.train)


def codes_entropy(model):
    """Bits a weight of the codes, zero order."""
    bits = count = 0
    for layer in weighted_layers(model).values():
        codes = weight_format(layer).grid.quantize(layer.weight.detach())
        shares = torch.unique(codes, return_counts=True)[1] / codes.numel()
        bits -= (shares * shares.log2()).sum().item() * layer.weight.numel()
        count += layer.weight.numel()
    return bits / count


def test_alpha_brings_a_quantized_network_closer_to_the_original(mlp, lowest_loss):
    """Self-distillation as recovery, against plain training with the same budget."""
    model = apply_step(mlp.teacher, Quantization(weight_bits=2), mlp)
    x = torch.from_numpy(mlp.dataset.validation.x)
    expected = mlp.teacher(x).softmax(1)
    distances = []
    for alpha in (0.0, 0.9):
        tuned = apply_step(model, FineTuning(epochs=5, alpha=alpha, learning_rate=0.01), mlp)
        distances.append((tuned(x).softmax(1) - expected).abs().mean().item())
    assert distances[1] < 0.9 * distances[0]


def test_alpha_zero_is_plain_training(mlp):
    one, other = (
        apply_step(mlp.teacher, FineTuning(epochs=0.5, alpha=0, temperature=temperature), mlp) for temperature in (1, 9)
    )
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def test_entropy_penalty_gathers_weights_on_few_codes(mlp):
    model = apply_step(mlp.teacher, Quantization(weight_bits=4), mlp)
    plain, gathered = (apply_step(model, FineTuning(epochs=8, entropy_penalty=penalty), mlp) for penalty in (0, 1))
    assert codes_entropy(gathered) < codes_entropy(plain) - 0.7
    assert loss(gathered, mlp.dataset.train) < 0.5


def test_the_stronger_the_penalty_the_fewer_bits(mlp):
    """On steep slopes too, where gradients are cut short: those of the penalty are not."""
    model = apply_step(mlp.teacher, Quantization(weight_bits=4), mlp)
    entropies = [
        codes_entropy(apply_step(model, FineTuning(epochs=3, learning_rate=0.03, entropy_penalty=penalty), mlp))
        for penalty in (0, 0.03, 0.1, 0.3, 1)
    ]
    assert entropies == sorted(entropies, reverse=True)
    assert entropies[-1] < entropies[0] - 0.5


def test_scales_are_trained_only_when_asked(mlp):
    model = apply_step(mlp.teacher, Quantization(weight_bits=2, activation_bits=8), mlp)
    for learn in (False, True):
        tuned = apply_step(model, FineTuning(epochs=1, learn_scales=learn), mlp)
        pairs = pairs_of_layers(model, tuned)
        scales = [(weight_format(before).grid.scale, weight_format(after).grid.scale) for before, after in pairs]
        assert all(torch.equal(before, after) != learn for before, after in scales)


@pytest.mark.parametrize("step", [FineTuning(epochs=2), Distillation(width_mult=1, epochs=2)])
def test_a_softmax_at_the_end_is_not_softened_again(step, mlp):
    """Losses compare logits: the weights become those of the network without it."""
    soft = trace(nn.Sequential(mlp.teacher, nn.Softmax(1)), mlp.dataset.input_shape)
    context = replace(mlp, teacher=soft)
    ones = [carried_out(one, MagnitudePruning(sparsity=0.9), step) for one in (mlp, context)]
    plain, softened = ([*weighted_layers(one).values()] for one in ones)
    for one, other in zip(plain, softened, strict=True):
        torch.testing.assert_close(one.weight, other.weight, rtol=1e-4, atol=1e-5)
