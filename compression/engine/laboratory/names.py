"""What the layers of a runtime file are called: names come from the steps that made the network, numbers do not."""

from __future__ import annotations

from collections.abc import Sequence

from torch import fx, nn

from compression.engine.build import build_variant, load_network
from compression.engine.laboratory.bench import Bench
from compression.engine.network.form import WeightedLayer, weighted_calls
from compression.engine.onnx_layers import Call
from compression.recipe import steps
from compression.recipe.recipe import Recipe

_NEW_LAYERS = (steps.Distillation, steps.SlimmableStudent, steps.LayerTying, steps.DepthwiseSeparable, steps.LowRank)
"""Steps after which there are other layers, or the same ones are called elsewhere."""


def names_of(recipe: Recipe, bench: Bench, calls: Sequence[Call]) -> tuple[list[str], bool]:
    """The name of the layer that each call belongs to, and whether the names are those of the network's modules.

    The steps that make new layers are carried out again, without training: that gives names, the file everything
    else. Where the layers then differ from the file's, they are numbered.
    """
    model, structural = load_network(bench.subject), _structural(recipe.steps)
    if structural:
        wanted = recipe.model_copy(update={"steps": structural})
        model = build_variant(bench.subject, wanted, bench.dataset, watch=bench.watch).model
    found = _fitting(model, calls)
    return (found, True) if found else (_numbered(calls), False)


def _structural(asked: Sequence[steps.Step]) -> tuple[steps.Step, ...]:
    """The steps that decide which layers there are, without training; up to the last one that makes new layers."""
    last = max((number for number, step in enumerate(asked) if isinstance(step, _NEW_LAYERS)), default=-1)
    kept = [step for step in asked[: last + 1] if isinstance(step, (*_NEW_LAYERS, steps.ChannelPruning))]
    return tuple(one.model_copy(update={"epochs": 0}) if isinstance(one, steps.Distillation) else one for one in kept)


def is_other_family(recipe: Recipe) -> bool:
    """Whether the network is a student whose layers have nothing to do with the model's."""
    return any(isinstance(step, steps.Distillation) and step.student != "same" for step in recipe.steps)


def original_of(name: str, before: Sequence[str]) -> str:
    """The layer of the uncompressed network that this is, or is a part of: 'conv1_in' is one of 'conv1'."""
    found = [other for other in before if name == other or name.startswith(f"{other}_")]
    return max(found, key=len, default="")


def _fitting(model: fx.GraphModule, calls: Sequence[Call]) -> list[str]:
    """The network's layers in the order of their calls, if they are those of the file; else nothing."""
    found = weighted_calls(model)
    same = len(found) == len(calls) and all(_is(layer, call) for (_, layer), call in zip(found, calls, strict=True))
    return [str(node.target) for node, _ in found] if same else []


def _is(layer: WeightedLayer, call: Call) -> bool:
    if isinstance(layer, nn.Conv2d):
        alike = call.kernel == tuple(layer.kernel_size) and (call.groups > 1) == (layer.groups > 1)
        return call.kind == "Conv" and alike
    return call.kind == "Gemm"


def _numbered(calls: Sequence[Call]) -> list[str]:
    """'layer 1', 'layer 2'; calls with the same weights are one layer."""
    numbers: dict[str, str] = {}
    return [numbers.setdefault(call.weight_name, f"layer {len(numbers) + 1}") for call in calls]
