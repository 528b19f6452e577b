import dataclasses
import itertools

import numpy as np
import pytest
import torch

from compression.engine.network.form import clone
from compression.engine.network.tracing import trace
from compression.engine.primitives.features import with_features
from compression.engine.techniques import apply_step
from compression.engine.techniques.distillation import _Lesson, _narrow, _shapes
from compression.engine.training.loop import train
from compression.errors import NotApplicable
from compression.recipe.steps import Distillation
from sample_models.catalogue import MODELS, find_model
from tests.support.networks import correct

pytestmark = pytest.mark.usefixtures("trusted")


def tensors(model):
    return model.state_dict()


@pytest.mark.parametrize("name", ["mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k"])
@pytest.mark.parametrize(("width", "accuracy"), [(0.1, 0), (0.5, 0.9)])
def test_student_has_the_shapes_of_its_family_and_starts_with_what_the_teacher_knows(name, width, accuracy, context_of):
    context = context_of(name)
    student = apply_step(context.teacher, Distillation(width_mult=width, epochs=0), context)
    assert _shapes(student) == _shapes(find_model(name).build(width))
    assert correct(student, context.dataset.validation) >= accuracy


def test_another_family_starts_untrained(context_of):
    """A student that no channel pruning of the teacher gives."""
    context = context_of("mlp-digits")
    other = dataclasses.replace(context, build_student=context_of("lenet300-mnist5k").build_student)
    student = apply_step(context.teacher, Distillation(width_mult=0.5, epochs=0), other)
    again = apply_step(context.teacher, Distillation(width_mult=0.5, epochs=0), other)
    assert all(torch.equal(tensors(student)[name], value) for name, value in tensors(again).items())
    assert tensors(student)["layers.1.weight"].shape == (152, 784)


def test_alpha_zero_is_plain_training_with_the_same_start(mlp):
    start = apply_step(mlp.teacher, Distillation(width_mult=0.5, epochs=0), mlp)
    control = apply_step(mlp.teacher, Distillation(width_mult=0.5, epochs=1, alpha=0), mlp)
    plain = clone(start)
    train(plain, mlp.dataset, epochs=1, learning_rate=0.03, seed=mlp.seed)
    for name, value in tensors(plain).items():
        torch.testing.assert_close(tensors(control)[name], value)
    taught = apply_step(mlp.teacher, Distillation(width_mult=0.5, epochs=1), mlp)
    assert not torch.allclose(tensors(taught)["layers.1.weight"], tensors(plain)["layers.1.weight"])


def test_student_comes_closer_to_its_teacher(mlp):
    x = torch.from_numpy(mlp.dataset.validation.x)
    expected = mlp.teacher(x).softmax(1)
    distances = []
    for epochs in (0, 5):
        student = apply_step(mlp.teacher, Distillation(width_mult=0.25, epochs=epochs), mlp)
        distances.append((student(x).softmax(1) - expected).abs().mean().item())
    assert distances[1] < 0.8 * distances[0]


@pytest.mark.parametrize("name", MODELS)
def test_every_family_can_be_narrowed_from_its_teacher(name, context_of):
    entry = find_model(name)
    shape = tuple(entry.card["input_shape"])
    context = context_of("mlp-digits" if shape == (1, 8, 8) else "lenet5-mnist5k")
    dataset = context.dataset
    pictures = np.repeat(dataset.calibration.images[:16], shape[0], axis=1)  # grey ones in colour
    padded = np.pad(pictures, [(0, size - there) for size, there in zip((16, *shape), pictures.shape, strict=True)])
    calibration = dataclasses.replace(dataset.calibration.head(16), images=padded)
    few = dataclasses.replace(dataset, calibration=calibration, train=calibration.head(0))
    model = trace(entry.build(), shape)
    other = dataclasses.replace(
        context, dataset=few, build_student=lambda step: trace(entry.build(step.width_mult), shape)
    )
    student = other.build_student(Distillation(width_mult=0.25))
    narrow = _narrow(model, student, other)
    assert narrow is not student
    assert _shapes(narrow) == _shapes(student)


def fast(context, images=256):
    """The same with few images, for tests of what training does and not of how well."""
    few = {name: getattr(context.dataset, name).head(images) for name in ("train", "validation")}
    return dataclasses.replace(context, dataset=dataclasses.replace(context.dataset, **few))


@pytest.mark.parametrize(
    ("match", "weight", "learning_rate"), [("hint", 10, 0.01), ("attention", 1000, 1e-4), ("relation", 1000, 3e-4)]
)
def test_matching_brings_the_inside_closer_to_the_teacher(match, weight, learning_rate, context_of):
    """Before and after training on next to nothing but the match."""
    context = fast(context_of("lenet5-mnist5k"))
    step = Distillation(width_mult=0.5, epochs=0, alpha=0, match=match, match_weight=weight)
    trained = step.model_copy(update={"epochs": 12.0, "learning_rate": learning_rate})
    mismatch = best_regression if match == "hint" else own_mismatch
    before, after = (mismatch(context, one) for one in (step, trained))
    assert after < 0.95 * before


