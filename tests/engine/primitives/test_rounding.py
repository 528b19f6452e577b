import itertools

import pytest
import torch
from torch import nn

from compression.engine.network.form import restrict
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.rounding import (
    Problem,
    best_scale,
    descend,
    gptq,
    layer_problem,
    levels_of,
    round_layer,
)


def problem(outputs=6, features=40, groups=1, masked=False, rows=200):
    """Inputs that depend on each other, as those of neighbouring pixels do: there GPTQ has something to gain."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(features, features, generator=generator) / features**0.5
    x = torch.randn(groups, rows, features, generator=generator) @ (torch.eye(features) + mixing)
    target = torch.randn(groups, outputs, features, generator=generator)
    mask = torch.rand(groups, outputs, features, generator=generator) > 0.5 if masked else None
    return Problem(x.mT @ x + 0.01 * rows * torch.eye(features), target, mask)


def levels(given, bits=3, **settings):
    flat = given.masked(given.target).flatten(0, 1)
    mask = None if given.mask is None else given.mask.flatten(0, 1)
    return levels_of(fit_affine(flat, bits, mask=mask, **settings), given)


def total(given, codes, grid):
    return given.error(codes * grid.scale).sum().item()


def test_the_problem_is_the_squared_error_of_the_answers():
    torch.manual_seed(1)
    layer = nn.Linear(5, 3)
    inputs, answers = torch.randn(1, 400, 5), torch.randn(1, 400, 3)
    given = layer_problem(layer, inputs, answers)

    def squared_error(weight):
        rest = answers - inputs @ weight.mT
        return (rest - rest.mean(1, keepdim=True)).square().sum((0, 1))  # the bias takes up the mean

    one, other = torch.randn(1, 3, 5), torch.randn(1, 3, 5)
    expected = squared_error(one) - squared_error(other)
    assert torch.allclose((given.error(one) - given.error(other))[0], expected, rtol=0.02, atol=30)
    assert (squared_error(given.target) <= squared_error(layer.weight.detach()[None])).all()


def test_a_layer_that_answers_as_it_should_is_its_own_target():
    torch.manual_seed(2)
    conv = nn.Conv2d(4, 6, 3, groups=2)
    inputs = torch.randn(2, 300, 18)
    weight = conv.weight.detach().reshape(2, 3, 18)
    assert torch.allclose(layer_problem(conv, inputs, inputs @ weight.mT + 1).target, weight, atol=1e-4)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@pytest.mark.parametrize("groups", [1, 3])
def test_gptq_beats_nearest_and_descent_beats_gptq(bits, groups, masked):
    given = problem(groups=groups, masked=masked)
    grid = levels(given, bits)
    nearest = total(given, given.masked(grid.nearest(given.target)), grid)
    one_pass = gptq(given, grid)
    turned = descend(given, grid, one_pass)
    assert total(given, one_pass, grid) < nearest
    assert total(given, turned, grid) < total(given, one_pass, grid)
    for codes in (one_pass, turned):
        assert torch.equal(codes, codes.round())
        assert ((codes >= grid.low) & (codes <= grid.high)).all()
        if masked:
            assert (codes[~given.mask] == 0).all()


def test_gptq_follows_the_formula_of_optimal_brain_quantization():
    """Reference: after each feature, update the rest with the inverse of what is left of H (Frantar, 2022, eq. 2)."""
    given = problem(outputs=3, features=37)
    grid = levels(given, 3)
    weight, hessian = given.target[0].double().clone(), given.hessian[0].double()
    expected = torch.zeros_like(weight)
    for column in range(weight.shape[1]):
        inverse = torch.linalg.inv(hessian[column:, column:])
        code = grid.nearest(weight[None, :, column : column + 1].float())[0].double()
        error = weight[:, column : column + 1] - code * grid.scale[0]
        weight[:, column:] -= error / inverse[0, 0] * inverse[0]
        expected[:, column] = code[:, 0]
    assert (gptq(given, grid)[0] == expected).float().mean() > 0.97  # ties of float32 and float64 aside


def test_descent_ends_where_no_single_change_helps_and_near_the_best_of_all():
    given = problem(outputs=2, features=5)
    grid = levels(given, 2)
    codes = gptq(given, grid)
    for _ in range(10):
        codes = descend(given, grid, codes)
    found = given.error(codes * grid.scale)[0]
    choices = torch.tensor(list(itertools.product((-1.0, 0.0, 1.0), repeat=5)))
    for output in range(2):
        every = torch.stack([given.error((row * grid.scale[0, output]).expand(1, 2, 5))[0, output] for row in choices])
        neighbours = (choices != codes[0, output]).sum(1) <= 1
        assert found[output] <= every[neighbours].min() * (1 + 1e-4)
        assert found[output] <= 1.5 * every.min()


@pytest.mark.parametrize("per_channel", [True, False])
def test_the_scale_is_the_best_for_its_codes(per_channel):
    given = problem()
    grid = levels(given, 2, per_channel=per_channel)
    codes = grid.nearest(given.target)
    fitted = best_scale(given, codes, grid, per_channel=per_channel)
    assert torch.equal(fitted.scale.half().float(), fitted.scale)
    assert per_channel or len(fitted.scale.unique()) == 1
    for factor in (0.5, 0.9, 0.98, 1.02, 1.1, 2):
        assert total(given, codes, fitted) < given.error(codes * fitted.scale * factor).sum().item()


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_rounded_layers_lie_on_their_grid(bits, per_channel, symmetric):
    torch.manual_seed(5)
    layer = nn.Conv2d(4, 6, 3, groups=2)
    restrict(layer, mask=torch.rand_like(layer.weight) > 0.3)
    inputs, answers = torch.randn(2, 300, 18), torch.randn(2, 300, 3)
    given = layer_problem(layer, inputs, answers)
    errors = []
    for descent in (False, True):
        grid, weight = round_layer(
            given, layer.weight.shape, bits, per_channel=per_channel, symmetric=symmetric, descent=descent
        )
        mask = layer.weight_format.mask
        assert torch.equal(grid.project(weight) * mask, weight)
        assert grid.bits == bits and grid.scale.numel() == (6 if per_channel else 1)
        assert (weight[~mask] == 0).all()
        errors.append(given.error(weight.reshape(2, 3, 18)).sum())
    assert errors[1] <= errors[0]
