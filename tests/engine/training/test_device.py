from dataclasses import replace

import pytest
import torch
from torch import nn

from compression.engine.network.form import WeightFormat, restrict, restricted, weight_format
from compression.engine.network.grids import Affine
from compression.engine.training import device as devices
from compression.engine.training.device import CPU, following, move, resident, training_device

META = torch.device("meta")
"""Has shapes and no values: what is left on the CPU by mistake cannot be mixed with it."""


def quantized_and_masked():
    """Two convolutions with one mask, on 4-bit grids with a scale for each channel."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 3, 3, padding=1) for _ in range(2)]
    mask = torch.rand(3, 3, 3, 3) < 0.5
    for layer in layers:
        grid = Affine(4, torch.full((3,), 0.05), torch.zeros(3, dtype=torch.int32), -8, 7)
        restrict(layer, grid=grid)
        restrict(layer, mask=mask)
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("found", "expected"), [(None, "cpu"), ("cuda", "cuda"), ("xpu", "xpu"), ("mps", "cpu"), ("cpu", "cpu")]
)
def test_an_accelerator_is_taken_if_it_can_do_everything(monkeypatch, found, expected):
    def current(check_available):
        assert check_available
        return None if found is None else torch.device(found)

    monkeypatch.setattr(torch.accelerator, "current_accelerator", current)
    assert training_device() == torch.device(expected)


def test_formats_and_hidden_weights_move_along():
    model = quantized_and_masked()
    move(model, META)
    for layer in model:
        grid = weight_format(layer).grid
        moved = (layer.weight, layer.bias, layer.hidden_weight, grid.scale, grid.zero_point, weight_format(layer).mask)
        assert [tensor.device for tensor in moved] == [META] * 6
        assert grid.bits == 4
    assert weight_format(model[0]).mask is weight_format(model[1]).mask
    assert weight_format(model[0]).grid.scale is not weight_format(model[1]).grid.scale


@pytest.mark.parametrize("learn_scales", [False, True])
def test_training_inside_a_format_happens_on_one_device(learn_scales):
    """A step forward and back with tensors on two devices would raise."""
    model = quantized_and_masked()
    move(model, META)
    with restricted(model, learn_scales):
        model(torch.randn(2, 3, 8, 8, device=META)).square().mean().backward()
        gradients = [parameter.grad.device for parameter in model.parameters()]
    assert gradients == [META] * (6 if learn_scales else 4)


def test_a_model_is_back_on_the_cpu_whatever_happens(monkeypatch):
    moves = []
    monkeypatch.setattr(devices, "move", lambda model, device: moves.append(device))

    @resident(nn.Linear(2, 2), META)
    def fail():
        moves.append("fails")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert moves == [META, "fails", CPU]


def test_on_the_cpu_nothing_moves():
    model = quantized_and_masked()
    before = [(layer.weight, weight_format(layer)) for layer in model]
    with resident(model, CPU):
        pass
    for layer, (weight, restriction) in zip(model, before, strict=True):
        assert layer.weight is weight
        assert weight_format(layer) is restriction


def test_a_teacher_answers_where_the_images_are_and_stays_where_it_was():
    teacher = nn.Conv2d(1, 4, 3)
    answer = following(teacher)
    assert answer(torch.zeros(2, 1, 5, 5, device=META)).device == META
    x = torch.randn(2, 1, 5, 5)
    assert torch.equal(answer(x), teacher(x))
    assert teacher.weight.device == CPU


def test_an_empty_format_moves_too():
    layer = nn.Linear(2, 2)
    layer.weight_format = replace(WeightFormat(), mask=None)
    move(nn.Sequential(layer), META)
    assert weight_format(layer) == WeightFormat()