def feature_at(model, name, x):
    return with_features(model, [node for node in model.graph.nodes if node.name == name])(x)[1][0]


def own_mismatch(context, step):
    """By the loss itself."""
    student = apply_step(context.teacher, step, context)
    lesson, x = _Lesson(student, [context.teacher], step), torch.from_numpy(context.dataset.train.x)
    with torch.no_grad():
        lesson(x)
        return lesson._mismatch(lesson._teachers[0](x)[1]).item()


def best_regression(context, step):
    """Relative error of the teacher's second map, predicted linearly from the student's."""
    student = apply_step(context.teacher, step, context)
    x = torch.from_numpy(context.dataset.train.x)
    with torch.no_grad():
        own, wanted = (feature_at(model, "relu2", x) for model in (student, context.teacher))
    rows, targets = (value.movedim(1, -1).flatten(0, -2).double() for value in (own, wanted))
    rows = torch.cat([rows, torch.ones(len(rows), 1)], 1)
    left = targets - rows @ torch.linalg.lstsq(rows, targets, driver="gelsd").solution
    return (left.square().mean() / targets.square().mean()).item()


@pytest.mark.parametrize("family", ["mobilenet_v3_small", "efficientnet_b0", "squeezenet"])
@pytest.mark.parametrize("match", ["none", "hint", "attention", "relation"])
def test_students_of_other_families_learn(family, match, context_of):
    context = fast(context_of("lenet5-mnist5k"), 64)
    step = Distillation(
        student=family, width_mult=0.25, depth_mult=0.3, resolution=14, epochs=2, match=match, learning_rate=0.05
    )
    student = apply_step(context.teacher, step, context)
    fresh = apply_step(context.teacher, step.model_copy(update={"epochs": 0.0}), context)
    assert tensors(student).keys() == tensors(fresh).keys()
    assert any(not torch.equal(tensors(fresh)[name], value) for name, value in tensors(student).items())
    assert student(torch.zeros(1, 1, 28, 28)).shape == (1, 10)


def test_regressors_are_thrown_away(context_of):
    context = fast(context_of("mlp-digits"))
    student = apply_step(context.teacher, Distillation(width_mult=0.5, epochs=1, match="hint"), context)
    assert tensors(student).keys() == tensors(find_model("mlp-digits").build(0.5)).keys()


def test_matching_nothing_or_with_no_weight_is_the_same(context_of):
    context = fast(context_of("mlp-digits"))
    step = Distillation(width_mult=0.5, epochs=1)
    plain = tensors(apply_step(context.teacher, step, context))
    weightless = step.model_copy(update={"match": "relation", "match_weight": 0.0})
    assert all(
        torch.equal(plain[name], v) for name, v in tensors(apply_step(context.teacher, weightless, context)).items()
    )


def test_other_losses_and_teachers_lead_elsewhere(context_of):
    context = fast(context_of("lenet300-mnist5k"))
    steps = [
        Distillation(width_mult=0.2, epochs=1),
        Distillation(width_mult=0.2, epochs=1, loss="dkd"),
        Distillation(width_mult=0.2, epochs=1, match="relation"),
        Distillation(width_mult=0.2, epochs=1, teachers=("lenet5-mnist5k",)),
        Distillation(width_mult=0.2, epochs=1, teachers=("lenet300-mnist5k", "lenet5-mnist5k")),
    ]
    found = [tensors(apply_step(context.teacher, step, context))["layers.1.weight"] for step in steps]
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(found, 2))
    named = Distillation(width_mult=0.2, epochs=1, teachers=("lenet300-mnist5k",))
    assert torch.equal(tensors(apply_step(context.teacher, named, context))["layers.1.weight"], found[0])


@pytest.mark.parametrize(
    ("teacher", "words"), [("resnet20-fashion", "other data"), ("nobody", "no model here"), ("mlp-digits", "lenet5")]
)
def test_teachers_on_other_data_are_refused(teacher, words, context_of):
    context = context_of("lenet300-mnist5k")
    with pytest.raises(NotApplicable, match=words):
        apply_step(context.teacher, Distillation(width_mult=0.5, teachers=(teacher,)), context)


def test_attention_needs_maps(mlp):
    with pytest.raises(NotApplicable, match="hint"):
        apply_step(mlp.teacher, Distillation(width_mult=0.5, match="attention"), mlp)


def test_untrained_students_take_longer_steps(context_of):
    context = fast(context_of("lenet5-mnist5k"), 64)
    step = Distillation(student="squeezenet", width_mult=0.25, depth_mult=0.3, resolution=14, epochs=1)
    default, same, other = (
        tensors(apply_step(context.teacher, step.model_copy(update={"learning_rate": rate}), context))
        for rate in (None, 0.05, 0.01)
    )
    assert all(torch.equal(same[name], value) for name, value in default.items())
    assert not all(torch.equal(other[name], value) for name, value in default.items())
