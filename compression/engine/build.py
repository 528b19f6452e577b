"""Networks from recipes: the model with the steps carried out, and what the steps need for that."""

from __future__ import annotations

import functools
from collections.abc import Hashable
from dataclasses import dataclass, replace

import onnx
from google.protobuf.message import DecodeError
from torch import fx, nn

from compression.engine.byte_cache import ByteCache
from compression.engine.network.form import clone
from compression.engine.network.onnx_reader import read_onnx
from compression.engine.network.tracing import trace
from compression.engine.primitives.channels import channel_groups, remove_units
from compression.engine.primitives.dead_units import remove_dead_units
from compression.engine.primitives.widths import WidthCosts
from compression.engine.techniques import Context, apply_step, within_memory
from compression.errors import CorruptFile, NotApplicable, UnsupportedModel
from compression.kernels import KERNEL_CHANNELS
from compression.models.brought.own import OwnModel
from compression.models.data import Dataset
from compression.models.subject import Subject, known_models, subject_of
from compression.recipe.budgets import passes_of
from compression.recipe.recipe import Recipe
from compression.recipe.steps import Distillation, Step
from compression.results.record import Training
from compression.watch import SILENT, Watch
from sample_models import slimmable
from sample_models.catalogue import SampleModel

SPREAD = 0.02
"""Of new tokens and their positions, as for ViT (Dosovitskiy et al., 2021)."""

KEPT_BYTES = 64 << 20
"""For networks after the first steps of recipes; those of the sample models take a megabyte or two."""


@dataclass(frozen=True)
class Variant:
    """A network, and how it came about.

    `steps` are those of the recipe as they were carried out: where a person ended a training early, with as many passes
    as there were. `trainings` say how each that trained went.
    """

    model: fx.GraphModule
    steps: tuple[Step, ...] = ()
    trainings: tuple[Training, ...] = ()


_begun_networks: ByteCache[Variant] = ByteCache(KEPT_BYTES)


def build_variant(subject: Subject, recipe: Recipe, dataset: Dataset, watch: Watch = SILENT) -> Variant:
    """The compressed network before it is written to a file, without the channels that its zeros have killed.

    Recipes that begin alike share the networks that their common steps lead to, while these are remembered.
    """
    origin = (subject, recipe.seed)
    built = _begun(origin, recipe) or Variant(load_network(subject))
    dataset = within_memory(dataset, load_network(subject))
    for number, step in list(enumerate(recipe.steps))[len(built.steps) :]:
        watch.check()
        part = watch.part(number / len(recipe.steps), (number + 1) / len(recipe.steps))
        part.report(0, step.technique.replace("_", " "))
        trainings: list[Training] = []
        context = Context(
            dataset=dataset,
            teacher=load_network(subject),
            build_student=functools.partial(build_student, subject, dataset),
            seed=recipe.seed,
            load_teacher=functools.partial(load_teacher, subject),
            load_slimmable=functools.partial(load_slimmable, subject),
            watch=part,
            trained=trainings.append,
        )
        model = apply_step(built.model, step, context)
        done = _as_done(step, trainings, len(dataset.train))
        built = Variant(model, (*built.steps, done), (*built.trainings, *trainings))
        size = sum(tensor.nbytes for tensor in model.state_dict().values())
        _begun_networks.put((*origin, built.steps), built, size)
    watch.check()
    lean = remove_dead_units(built.model, KERNEL_CHANNELS) if recipe.steps else built.model
    return replace(built, model=lean)


def _begun(origin: tuple[Hashable, ...], recipe: Recipe) -> Variant | None:
    """What the longest beginning of the recipe leads to that is remembered."""
    beginnings = (recipe.steps[:done] for done in range(len(recipe.steps), 0, -1))
    return next(filter(None, (_begun_networks.get((*origin, steps)) for steps in beginnings)), None)


def _as_done(step: Step, trainings: list[Training], images: int) -> Step:
    """The step, with as many passes over the training `images` as there were where its training was ended early."""
    early = [training.steps for training in trainings if training.was_ended_early]
    return step.model_copy(update={"epochs": passes_of(early[0], images)}) if early else step


def build_student(subject: Subject, dataset: Dataset, step: Distillation) -> fx.GraphModule:
    """The untrained student that `step` asks for: of the model's own family, or of another one."""
    if step.student == "same":
        return scaled_copy(subject, step.width_mult)
    from sample_models import students  # with torchvision: a second and 90 MB that few recipes need

    network = students.build_student(
        step.student,
        width_mult=step.width_mult,
        depth_mult=step.depth_mult,
        resolution=step.resolution,
        input_shape=dataset.input_shape,
        classes=len(dataset.classes),
    )
    return trace(network, dataset.input_shape)


def load_teacher(subject: Subject, name: str) -> fx.GraphModule:
    """Another model on the same data; raises `NotApplicable` with the names there are."""
    if name not in subject.teachers:
        known = name in known_models()
        reason = f"was trained on other data than {subject.name}" if known else "is no model here"
        raise NotApplicable(f"The teacher {name!r} {reason}. Teachers to choose from: {', '.join(subject.teachers)}.")
    return load_network(subject if name == subject.name else subject_of(name))


@functools.lru_cache(maxsize=4)
def load_slimmable(subject: Subject) -> fx.GraphModule:
    """The full slimmable network; shared, so never changed. Raises `NotApplicable` where there is none."""
    return trace(slimmable.load(subject.name), subject.data.shape)


@functools.lru_cache(maxsize=4)
def load_network(subject: Subject) -> fx.GraphModule:
    """The trained model as a graph; shared, so never changed."""
    entry = subject.entry
    return trace(entry.load(), subject.data.shape) if isinstance(entry, SampleModel) else read_network(entry)


def read_network(entry: OwnModel) -> fx.GraphModule:
    """A network that a person brought, from its file. Raises `CorruptFile`."""
    try:
        module, shape = read_onnx(onnx.load(entry.network_path))
    except (OSError, DecodeError, UnsupportedModel) as error:
        raise CorruptFile(f"The network of {entry.name} cannot be read: {error}. {entry.remedy}") from error
    return trace(module, shape)


def scaled_copy(subject: Subject, width_mult: float) -> fx.GraphModule:
    """An untrained network of the same family with its channels scaled by `width_mult`.

    Where nobody knows the family it is the same graph with as many channels fewer, and new weights. Random numbers come
    from torch's global generator.
    """
    if isinstance(subject.entry, SampleModel):
        return trace(subject.entry.build(width_mult), subject.data.shape)
    return thinned(load_network(subject), width_mult)


def thinned(model: fx.GraphModule, width_mult: float) -> fx.GraphModule:
    """The same graph with `width_mult` of the channels, and new weights."""
    groups = channel_groups(model)
    widths = WidthCosts(model, groups).uniform(1 - width_mult, 1)
    doomed = [unit for group, width in zip(groups, widths, strict=True) for unit in group[width:]]
    thin = remove_units(model, doomed)[0] if doomed else clone(model)
    return _forgetful(thin)


def _forgetful(model: fx.GraphModule) -> fx.GraphModule:
    """The same network with new random weights, as torch makes them."""
    for layer in model.modules():
        reset = getattr(layer, "reset_parameters", None)
        if callable(reset):
            reset()
    for tensor in model.parameters(recurse=False):  # of no layer: positions of tokens, scales of branches
        nn.init.trunc_normal_(tensor, std=SPREAD)
    return model
