"""Each factorization against mathematics that was written down elsewhere."""

import pytest
import torch
from torch.nn import functional

from compression.engine.primitives.factorization import (
    balanced,
    composed,
    matrix_factors,
    matrix_spectrum,
    separable_factors,
    spatial_factors,
    spatial_spectrum,
    tucker_factors,
    tucker_spectra,
)


def _random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _gram(features, seed=1):
    """Of inputs with very different strengths in different directions."""
    root = _random(features, features, seed=seed) * torch.linspace(0.05, 3, features, dtype=torch.float64)
    return root @ root.T + 1e-3 * torch.eye(features, dtype=torch.float64)


def _identity(features):
    return torch.eye(features, dtype=torch.float64)


def _error(weight, approximation, gram):
    """Relative squared error of the answers."""
    change, weight = (weight - approximation).flatten(1), weight.flatten(1)
    return (torch.trace(change @ gram @ change.T) / torch.trace(weight @ gram @ weight.T)).item()


class TestMatrix:
    @pytest.mark.parametrize("rank", [1, 3, 7])
    def test_is_the_truncated_svd_of_the_weighted_matrix(self, rank):
        weight, gram = _random(7, 9), _gram(9)
        values, vectors = torch.linalg.eigh(gram)
        root = vectors * values.sqrt() @ vectors.T
        u, s, vh = torch.linalg.svd(weight @ root, full_matrices=False)
        expected = (u[:, :rank] * s[:rank]) @ vh[:rank] @ torch.linalg.inv(root)
        first, second = matrix_factors(weight, gram, rank)
        assert first.shape == (rank, 9) and second.shape == (7, rank)
        torch.testing.assert_close(second @ first, expected)

    def test_spectrum_is_the_error_at_each_rank(self):
        weight, gram = _random(5, 9), _gram(9)
        spectrum = matrix_spectrum(weight, gram)
        for rank in range(1, 6):
            first, second = matrix_factors(weight, gram, rank)
            assert spectrum[rank].item() == pytest.approx(_error(weight, second @ first, gram), abs=1e-9)
        assert spectrum[0] == 1 and len(spectrum) == 6


class TestTucker:
    def test_finds_a_kernel_that_is_one(self):
        parts = [_random(2, 6, 1, 1), _random(3, 2, 3, 3, seed=1), _random(5, 3, 1, 1, seed=2)]
        kernel = composed(parts)
        found = tucker_factors(kernel, _gram(54), 2, 3)
        assert [part.shape for part in found] == [part.shape for part in parts]
        torch.testing.assert_close(composed(found), kernel)

    @pytest.mark.parametrize(("rank_in", "rank_out"), [(6, 5), (3, 5), (6, 2), (3, 2)])
    def test_sides_of_full_rank_have_no_factor(self, rank_in, rank_out):
        kernel, gram = _random(5, 6, 3, 3), _gram(54)
        found = tucker_factors(kernel, gram, rank_in, rank_out)
        assert len(found) == 1 + (rank_in < 6) + (rank_out < 5)
        if len(found) == 1:
            torch.testing.assert_close(found[0], kernel, atol=1e-6, rtol=1e-5)

    @pytest.mark.parametrize(("rank_in", "rank_out"), [(3, 2), (4, 3), (1, 1)])
    def test_beats_hosvd_and_its_bound_holds(self, rank_in, rank_out):
        """Independent: both unfoldings' truncated SVDs, unweighted."""
        kernel, gram = _random(5, 6, 3, 3), _identity(54)
        u = torch.linalg.svd(kernel.flatten(1)).U[:, :rank_out]
        v = torch.linalg.svd(kernel.transpose(0, 1).flatten(1)).U[:, :rank_in]
        hosvd = torch.einsum("op,pr,rjab,ji,iq->oqab", u, u.T, kernel, v, v.T)
        found = _error(kernel, composed(tucker_factors(kernel, gram, rank_in, rank_out)), gram)
        inputs, outputs = tucker_spectra(kernel, gram)
        assert found <= _error(kernel, hosvd, gram) + 1e-12
        assert found <= inputs[rank_in] + outputs[rank_out]

    def test_weighting_with_the_inputs_pays(self):
        kernel, gram = _random(5, 6, 3, 3), _gram(54)
        weighted = _error(kernel, composed(tucker_factors(kernel, gram, 3, 3)), gram)
        plain = _error(kernel, composed(tucker_factors(kernel, _identity(54), 3, 3)), gram)
        assert weighted < 0.8 * plain


