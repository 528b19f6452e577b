"""What is connected with what in a runtime file, without the nodes that only turn numbers into others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import onnx

from compression.engine.onnx_graph import OnnxGraph
from compression.engine.onnx_layers import Call
from compression.inquiries.anatomy import Arrow, Box

_WORDS = {
    "Add": "Add",
    "AveragePool": "Average pooling",
    "BatchNormalization": "Batch norm",
    "Concat": "Join",
    "GlobalAveragePool": "Average over the image",
    "MaxPool": "Max pooling",
    "Mul": "Multiply",
    "Resize": "Resize",
}
"""Operations that are boxes of their own; `Add` and `Mul` only where two values meet."""
_MEETING = ("Add", "Mul")
_ACTIVATIONS = {
    "Relu": "ReLU",
    "Clip": "ReLU6",
    "HardSwish": "Hardswish",
    "HardSigmoid": "Hardsigmoid",
    "Sigmoid": "Sigmoid",
    "Tanh": "Tanh",
}
_RANGES = ("ReduceMax", "ReduceMin")


@dataclass(frozen=True)
class _Value:
    """Which box a value comes from, with how many bits it was rounded to since, and whether it is only a scale."""

    box: int
    bits: int = 0
    is_scale: bool = False


@dataclass
class _Picture:
    boxes: list[Box] = field(default_factory=list)
    arrows: dict[Arrow, None] = field(default_factory=dict)
    values: dict[str, _Value] = field(default_factory=dict)

    def add(self, box: Box, inputs: Sequence[_Value], output: str) -> None:
        self.boxes.append(box)
        here = len(self.boxes) - 1
        for value in inputs:
            self.arrows[Arrow(source=value.box, target=here, bits=value.bits)] = None
        self.values[output] = _Value(here)

    def activate(self, box: int, words: str) -> None:
        old = self.boxes[box]
        self.boxes[box] = old.model_copy(update={"label": f"{old.label} + {words}" if old.label else words})


def picture_of(
    model: onnx.ModelProto, calls: Sequence[Call], names: Sequence[str]
) -> tuple[tuple[Box, ...], tuple[Arrow, ...]]:
    """Boxes in order of execution, and arrows between them. A weighted layer's label has only its activation."""
    picture = _Picture()
    picture.add(Box(label="Image"), (), model.graph.input[0].name)
    layers = {call.node: name for call, name in zip(calls, names, strict=True)}
    graph = OnnxGraph(model.graph)
    for number, node in enumerate(graph.nodes):
        inputs = [picture.values[name] for name in node.input if name in picture.values]
        if inputs:
            _draw(picture, node, inputs, layers.get(number, ""), graph)
    (output,) = model.graph.output
    picture.add(Box(label="Classes"), [picture.values[output.name]], "")
    return tuple(picture.boxes), tuple(picture.arrows)


def _draw(picture: _Picture, node: onnx.NodeProto, inputs: Sequence[_Value], layer: str, graph: OnnxGraph) -> None:
    """One node: a box, or something that happens on the way out of the one before."""
    values = [value for value in inputs if not value.is_scale] or inputs
    output = node.output[0]
    if layer:
        picture.add(Box(label="", layer=layer), values[:1], output)
    elif node.op_type in _WORDS and (node.op_type not in _MEETING or len({value.box for value in values}) > 1):
        picture.add(Box(label=_WORDS[node.op_type]), values, output)
    elif node.op_type in _RANGES:
        picture.values[output] = _Value(values[0].box, is_scale=True)
    elif node.op_type == "QuantizeLinear":
        picture.values[output] = _Value(values[0].box, 8)
    elif node.op_type == "Clip" and values[0].bits:
        last_code = int(graph.array(node.input[2]))
        picture.values[output] = _Value(values[0].box, last_code.bit_length())
    else:
        if node.op_type in _ACTIVATIONS and (node.op_type != "Clip" or len(node.input) == 3):
            picture.activate(values[0].box, _ACTIVATIONS[node.op_type])
        picture.values[output] = values[0]
