"""What the layers of a decoded network are, read from the runtime file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from compression.evaluation import open_session
from compression.laboratory.bench import Bench
from compression.network import module_of, trace
from compression.studies.layers import Layer, Layers, LayerStudy

Values = Mapping[str, NDArray[Any]]


def layers(study: LayerStudy, bench: Bench) -> Layers:
    """Every convolution and linear layer of the runtime file; names are the model's own where the layers are its."""
    model = onnx.load_model_from_string(bench.subject.onnx)
    nodes = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    bench.report(0.2, "running one image")
    values = _values(model, nodes, bench.dataset.input_shape)
    bench.check_cancelled()
    kinds = [_kind(node, values) for node in nodes]
    names = _names(bench, kinds)
    seen: set[str] = set()
    found = []
    for name, kind, node in zip(names, kinds, nodes, strict=True):
        found.append(_layer(name, kind, model.graph, node, values, is_new=node.input[1] not in seen))
        seen.add(node.input[1])
    return Layers(layers=tuple(found))


def _values(model: onnx.ModelProto, nodes: list[onnx.NodeProto], input_shape: tuple[int, ...]) -> Values:
    """Constants, and of these nodes the weight as it is multiplied with, the bias, and the output for one image."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    wanted = {name for node in nodes for name in (*node.input[1:], *node.output)} - constants.keys() - {""}
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    names = sorted(wanted)
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = open_session(watched.SerializeToString(), 1)
    image = np.zeros((1, *input_shape), np.float32)
    found = session.run(names, {model.graph.input[0].name: image})
    return constants | dict(zip(names, found, strict=True))


def _layer(
    name: str,
    kind: Literal["convolution", "depthwise", "linear"],
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    values: Values,
    *,
    is_new: bool,
) -> Layer:
    weight, output = values[node.input[1]], values[node.output[0]]
    biases = _biases(graph, node, values)
    return Layer(
        name=name,
        kind=kind,
        shape=weight.shape,
        output=output.shape[1:],
        params=(weight.size if is_new else 0) + biases,
        nonzero=(int(np.count_nonzero(weight)) if is_new else 0) + biases,
        macs=weight.size * math.prod(output.shape[2:]),
        values=max(len(np.unique(row)) for row in weight),
    )


def _biases(graph: onnx.GraphProto, node: onnx.NodeProto, values: Values) -> int:
    """Numbers that are added to the products: within the node, or behind the scales of a dynamic one."""
    if len(node.input) > 2:
        return int(values[node.input[2]].size)
    constants = {tensor.name: math.prod(tensor.dims) for tensor in graph.initializer}
    for scaled in _readers(graph, node, "Mul"):
        for added in _readers(graph, scaled, "Add"):
            return sum(constants.get(name, 0) for name in added.input)
    return 0


def _readers(graph: onnx.GraphProto, node: onnx.NodeProto, op_type: str) -> Iterator[onnx.NodeProto]:
    return (other for other in graph.node if other.op_type == op_type and node.output[0] in other.input)


def _kind(node: onnx.NodeProto, values: Values) -> Literal["convolution", "depthwise", "linear"]:
    if node.op_type == "Gemm":
        return "linear"
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    return "depthwise" if groups > 1 and values[node.input[1]].shape[1] == 1 else "convolution"


def _names(bench: Bench, kinds: list[Literal["convolution", "depthwise", "linear"]]) -> list[str]:
    """The model's own names where it has as many layers of the same kinds; else kind and number."""
    model = trace(bench.entry.load(), bench.dataset.input_shape)
    called = [(str(node.target), module_of(model, node)) for node in model.graph.nodes if node.op == "call_module"]
    own = [(name, layer) for name, layer in called if isinstance(layer, nn.Conv2d | nn.Linear)]
    is_linear = [isinstance(layer, nn.Linear) for _, layer in own]
    if is_linear == [kind == "linear" for kind in kinds]:
        return [name for name, _ in own]
    counts = dict.fromkeys(kinds, 0)
    found = []
    for kind in kinds:
        counts[kind] += 1
        found.append(f"{kind} {counts[kind]}")
    return found
