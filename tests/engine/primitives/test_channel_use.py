import torch
from torch import nn
from torch.nn import functional

from compression.engine.network.form import clone
from compression.engine.primitives.channel_labels import IN
from compression.engine.primitives.channel_use import activation_importance, taylor_importance
from compression.engine.primitives.channels import channel_groups


def without(model, unit):
    """The network in which nobody reads this unit."""
    model = clone(model)
    for part in (part for part in unit if part.dim == IN):
        with torch.no_grad():
            model.get_submodule(part.layer).weight[:, part.position] = 0
    return model


def test_taylor_predicts_what_small_channels_do_to_the_loss(sample):
    model, _ = sample("resnet8-mnist5k")
    x, y = torch.randn(16, 1, 28, 28), torch.arange(16) % 10
    groups = channel_groups(model)
    for unit in (unit for group in groups for unit in group):
        for part in (part for part in unit if part.dim == IN):
            with torch.no_grad():
                model.get_submodule(part.layer).weight[:, part.position] *= 0.01  # where first order holds
    predicted = torch.cat(taylor_importance(model, groups, x, y))[::16].sqrt()
    units = [unit for group in groups for unit in group][::16]
    with torch.no_grad():
        before = functional.cross_entropy(model.double()(x.double()), y)
        losses = [functional.cross_entropy(without(model, unit)(x.double()), y) for unit in units]
    changes = (torch.stack(losses) - before).abs()
    large = changes > changes.median()
    torch.testing.assert_close(predicted.double()[large], changes[large], rtol=0.2, atol=0)


def test_activations_are_counted_where_they_are_read(graph):
    class Branched(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.left, self.right = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)

        def forward(self, x):
            y = self.conv(x)
            return self.left(y) + self.right(torch.relu(y))

    model, x = graph(Branched(), (1, 5, 5)), torch.randn(7, 1, 5, 5)
    (group,) = channel_groups(model)
    y = model.conv(x).detach()
    sizes = [value.abs().mean((0, 2, 3)) for value in (y, y.relu())]
    expected = sum(size / size.mean() for size in sizes) / 2
    torch.testing.assert_close(activation_importance(model, [group], x)[0], expected)


def test_both_go_through_every_family(sample):
    for name in ("lenet5-mnist5k", "mobilenet-fashion"):
        model, x = sample(name)
        groups = channel_groups(model)
        for found in (taylor_importance(model, groups, x, torch.arange(8)), activation_importance(model, groups, x)):
            assert [len(values) for values in found] == [len(group) for group in groups]
            assert all((values >= 0).all() and values.any() for values in found)
        assert all(parameter.grad is None for parameter in model.parameters())
