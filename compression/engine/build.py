"""Networks from recipes: the sample model with the steps carried out, and what the steps need for that."""

from __future__ import annotations

import functools
from collections.abc import Hashable

from torch import fx

from compression.engine.byte_cache import Shelf
from compression.engine.network.form import trace
from compression.engine.primitives.dead_units import remove_dead_units
from compression.engine.techniques import Context, apply_step
from compression.errors import NotApplicable
from compression.kernels import KERNEL_CHANNELS
from compression.models.data import Dataset, data_version
from compression.models.versions import model_version
from compression.recipe.recipe import Recipe
from compression.recipe.steps import Distillation
from compression.watch import SILENT, Watch
from sample_models import slimmable
from sample_models.catalogue import MODELS, SampleModel, find_model

KEPT_BYTES = 64 << 20
"""For networks after the first steps of recipes; those of the sample models take a megabyte or two."""

_begun_networks: Shelf[fx.GraphModule] = Shelf(KEPT_BYTES)


def build_variant(recipe: Recipe, entry: SampleModel, dataset: Dataset, watch: Watch = SILENT) -> fx.GraphModule:
    """The compressed network before it is written to a file, without the channels that its zeros have killed.

    Recipes that begin alike share the networks that their common steps lead to, while these are remembered.
    """
    origin = (entry.name, model_version(entry.name), data_version(entry.dataset), recipe.seed)
    done, model = _begun(origin, recipe, load_network(entry.name))
    for number, step in list(enumerate(recipe.steps))[done:]:
        watch.check()
        part = watch.part(number / len(recipe.steps), (number + 1) / len(recipe.steps))
        part.report(0, step.technique.replace("_", " "))
        context = Context(
            dataset=dataset,
            teacher=load_network(entry.name),
            build_student=functools.partial(build_student, entry, dataset),
            seed=recipe.seed,
            load_teacher=functools.partial(load_teacher, entry),
            load_slimmable=functools.partial(load_slimmable, entry),
            watch=part,
        )
        model = apply_step(model, step, context)
        size = sum(tensor.nbytes for tensor in model.state_dict().values())
        _begun_networks.put((*origin, recipe.steps[: number + 1]), model, size)
    watch.check()
    return remove_dead_units(model, KERNEL_CHANNELS) if recipe.steps else model


def _begun(origin: tuple[Hashable, ...], recipe: Recipe, whole: fx.GraphModule) -> tuple[int, fx.GraphModule]:
    """How many of the recipe's first steps are done already, and the network that they lead to."""
    for done in range(len(recipe.steps), 0, -1):
        model = _begun_networks.get((*origin, recipe.steps[:done]))
        if model is not None:
            return done, model
    return 0, whole


def build_student(entry: SampleModel, dataset: Dataset, step: Distillation) -> fx.GraphModule:
    """The untrained student that `step` asks for: of the model's own family, or of another one."""
    if step.student == "same":
        return trace(entry.build(step.width_mult), dataset.input_shape)
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


def load_teacher(entry: SampleModel, name: str) -> fx.GraphModule:
    """Another sample model on the same data as `entry`; raises `NotApplicable` with the names there are."""
    fitting = [other.name for other in MODELS.values() if other.dataset == entry.dataset]
    if name not in fitting:
        reason = f"was trained on other data than {entry.name}" if name in MODELS else "is no sample model"
        raise NotApplicable(f"The teacher {name!r} {reason}. Teachers to choose from: {', '.join(fitting)}.")
    return load_network(name)


def load_slimmable(entry: SampleModel) -> fx.GraphModule:
    """The full slimmable network; shared, so never changed. Raises `NotApplicable` where there is none."""
    return _load_slimmable(entry, model_version(entry.name))


def load_network(name: str) -> fx.GraphModule:
    """The trained sample model as a graph; shared, so never changed."""
    return _load_network(name, model_version(name))


@functools.lru_cache(maxsize=4)
def _load_slimmable(entry: SampleModel, version: str) -> fx.GraphModule:
    return trace(slimmable.load(entry.name), _shape(entry))


@functools.lru_cache(maxsize=4)
def _load_network(name: str, version: str) -> fx.GraphModule:
    entry = find_model(name)
    return trace(entry.load(), _shape(entry))


def _shape(entry: SampleModel) -> tuple[int, int, int]:
    channels, height, width = entry.card["input_shape"]
    return channels, height, width
