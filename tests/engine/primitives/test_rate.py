import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from compression.engine.files import export, stored_file
from compression.engine.network.form import clone, restrict, restricted, weight_format, weighted_layers
from compression.engine.network.grids import Codebook
from compression.engine.primitives.rate import (
    best_step,
    description_length,
    entropy_penalty,
    layer_bits,
    round_for_rate,
)
from compression.engine.primitives.rounding import Problem
from tests.support.networks import grid, network, pruned, quantized, run


def layer_with(weight, bits=4):
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
    restrict(layer, grid=grid(layer.weight, bits))
    return layer


def entropy(codes):
    share = torch.unique(codes, return_counts=True)[1] / codes.numel()
    return -(share * share.log2()).sum().item()


def with_codes(codes):
    """A layer whose weights are these numbers, on a grid of 4 bits with steps of 1."""
    layer = layer_with(7 * torch.ones(1, len(codes)))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([codes]))
    return layer


class TestEntropyPenalty:
    @pytest.mark.parametrize("zeros", [0, 2000])
    def test_is_the_entropy_of_codes_that_are_distributed_so(self, zeros):
        """A discrete Laplace distribution, and one with more zeros."""
        random = np.random.default_rng(0)
        drawn = random.geometric(0.6, 3000) - random.geometric(0.6, 3000)
        layer = with_codes([*drawn.clip(-7, 7).astype(float), *[0.0] * zeros])
        codes = layer.weight.detach().to(torch.int64)
        with torch.no_grad():
            assert layer_bits(layer).item() / codes.numel() == pytest.approx(entropy(codes), abs=0.02)

    def test_is_near_the_stored_file(self):
        model = quantized(network("lenet300-mnist5k"), 4)
        parts = stored_file.decode_with_ledger(stored_file.encode(export.to_onnx(model)))[1]
        bits = 8 * (parts["codes"] + parts["positions"]) / 266_200
        assert bits < entropy_penalty(model).item() < 1.12 * bits

    @pytest.mark.parametrize("most", [0.0, -1.0, 3.0])
    def test_leads_to_zero_wherever_most_weights_are(self, most):
        layer = with_codes([*[most] * 90, 0.4, 1.6, -0.4, -2.5])
        layer_bits(layer).backward()
        assert (layer.weight.grad[0, 90:].sign() == torch.tensor([1.0, 1.0, -1.0, -1.0])).all()

    def test_leads_to_longer_steps_where_these_are_learned(self):
        model = quantized(network("mlp-digits"), 4)
        with restricted(model, learn_scales=True):
            penalty = entropy_penalty(model)
            penalty.backward()
            for layer in weighted_layers(model).values():
                scale = layer.parametrizations.weight[0].scale
                assert (scale.grad < 0).all()
                with torch.no_grad():
                    scale.mul_(1.5)
            assert entropy_penalty(model) < penalty - 0.4

    def test_reaches_hidden_weights_and_spares_masked_ones(self):
        model = quantized(pruned(network("mlp-digits"), 0.5), 4)
        with restricted(model):
            entropy_penalty(model).backward()
            for layer in weighted_layers(model).values():
                gradient = layer.parametrizations.weight.original.grad
                assert gradient.abs().sum() > 0
                assert (gradient[~weight_format(layer).mask] == 0).all()

    @pytest.mark.parametrize("bits", [16, None])
    def test_floats_have_a_finite_price(self, bits):
        model = network("mlp-digits") if bits is None else quantized(network("mlp-digits"), bits)
        penalty = entropy_penalty(model)
        penalty.backward()
        assert 4 < penalty.item() < 8
        assert all(torch.isfinite(layer.weight.grad).all() for layer in weighted_layers(model).values())

    def test_where_no_weight_can_be_cheaper_there_is_no_gradient(self):
        layer = nn.Linear(64, 8, bias=False)
        codes = torch.randint(0, 4, (8, 64), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
        restrict(layer, grid=Codebook(torch.tensor([-1.0, 0.0, 0.5, 2.0]), codes))
        assert layer_bits(layer).item() == 2 * 512 and not layer_bits(layer).requires_grad
        assert entropy_penalty(quantized(network("mlp-digits"), 1)).item() == 1

    def test_a_description_is_all_bits_in_nats_for_each_image(self):
        model = quantized(network("mlp-digits"), 4)
        weights = sum(layer.weight.numel() for layer in weighted_layers(model).values())
        expected = entropy_penalty(model).item() * weights * math.log(2) / 500
        assert description_length(model, 500).item() == pytest.approx(expected)

    def test_training_on_it_makes_the_file_smaller(self):
        model = quantized(network("mlp-digits"), 4)
        before = len(stored_file.encode(export.to_onnx(model)))
        with restricted(model):
            optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
            for _ in range(30):
                optimizer.zero_grad()
                description_length(model, 500).backward()
                optimizer.step()
        assert len(stored_file.encode(export.to_onnx(model))) < 0.9 * before


@pytest.fixture
def problem():
    """One layer of 20 outputs over 30 related features."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 30, generator=generator) @ torch.randn(30, 30, generator=generator)
    target = torch.randn(1, 20, 30, generator=generator)
    return Problem((x.T @ x)[None], target)


def on_levels(problem, step=0.25):
    levels = (torch.arange(-12, 13) * step).expand(1, 20, -1)
    codes = (problem.target / step).round().clamp(-12, 12).long() + 12
    return levels, codes


class TestRounding:
    def test_without_a_price_the_error_falls(self, problem):
        levels, codes = on_levels(problem)
        better = round_for_rate(problem, levels, codes, 0)
        errors = [problem.error(levels.gather(2, found)).sum() for found in (codes, better)]
        assert errors[1] < 0.6 * errors[0]

    def test_bits_fall_with_the_price(self, problem):
        levels, codes = on_levels(problem)
        prices = [0, 100, 300, 1000, 3000, 1e9]
        found = [round_for_rate(problem, levels, codes, price) for price in prices]
        bits = [entropy(each) for each in found]
        assert all(later < earlier for earlier, later in pairwise(bits)), bits

    def test_is_a_better_bargain_than_coarser_steps(self, problem):
        levels, codes = on_levels(problem)
        price = 30
        coarse_levels, coarse = on_levels(problem, 1.0)
        for other_levels, other in ((levels, codes), (coarse_levels, coarse)):
            cost = problem.error(other_levels.gather(2, other)).sum() + price * 600 * entropy(other)
            found = round_for_rate(problem, levels, codes, price)
            assert problem.error(levels.gather(2, found)).sum() + price * 600 * entropy(found) < cost

    def test_masked_weights_stay(self, problem):
        mask = torch.rand(1, 20, 30, generator=torch.Generator().manual_seed(1)) < 0.5
        levels, codes = on_levels(problem)
        found = round_for_rate(Problem(problem.hessian, problem.target, mask), levels, codes, 5)
        assert torch.equal(found[~mask], codes[~mask])
        assert not torch.equal(found[mask], codes[mask])

    def test_given_codes_are_left_alone(self, problem):
        levels, codes = on_levels(problem)
        before = codes.clone()
        round_for_rate(problem, levels, codes, 5)
        assert torch.equal(codes, before)

    @pytest.mark.parametrize("price", [0.01, 1.0, 50.0])
    def test_the_best_step_balances_error_and_bits(self, price):
        """Independent features: error of a step plus price of its bits, for a smooth density, is least there."""
        curvature = 3.0
        weight = torch.linspace(-50, 50, 200_001, dtype=torch.float64) * math.sqrt(price)

        def cost(step):
            codes = torch.round(weight / step)
            return curvature * (weight - codes * step).square().mean().item() + price * entropy(codes)

        best = best_step(curvature * torch.eye(4)[None], price)
        assert cost(best) < min(cost(0.8 * best), cost(1.25 * best))


def test_models_are_not_changed_by_measuring():
    model = quantized(network("mlp-digits"), 4)
    before, x = clone(model), torch.randn(5, 1, 8, 8)
    entropy_penalty(model).backward()
    assert torch.equal(run(model, x), run(before, x))
