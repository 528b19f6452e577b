"""How long layers take alone: each with its activation, at the size of its real input, in one graph for all of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx
import onnx.compose
import torch
from onnx import helper
from torch import Tensor, fx, nn

from compression.engine.files.export import to_onnx
from compression.engine.laboratory.layer_tables.groups import Sizes
from compression.engine.laboratory.profiling import RUNS, profile
from compression.engine.network.form import (
    ActivationQuantizer,
    WeightedLayer,
    module_of,
    places_of,
    propagate_shapes,
    restrict,
)
from compression.engine.onnx_graph import OnnxGraph
from compression.engine.onnx_layers import calls_of
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.channel_labels import POINTWISE
from compression.engine.primitives.thin_layers import ThinForm, chain_of
from compression.watch import Watch

WORK = 2e10
"""Multiply-accumulates of all layers in all runs of a session: some tenths of a second to some seconds."""
FEWEST_RUNS = 5

_NOTHING = (nn.Identity, nn.Dropout, nn.Dropout2d, ActivationQuantizer)
"""Layers that take no time here."""

Key = tuple[object, ...]
"""Equal for layers that take the same time."""


@dataclass(frozen=True)
class Lone:
    """A layer at one of its calls, the activation behind it if any, its input's shape, and its uses of a weight."""

    layer: WeightedLayer
    activation: nn.Module | None
    shape: tuple[int, ...]
    places: int


def lone(model: fx.GraphModule, node: fx.Node, layer: WeightedLayer) -> Lone:
    """The layer that this node calls."""
    readers = [module_of(model, user) for user in node.users]
    is_activation = len(readers) == 1 and isinstance(readers[0], POINTWISE) and not isinstance(readers[0], _NOTHING)
    shape = tuple(node.all_input_nodes[0].meta["shape"])
    return Lone(layer, readers[0] if is_activation else None, shape, places_of(node, layer))


class Stopwatch:
    """Layers to be timed, equal ones once; the times are there after `run`."""

    def __init__(self) -> None:
        self._waiting: dict[Key, tuple[nn.Sequential, Lone]] = {}
        self._ms: dict[Key, float] = {}

    def of_sizes(self, one: Lone, sizes: Sizes) -> Key:
        """With so many outputs and inputs."""
        return self._add(one, sizes, lambda: nn.Sequential(_of_sizes(one.layer, sizes)))

    def of_factors(self, one: Lone, thin: ThinForm, factors: Sequence[Tensor]) -> Key:
        """As a product of thinner ones with these kernels."""
        return self._add(one, ("factors", *(factor.shape for factor in factors)), lambda: _chain(thin, factors))

    def on_integers(self, one: Lone) -> Key:
        """With weights and activations of 8 bits."""
        return self._add(one, ("integers",), lambda: nn.Sequential(_rounding(), _of_codes(one.layer)))

    def ms(self, key: Key) -> float:
        """The time that was found, for one image on one thread."""
        return self._ms[key]

    def _add(self, one: Lone, how: Key, make: Callable[[], nn.Sequential]) -> Key:
        key = (str(one.layer), str(one.activation), one.shape, *how)
        if key not in self._waiting:
            parts = make()
            if one.activation is not None:
                parts.append(one.activation)
            if isinstance(parts[0], ActivationQuantizer):
                parts.append(_rounding())
            self._waiting[key] = parts, one
        return key

    def run(self, watch: Watch) -> None:
        """Time all of them in turn, in one graph: so the time of a layer has no changes of memory layout in it."""
        files = [_file(parts, one) for parts, one in self._waiting.values()]
        names = [str(number) for number, file in enumerate(files) for _ in calls_of(OnnxGraph(file.graph))]
        model = _beside_one_another(files)
        macs = sum(
            one.places * layer.weight.numel()
            for parts, one in self._waiting.values()
            for layer in parts
            if isinstance(layer, WeightedLayer)
        )
        runs = max(FEWEST_RUNS, min(RUNS, int(WORK / max(1, macs))))
        timed = profile(model, calls_of(OnnxGraph(model.graph)), names, watch, runs=runs)
        found = [sum(node.ms for node in timed.nodes if node.layer == str(number)) for number in range(len(files))]
        self._ms = dict(zip(self._waiting, found, strict=True))


def _of_sizes(layer: WeightedLayer, sizes: Sizes) -> WeightedLayer:
    """The same layer with so many outputs and inputs of a group, and with numbers that nobody reads."""
    outputs, inputs = sizes
    other = copy.deepcopy(layer)
    other.weight = nn.Parameter(torch.full((outputs, inputs, *layer.weight.shape[2:]), 0.01))
    if layer.bias is not None:
        other.bias = nn.Parameter(torch.zeros(outputs))
    if isinstance(other, nn.Linear):
        other.out_features, other.in_features = outputs, inputs
        return other
    is_depthwise = other.groups == other.in_channels > 1
    other.groups = outputs * other.groups // other.out_channels if is_depthwise else other.groups
    other.out_channels, other.in_channels = outputs, inputs * other.groups
    return other


def _chain(thin: ThinForm, factors: Sequence[Tensor]) -> nn.Sequential:
    bias = thin.layer.bias
    chain = chain_of(thin.layers(list(factors)), list(factors), None if bias is None else bias.detach())
    return nn.Sequential(*chain)


def _of_codes(layer: WeightedLayer) -> WeightedLayer:
    other = copy.deepcopy(layer)
    restrict(other, grid=fit_affine(other.weight.detach(), 8, method="nearest"))
    return other


def _rounding() -> ActivationQuantizer:
    return ActivationQuantizer(0.02, 0)


def _file(parts: nn.Sequential, one: Lone) -> onnx.ModelProto:
    """The layers of one entry as a network of its own, for inputs of the shape that they really get."""
    graph = fx.Graph()
    value = graph.placeholder("x")
    for name, _ in parts.named_children():
        value = graph.call_module(name, (value,))
    graph.output(value)
    first = next(layer for layer in parts if isinstance(layer, WeightedLayer))
    width = first.in_features if isinstance(first, nn.Linear) else first.in_channels
    rows, *rest = (one.shape[0], width, *one.shape[2:])
    model = fx.GraphModule(parts.eval(), graph)  # type: ignore[no-untyped-call]
    model.input_shape = tuple(rest)  # type: ignore[assignment]
    file = to_onnx(propagate_shapes(model))
    file.graph.input[0].type.tensor_type.shape.dim[0].dim_value = rows
    return file


def _beside_one_another(files: Sequence[onnx.ModelProto]) -> onnx.ModelProto:
    """One graph of all, with an input and an output for each."""
    graphs = [onnx.compose.add_prefix(file, f"{number}/").graph for number, file in enumerate(files)]
    ends = [[end for graph in graphs for end in getattr(graph, name)] for name in ("input", "output")]
    tensors = [tensor for graph in graphs for tensor in graph.initializer]
    whole = helper.make_graph([node for graph in graphs for node in graph.node], "layers", *ends, tensors)
    first = files[0]
    return helper.make_model(whole, opset_imports=first.opset_import, ir_version=first.ir_version)