class TestSpatial:
    def test_finds_a_kernel_that_is_one(self):
        parts = [_random(2, 4, 3, 1), _random(5, 2, 1, 3, seed=1)]
        found = spatial_factors(composed(parts), _gram(36), 2)
        assert [part.shape for part in found] == [part.shape for part in parts]
        torch.testing.assert_close(composed(found), composed(parts))

    @pytest.mark.parametrize("rank", [1, 4, 9])
    def test_without_weighting_it_is_the_svd_of_the_rearranged_kernel(self, rank):
        kernel, gram = _random(5, 4, 3, 3), _identity(36)
        values = torch.linalg.svdvals(kernel.permute(1, 2, 0, 3).reshape(12, 15))
        expected = (values[rank:].square().sum() / values.square().sum()).item()
        assert _error(kernel, composed(spatial_factors(kernel, gram, rank)), gram) == pytest.approx(expected)
        assert spatial_spectrum(kernel, gram)[rank].item() == pytest.approx(expected)

    def test_weighting_with_the_inputs_pays(self):
        kernel, gram = _random(5, 4, 3, 3), _gram(36)
        weighted = _error(kernel, composed(spatial_factors(kernel, gram, 4)), gram)
        plain = _error(kernel, composed(spatial_factors(kernel, _identity(36), 4)), gram)
        assert weighted < 0.9 * plain


def _product(depthwise, pointwise):
    return pointwise * depthwise.transpose(0, 1)


class TestSeparable:
    def test_finds_a_kernel_that_is_one(self):
        kernel = _product(_random(4, 1, 3, 3), _random(5, 4, 1, 1, seed=1))
        depthwise, pointwise = separable_factors(kernel, _gram(36), 1)
        assert depthwise.shape == (4, 1, 3, 3) and pointwise.shape == (5, 4, 1, 1)
        torch.testing.assert_close(_product(depthwise, pointwise), kernel)

    def test_without_weighting_it_is_the_best_rank_1_of_each_input(self):
        kernel, gram = _random(5, 4, 3, 3), _identity(36)
        energies = torch.linalg.svdvals(kernel.transpose(0, 1).reshape(4, 5, 9)).square()
        expected = (1 - energies[:, 0].sum() / energies.sum()).item()
        assert _error(kernel, _product(*separable_factors(kernel, gram, 5)), gram) == pytest.approx(expected)

    def test_each_round_lowers_the_error(self):
        kernel, gram = _random(5, 4, 3, 3), _gram(36)
        errors = [_error(kernel, _product(*separable_factors(kernel, gram, rounds)), gram) for rounds in (0, 1, 3, 10)]
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] < 0.95 * errors[0]

    def test_a_dead_input_channel_stays_dead_and_finite(self):
        kernel = _random(5, 4, 3, 3)
        kernel[:, 2] = 0
        product = _product(*separable_factors(kernel, _gram(36), 3))
        assert torch.isfinite(product).all()
        assert _error(kernel, product, _gram(36)) < 1


def test_composed_kernels_answer_like_the_chain():
    parts = [_random(2, 4, 3, 1), _random(3, 2, 1, 5, seed=1), _random(6, 3, 1, 1, seed=2)]
    x = _random(2, 4, 8, 9, seed=3)
    expected = functional.conv2d(functional.conv2d(functional.conv2d(x, parts[0]), parts[1]), parts[2])
    torch.testing.assert_close(functional.conv2d(x, composed(parts)), expected)


def test_balancing_keeps_the_product_and_equalizes_norms():
    first, second = _random(3, 4, 3, 3), 100 * _random(5, 3, 1, 1, seed=1)
    first[1] = 0
    a, b = balanced(first, second)
    torch.testing.assert_close(torch.einsum("hixy,ohzw->oixy", a, b), torch.einsum("hixy,ohzw->oixy", first, second))
    norms = a.flatten(1).norm(dim=1), b.transpose(0, 1).flatten(1).norm(dim=1)
    torch.testing.assert_close(norms[0][[0, 2]], norms[1][[0, 2]])
