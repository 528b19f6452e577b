import pytest
import torch
from torch import nn

from compression.engine.network.form import clone, restrict, weight_format
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.batch_norm import fold_batch_norm, recalibrate
from compression.errors import Cancelled
from sample_models.catalogue import MODELS
from tests.support.watches import GIVEN_UP


def norms(model):
    return [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]


@pytest.mark.parametrize("name", MODELS)
def test_folded_network_is_the_same_function(name, sample):
    model, x = sample(name)
    code, weights = model.code, {key: value.clone() for key, value in model.state_dict().items()}
    folded = fold_batch_norm(model)
    assert not norms(folded)
    assert all("num_batches_tracked" not in key for key in folded.state_dict())
    expected = model(x)
    torch.testing.assert_close(folded(x), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    assert model.code == code
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


def test_linear_layers_fold_too(graph):
    model = graph(
        nn.Sequential(nn.Flatten(), nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6), nn.Linear(6, 2)), (1, 2, 2)
    )
    x = torch.randn(5, 1, 2, 2)
    folded = fold_batch_norm(model)
    assert not norms(folded)
    torch.testing.assert_close(folded(x), model(x))


def test_it_folds_through_a_transposed_convolution(graph):
    norm = nn.BatchNorm2d(6)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.running_mean)
    model = graph(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ConvTranspose2d(4, 6, 4, 2, 1), norm), (1, 8, 8))
    folded, x = fold_batch_norm(model), torch.randn(3, 1, 8, 8)
    assert not norms(folded)
    torch.testing.assert_close(folded(x), model(x), rtol=1e-4, atol=1e-5)


def test_without_learned_scale(graph):
    model = graph(nn.Sequential(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3, affine=False)), (1, 4, 4))
    x = torch.randn(2, 1, 4, 4)
    torch.testing.assert_close(fold_batch_norm(model)(x), model(x))


def test_masked_weights_stay_zero(sample):
    model, _ = sample("resnet8-mnist5k")
    mask = torch.rand_like(model.stem.weight) > 0.5
    restrict(model.stem, mask=mask)
    folded = fold_batch_norm(model)
    assert torch.equal(weight_format(folded.stem).mask, mask)
    assert torch.equal(folded.stem.weight != 0, mask)


class Shared(nn.Module):
    """The convolution's output is needed without batch norm too."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x):
        y = self.conv(x)
        return y + self.norm(y)


class Twice(nn.Module):
    """One convolution, two batch norms."""

    def __init__(self):
        super().__init__()
        self.conv, self.first, self.second = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.BatchNorm2d(1)

    def forward(self, x):
        return self.second(self.conv(self.first(self.conv(x))))


@pytest.mark.parametrize(
    ("module", "left"),
    [(Shared(), 1), (Twice(), 2), (nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 1)), 1)],
    ids=["output used twice", "layer used twice", "no layer before"],
)
def test_what_cannot_be_folded_stays(module, left, graph):
    model = graph(module, (1, 3, 3))
    x = torch.randn(2, 1, 3, 3)
    folded = fold_batch_norm(model)
    assert len(norms(folded)) == left
    torch.testing.assert_close(folded(x), model(x))


def test_weights_on_a_grid_are_not_scaled_off_it(graph):
    model = graph(nn.Sequential(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3)), (1, 4, 4))
    conv = model.get_submodule("0")
    restrict(conv, grid=fit_affine(conv.weight, 4))
    assert len(norms(fold_batch_norm(model))) == 1


def test_statistics_become_those_of_the_images(graph):
    model = graph(nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3, momentum=0.25), nn.ReLU()), (1, 9, 9))
    x = torch.randn(512, 1, 9, 9)
    weights = [parameter.clone() for parameter in model.parameters()]
    recalibrate(model, x)
    conv, norm = model.get_submodule("0"), model.get_submodule("1")
    values = conv(x)
    torch.testing.assert_close(norm.running_mean, values.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, values.var((0, 2, 3)), rtol=1e-2, atol=0)
    assert norm.momentum == 0.25
    assert not model.training and not norm.training
    assert all(torch.equal(*pair) for pair in zip(weights, model.parameters(), strict=True))


def test_without_batch_norm_nothing_runs(graph):
    model = graph(nn.Sequential(nn.Conv2d(1, 3, 3)), (1, 5, 5))
    before = clone(model)
    recalibrate(model, torch.randn(2, 1, 5, 5), GIVEN_UP)  # which would raise where anything looked at it
    assert all(map(torch.equal, model.parameters(), before.parameters()))


def test_cancelling_leaves_evaluation_mode(graph):
    model = graph(nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)), (1, 5, 5))
    with pytest.raises(Cancelled):
        recalibrate(model, torch.randn(2, 1, 5, 5), GIVEN_UP)
    assert not any(layer.training for layer in model.modules() if isinstance(layer, nn.BatchNorm2d))
