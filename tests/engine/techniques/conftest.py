"""Sample models with what a technique needs to work on them."""

import functools
import sys
from dataclasses import dataclass, replace

import pytest
import torch
from torch import fx, nn

from compression.engine.build import build_student, load_slimmable, load_teacher
from compression.engine.files.export import to_onnx
from compression.engine.files.stored_file import decode, encode
from compression.engine.network.tracing import trace
from compression.engine.techniques import Context, apply_step, magnitude_pruning
from compression.engine.training import best
from compression.engine.training.loop import train
from compression.models.data import load_dataset
from compression.models.subject import subject_of
from compression.watch import Watch
from sample_models.resnet import BasicBlock


@functools.cache
def make_context(name, seed=0):
    """The trained model of the catalogue as teacher, its data, and students."""
    if name == "blocks-digits":
        return _repeated_blocks(seed)
    subject = subject_of(name)
    dataset = subject.data.load()
    return Context(
        dataset,
        trace(subject.entry.load(), dataset.input_shape),
        functools.partial(build_student, subject, dataset),
        seed,
        functools.partial(load_teacher, subject),
        functools.partial(load_slimmable, subject),
    )


def _repeated_blocks(seed):
    """A residual network of three equal blocks, trained for a second."""
    dataset = load_dataset("digits")
    torch.manual_seed(0)
    blocks = nn.Sequential(*(BasicBlock(8, 8, 1) for _ in range(3)))
    stem = (nn.Conv2d(1, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    model = trace(nn.Sequential(*stem, blocks, nn.Flatten(), nn.Linear(512, 10)), dataset.input_shape)
    train(model, dataset, epochs=8, learning_rate=0.05, seed=0)
    return Context(dataset, model, lambda step: model, seed)


FEW = {"train": 640, "calibration": 128, "validation": 128}


@functools.cache
def small_context(name):
    """With as many images as ten steps of training need: for what holds however good the network is."""
    context = make_context(name)
    splits = {split: getattr(context.dataset, split).head(n) for split, n in FEW.items()}
    return replace(context, dataset=replace(context.dataset, **splits))


@pytest.fixture
def trusted(monkeypatch):
    """Whatever training comes to is kept, better or not: for tests of how a technique trains."""
    for module in (best, sys.modules[magnitude_pruning.__module__]):
        monkeypatch.setattr(module, "is_better", lambda new, old: True)


@pytest.fixture
def lowest_loss(trusted, monkeypatch):
    """Trainings end with the lowest loss, be it luck or not."""
    monkeypatch.setattr(best, "is_better", lambda new, old: new.loss < old.loss)


@pytest.fixture(scope="session")
def context_of():
    return make_context


@pytest.fixture(scope="session")
def mlp():
    return make_context("mlp-digits")


@pytest.fixture(scope="session")
def lenet5():
    return make_context("lenet5-mnist5k")


@pytest.fixture(scope="session")
def resnet8():
    return make_context("resnet8-mnist5k")


@pytest.fixture(scope="session")
def images_of():
    """The first 100 validation images of a model's data set."""
    return lambda name: torch.from_numpy(make_context(name).dataset.validation.head(100).x)


@dataclass(frozen=True)
class Applied:
    """What a step made of a trained model, and what could be seen while it did."""

    model: fx.GraphModule
    given_before: object
    given_after: object
    random_before: torch.Tensor
    random_after: torch.Tensor
    fractions: list[float]

    @functools.cached_property
    def exported(self):
        """As it is written for the runtime."""
        return to_onnx(self.model)

    @functools.cached_property
    def decoded(self):
        """What comes back from its stored file."""
        return decode(encode(self.exported))


def fingerprint(model):
    """Everything that a technique could change: code, tensors, formats and whether it trains."""
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    formats = {name: (getattr(layer, "weight_format", None), layer.training) for name, layer in model.named_modules()}
    return model.code, tensors, formats


@functools.cache
def apply(name, step, context_of=make_context):
    fractions = []
    context = replace(context_of(name), watch=Watch(report=lambda fraction, words: fractions.append(fraction)))
    before, random_before = fingerprint(context.teacher), torch.random.get_rng_state()
    model = apply_step(context.teacher, step, context)
    after, random_after = fingerprint(context.teacher), torch.random.get_rng_state()
    return Applied(model, before, after, random_before, random_after, fractions)


@pytest.fixture(scope="session")
def applied():
    """A step on a trained model, carried out once."""
    return apply
