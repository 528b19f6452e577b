import pytest
import torch
from torch import nn

from compression.engine.primitives.channels import channel_groups
from compression.engine.primitives.importance import keep_largest, least_of, unit_importance


def test_keep_largest_breaks_ties_by_position():
    score = torch.tensor([[2.0, 1.0], [2.0, 2.0]])
    assert keep_largest(score, 2).tolist() == [[False, False], [True, True]]
    assert keep_largest(score, 4).all()
    assert not keep_largest(score, 0).any()


@pytest.fixture
def pair(graph):
    """Convolution, batch norm, convolution, with known numbers."""
    model = graph(nn.Sequential(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 1)), (1, 4, 4))
    with torch.no_grad():
        model.get_submodule("0").weight.copy_(
            torch.tensor([[3.0, 4, 0, 0], [0, 0, 0, -6], [2, 2, -2, 2]]).reshape(3, 1, 2, 2)
        )
        model.get_submodule("1").weight.copy_(torch.tensor([-3.0, 1, 2]))
    return model


@pytest.mark.parametrize(("kind", "expected"), [("l1", [7.0, 6, 8]), ("l2", [5.0, 6, 4]), ("batch_norm", [3.0, 1, 2])])
def test_scores_by_hand(pair, kind, expected):
    (group,) = channel_groups(pair)
    scores = torch.tensor(expected)
    torch.testing.assert_close(unit_importance(pair, group, kind, 0), scores / scores.mean())
    lowest = int(scores.argmin())
    assert least_of(group, unit_importance(pair, group, kind, 0), 2) == [group[lowest]]


def test_random_follows_the_seed(sample):
    model, _ = sample("lenet5-mnist5k")
    group = channel_groups(model)[0]
    assert torch.equal(unit_importance(model, group, "random", 1), unit_importance(model, group, "random", 1))
    assert not torch.equal(unit_importance(model, group, "random", 1), unit_importance(model, group, "random", 2))


def test_without_batch_norm_its_scale_falls_back_to_l2(sample):
    model, _ = sample("lenet5-mnist5k")
    group = channel_groups(model)[0]
    assert torch.equal(unit_importance(model, group, "batch_norm", 0), unit_importance(model, group, "l2", 0))


def test_coupled_layers_count_alike(sample):
    """The shortcut's filters are a hundred times larger, yet do not decide alone."""
    model, _ = sample("resnet8-mnist5k")
    group = next(g for g in channel_groups(model) if any(part.layer == "stages.1.shortcut.0" for part in g[0]))
    before = unit_importance(model, group, "l2", 0)
    with torch.no_grad():
        model.stages.get_submodule("1").shortcut.get_submodule("0").weight.mul_(100)
    torch.testing.assert_close(unit_importance(model, group, "l2", 0), before)
