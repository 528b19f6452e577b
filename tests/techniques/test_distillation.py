import dataclasses

import pytest
import torch

from compression.network import clone, trace
from compression.recipe import Distillation
from compression.techniques import apply_step
from compression.techniques.distillation import _narrow, _shapes
from compression.training import train
from sample_models.catalogue import MODELS, find_model


def tensors(model):
    return model.state_dict()


def correct(model, split):
    with torch.no_grad():
        return (model(torch.from_numpy(split.x)).argmax(1).numpy() == split.y).mean()


@pytest.mark.parametrize("name", ["mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k"])
@pytest.mark.parametrize("width", [0.1, 0.5])
def test_student_has_the_shapes_of_its_family(name, width, context_of):
    context = context_of(name)
    student = apply_step(context.teacher, Distillation(width_mult=width, epochs=0), context)
    fresh = find_model(name).build(width)
    assert {key: value.shape for key, value in tensors(student).items()} == {
        key: value.shape for key, value in tensors(fresh).items()
    }


@pytest.mark.parametrize("name", ["mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k"])
def test_student_starts_with_what_the_teacher_knows(name, context_of):
    context = context_of(name)
    student = apply_step(context.teacher, Distillation(width_mult=0.5, epochs=0), context)
    assert correct(student, context.dataset.validation) >= 0.9


def test_another_family_starts_untrained(context_of):
    """A student that no channel pruning of the teacher gives."""
    context = context_of("mlp-digits")
    other = dataclasses.replace(context, build_student=context_of("lenet300-mnist5k").build_student)
    student = apply_step(context.teacher, Distillation(width_mult=0.5, epochs=0), other)
    again = apply_step(context.teacher, Distillation(width_mult=0.5, epochs=0), other)
    assert all(torch.equal(tensors(student)[name], value) for name, value in tensors(again).items())
    assert tensors(student)["layers.1.weight"].shape == (150, 784)


def test_alpha_zero_is_plain_training_with_the_same_start(context_of):
    context = context_of("mlp-digits")
    start = apply_step(context.teacher, Distillation(width_mult=0.5, epochs=0), context)
    control = apply_step(context.teacher, Distillation(width_mult=0.5, epochs=1, alpha=0), context)
    plain = clone(start)
    train(plain, context.dataset, epochs=1, learning_rate=0.01, seed=context.seed)
    for name, value in tensors(plain).items():
        torch.testing.assert_close(tensors(control)[name], value)
    taught = apply_step(context.teacher, Distillation(width_mult=0.5, epochs=1), context)
    assert not torch.allclose(tensors(taught)["layers.1.weight"], tensors(plain)["layers.1.weight"])


def test_student_comes_closer_to_its_teacher(context_of):
    context = context_of("mlp-digits")
    x = torch.from_numpy(context.dataset.validation.x)
    expected = context.teacher(x).softmax(1)
    distances = []
    for epochs in (0, 5):
        student = apply_step(context.teacher, Distillation(width_mult=0.25, epochs=epochs), context)
        distances.append((student(x).softmax(1) - expected).abs().mean().item())
    assert distances[1] < 0.8 * distances[0]


@pytest.mark.parametrize("name", MODELS)
def test_every_family_can_be_narrowed_from_its_teacher(name, context_of):
    entry = find_model(name)
    context = context_of("mlp-digits" if name == "mlp-digits" else "lenet5-mnist5k")
    dataset, shape = context.dataset, context.dataset.input_shape
    few = dataclasses.replace(dataset, calibration=dataset.calibration.head(16), train=dataset.train.head(0))
    model = trace(entry.build(), shape)
    other = dataclasses.replace(context, dataset=few, build_student=lambda width: trace(entry.build(width), shape))
    narrow = _narrow(model, Distillation(width_mult=0.25), other)
    assert _shapes(narrow) == _shapes(other.build_student(0.25))
