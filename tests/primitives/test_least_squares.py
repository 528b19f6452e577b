import pytest
import torch

from compression.primitives.least_squares import masked_solve


def systems(groups=2, rows=5, features=12):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(groups, 40, features, generator=generator, dtype=torch.float64)
    gram = x.mT @ x * torch.linspace(0.1, 10, features, dtype=torch.float64)[:, None]
    gram = (gram + gram.mT) / 2 + 50 * torch.eye(features, dtype=torch.float64)
    cross = torch.randn(groups, rows, features, generator=generator, dtype=torch.float64)
    return gram, cross, torch.rand(groups, rows, features, generator=generator)


@pytest.mark.parametrize("kept", [0.2, 0.6, 1.0])
def test_each_row_is_solved_on_its_own_unknowns(kept):
    gram, cross, chance = systems()
    mask = chance <= kept
    found = masked_solve(gram, cross, mask)
    assert not found[~mask].any()
    for group in range(len(gram)):
        for row, there in enumerate(mask[group]):
            expected = torch.linalg.solve(gram[group][there][:, there], cross[group, row, there])
            torch.testing.assert_close(
                found[group, row, there].double(), expected, rtol=0.02, atol=0.02 * cross.std().item() / 50
            )


def test_rows_without_unknowns_are_zero():
    gram, cross, _ = systems()
    mask = torch.ones(cross.shape, dtype=torch.bool)
    mask[0, 2] = False
    found = masked_solve(gram, cross, mask)
    assert not found[0, 2].any()
    assert torch.isfinite(found).all()
