import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.engine.network.grids import storable_scale
from compression.engine.primitives.affine import fit_affine

BITS = range(2, 9)


def weights(seed=0, shape=(6, 4, 3, 3)):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator) * torch.logspace(-2, 1, shape[0]).reshape(-1, 1, 1, 1)


def brute_force(weight, scale, zero_point, low, high):
    """Try every code."""
    levels = (np.arange(low, high + 1) - zero_point) * scale
    nearest = np.abs(weight[:, None] - levels[None]).argmin(1)
    return levels[nearest]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("method", ["nearest", "mse"])
def test_projection_is_the_nearest_level_of_the_grid(bits, symmetric, method):
    weight = weights()
    grid = fit_affine(weight, bits, symmetric=symmetric, method=method)
    assert grid.scale.shape == grid.zero_point.shape == (6,)
    found = grid.project(weight)
    for channel in range(6):
        expected = brute_force(
            weight[channel].flatten().double().numpy(),
            grid.scale[channel].item(),
            grid.zero_point[channel].item(),
            grid.low,
            grid.high,
        )
        np.testing.assert_allclose(found[channel].flatten(), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("bits", BITS)
def test_code_ranges(bits):
    symmetric, other = fit_affine(weights(), bits), fit_affine(weights(), bits, symmetric=False)
    assert (symmetric.low, symmetric.high) == (-(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1)
    assert (other.low, other.high) == (0, 2**bits - 1)
    assert (symmetric.zero_point == 0).all()
    assert ((other.zero_point >= 0) & (other.zero_point <= other.high)).all()


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("per_channel", [True, False])
def test_clipping_never_raises_the_squared_error(bits, symmetric, per_channel):
    weight = weights()
    nearest, clipped = (
        fit_affine(weight, bits, symmetric=symmetric, per_channel=per_channel, method=method)
        for method in ("nearest", "mse")
    )
    errors = [(grid.project(weight) - weight).square().sum().item() for grid in (nearest, clipped)]
    assert errors[1] <= errors[0]
    if bits == 2 and symmetric:
        assert errors[1] < 0.7 * errors[0]  # with three levels the full range wastes two of them


@pytest.mark.parametrize("symmetric", [True, False])
def test_full_range_keeps_the_extremes(symmetric):
    weight = weights()
    grid = fit_affine(weight, 8, symmetric=symmetric, method="nearest")
    assert ((grid.project(weight) - weight).abs().flatten(1).amax(1) <= 0.6 * grid.scale).all()


def test_one_scale_for_all():
    grid = fit_affine(weights(), 4, per_channel=False)
    assert grid.scale.shape == (1,)


def test_one_bit_is_sign_times_mean_magnitude():
    weight = torch.tensor([[1.0, -3.0, 0.5], [0.0, -0.25, 0.25]])
    mask = torch.tensor([[True, True, True], [False, True, True]])
    grid = fit_affine(weight, 1, mask=mask)
    assert grid.scale.tolist() == [1.5, 0.25]
    assert (grid.project(weight) * mask).tolist() == [[1.5, -1.5, 1.5], [0, -0.25, 0.25]]


@given(
    st.lists(st.floats(-1e5, 1e5, width=32), min_size=1, max_size=20),
    st.integers(1, 8),
    st.booleans(),
    st.sampled_from(["nearest", "mse"]),
)
@settings(max_examples=200, deadline=None)
def test_any_weights_get_a_sane_grid(values, bits, symmetric, method):
    weight = torch.tensor([values, [0.0] * len(values)])
    grid = fit_affine(weight, bits, symmetric=symmetric, method=method)
    assert (grid.scale > 0).all()
    usual = (grid.scale >= 2**-20) & (grid.scale <= 65504)
    assert torch.equal(grid.scale[usual].half().float(), grid.scale[usual])  # two bytes in the stored file
    projected = grid.project(weight)
    assert torch.isfinite(projected).all()
    assert torch.equal(grid.project(projected), projected)
    if bits > 1:
        assert (projected[1] == 0).all()
        assert (projected[weight == 0] == 0).all()


def test_storable_scale_is_positive_and_finite():
    scale = storable_scale(torch.tensor([0.0, 1e-30, 0.1, 1e30]))
    assert (scale > 0).all()
    assert torch.isfinite(scale).all()


@pytest.mark.parametrize("size", [1e-15, 1e-9, 1e-5, 1.0, 1e4, 1e8])
def test_storable_scales_keep_their_digits_whatever_their_size(size):
    scale = size * torch.linspace(1, 9, 100)
    torch.testing.assert_close(storable_scale(scale), scale, rtol=2**-5 if size == 1e-5 else 2**-11, atol=0)


def test_scales_of_channels_without_weights_stay_short():
    scale = storable_scale(torch.tensor([1e-3, 1e-20, 0.0]))
    assert torch.equal(scale.half().float(), scale)
