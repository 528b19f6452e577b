import pytest
import torch

from compression.engine.network.form import ActivationQuantizer, clone
from compression.engine.primitives import layer_outputs
from compression.engine.primitives.execution import Walk
from compression.engine.primitives.layer_outputs import answers_in_turn
from compression.watch import SILENT
from tests.support.networks import images, network, with_quantizers


@pytest.fixture
def runs(monkeypatch):
    """Nothing is remembered from other tests; counts how often a network runs."""
    counted = []
    monkeypatch.setattr(layer_outputs, "_remembered", layer_outputs.ByteCache(layer_outputs.ROOM))
    monkeypatch.setattr(layer_outputs, "Walk", lambda *given: counted.append(None) or Walk(*given))
    return counted


def given(model, x):
    return list(answers_in_turn(model, x, SILENT))


def test_rows_and_means_of_every_layer_in_order(runs):
    model = network("resnet8-mnist5k")
    x = images(model, 8)
    found = given(model, x)
    assert [name for name, _ in found] == [call.name for call in Walk(model, x).calls()]
    stem = found[0][1]
    torch.testing.assert_close(stem.mean, model.stem(x).mean((0, 2, 3)))
    assert stem.rows.shape == (8 * 28 * 28, 16)
    part = stem.of_channels(torch.tensor([3, 5]))
    assert torch.equal(part.rows, stem.rows[:, [3, 5]]) and torch.equal(part.mean, stem.mean[[3, 5]])


def test_an_equal_network_with_equal_images_does_not_run_again(runs):
    model = network("mlp-digits")
    x = images(model, 8)
    first, again = given(model, x), given(clone(model), x.clone())
    assert len(runs) == 1
    assert all(torch.equal(a.rows, b.rows) for (_, a), (_, b) in zip(first, again, strict=True))


def test_whoever_stops_at_the_last_layer_has_it_remembered_too(runs):
    model = network("mlp-digits")
    x = images(model, 8)
    some = answers_in_turn(model, x, SILENT)
    for _ in Walk(model, x).calls():
        next(some)
    given(model, x)
    assert len(runs) == 1


def test_other_images_weights_or_settings_run_anew(runs):
    model = with_quantizers(network("mlp-digits"))
    x = images(model, 8)
    given(model, x)
    given(model, x + 1)
    heavier = clone(model)
    with torch.no_grad():
        next(heavier.parameters()).mul_(1.5)
    given(heavier, x)
    coarser = clone(model)
    next(layer for layer in coarser.modules() if isinstance(layer, ActivationQuantizer)).scale *= 2
    given(coarser, x)
    assert len(runs) == 4


def test_too_much_is_given_and_not_remembered(runs, monkeypatch):
    monkeypatch.setattr(layer_outputs, "ROOM", 1000)
    model = network("mlp-digits")
    x = images(model, 8)
    assert len(given(model, x)) == len(given(model, x)) == 3
    assert len(runs) == 2
