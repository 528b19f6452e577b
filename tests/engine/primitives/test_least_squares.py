import pytest
import torch

from compression.engine.primitives import least_squares
from compression.engine.primitives.least_squares import chunks_of_rows, masked_solve


def systems(groups=2, rows=5, features=12):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(groups, 40, features, generator=generator, dtype=torch.float64)
    gram = x.mT @ x * torch.linspace(0.1, 10, features, dtype=torch.float64)[:, None]
    gram = (gram + gram.mT) / 2 + 50 * torch.eye(features, dtype=torch.float64)
    cross = torch.randn(groups, rows, features, generator=generator, dtype=torch.float64)
    return gram, cross, torch.rand(groups, rows, features, generator=generator)


@pytest.mark.parametrize("worth", [0, float("inf")], ids=["iterated", "factorized"])
@pytest.mark.parametrize("kept", [0.2, 0.6, 1.0])
def test_each_row_is_solved_on_its_own_unknowns(kept, worth, monkeypatch):
    monkeypatch.setattr(least_squares, "ITERATIONS_WORTH", worth)
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


@pytest.mark.parametrize("worth", [0, float("inf")], ids=["iterated", "factorized"])
def test_rows_without_unknowns_are_zero(worth, monkeypatch):
    monkeypatch.setattr(least_squares, "ITERATIONS_WORTH", worth)
    gram, cross, _ = systems()
    mask = torch.ones(cross.shape, dtype=torch.bool)
    mask[0, 2] = False
    found = masked_solve(gram, cross, mask)
    assert not found[0, 2].any()
    assert torch.isfinite(found).all()


def test_chunks_hold_every_row_once_and_fit_the_memory(monkeypatch):
    monkeypatch.setattr(least_squares, "CHUNK_ELEMENTS", 3 * 10**2)
    mask = torch.rand(50, 10, generator=torch.Generator().manual_seed(0)) > 0.4
    chunks = chunks_of_rows(mask)
    assert sorted(torch.cat(chunks).tolist()) == list(range(50))
    assert len(chunks) > 3
    assert all(len(rows) * int(mask[rows].sum(1).max()) ** 2 <= 3 * 10**2 for rows in chunks)
