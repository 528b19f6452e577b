import pytest
import torch
from torch import nn

from compression.engine.network.form import restrict, restricted, weight_format
from compression.engine.primitives.sparse_schedule import SparseSchedule, cubic_sparsity

STEPS = 40


def test_the_cubic_schedule_by_hand():
    assert [cubic_sparsity(0, 0.8, fraction) for fraction in (0, 0.5, 1)] == pytest.approx([0, 0.7, 0.8])
    assert cubic_sparsity(0.5, 0.9, 0) == pytest.approx(0.5)


def layers():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 8))


def trained(regrowth, pattern="weights", sparsity=0.75, scope="global", model=None):
    """The masked positions after each step of a training that pulls weights about."""
    model = model or layers()
    schedule = SparseSchedule([model[0], model[2]], sparsity, scope, pattern, regrowth)
    seen = []
    with restricted(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
        for step in range(1, STEPS + 1):
            x = torch.randn(32, 16, generator=torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            (model(x) - x[:, :8].roll(1, 1)).square().mean().backward()
            optimizer.step()
            schedule.on_step(step, STEPS)
            seen.append(torch.cat([~mask.flatten() for mask in schedule.masks]))
    return model, torch.stack(seen)


@pytest.mark.parametrize("regrowth", ["none", "gradient", "magnitude"])
@pytest.mark.parametrize("pattern", ["weights", "2:4", "blocks"])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_sparsity_rises_along_the_schedule_and_then_stays(regrowth, pattern, scope):
    sparsity = 0.5 if pattern == "2:4" else 0.75
    model, seen = trained(regrowth, pattern, sparsity, scope)
    counts = seen.sum(1)
    assert (counts.diff() >= -4).all()  # blocks: by less than one
    half = cubic_sparsity(0, sparsity, 0.5) * seen.shape[1]
    assert counts[14].item() == pytest.approx(half, abs=0.05 * seen.shape[1])
    assert (seen[29:] == seen[29]).all()
    assert counts[-1] == sparsity * seen.shape[1]
    assert not any(model[i].weight[~weight_format(model[i]).mask].any() for i in (0, 2))


def test_without_regrowth_nothing_comes_back():
    _, seen = trained("none")
    assert not (seen[:-1] & ~seen[1:]).any()


@pytest.mark.parametrize("regrowth", ["gradient", "magnitude"])
def test_zeros_come_back_where_they_are_wanted(regrowth):
    _, seen = trained(regrowth)
    assert (seen[:-1] & ~seen[1:]).any()


def test_gradient_regrowth_takes_the_largest_gradients_and_starts_at_zero():
    model = layers()
    schedule = SparseSchedule([model[0]], 0.5, "layer", "weights", "gradient")
    with restricted(model), torch.no_grad():
        hidden = model[0].parametrizations.weight.original
        hidden.grad = torch.zeros_like(hidden)
        schedule._change(0.999)  # nearly all zeros of the end are there
        wanted = (~schedule.masks[0]).nonzero()[:3]
        hidden.grad[tuple(wanted.T)] = 5.0
        schedule.masks[0][tuple(wanted.T)] = False
        schedule._change(0.5)
        assert schedule.masks[0][tuple(wanted.T)].all()
        assert not hidden[tuple(wanted.T)].any()


@pytest.mark.parametrize("regrowth", ["none", "gradient", "magnitude"])
def test_an_earlier_mask_stays(regrowth):
    model = layers()
    earlier = torch.rand(12, 16) > 0.3
    restrict(model[0], mask=earlier)
    model, seen = trained(regrowth, model=model)
    assert not (weight_format(model[0]).mask & ~earlier).any()
    assert seen[-1].sum() == round(0.75 * seen.shape[1])
