"""Walking an ONNX graph: who makes a value, who reads it, and which numbers it was made from.

The library onnx-ir does this and more. It takes longer to import than all of onnx, which every worker would wait for,
and refuses graphs that are not well-formed; these here come from stored files that nobody has checked yet.
"""

from __future__ import annotations

import functools
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
"""Has every operator needed here, and has been read by every ONNX Runtime since 1.12 (2022)."""
IR_VERSION = 8
"""The one that goes with opset 17."""
WEIGHTED = {"Conv", "Gemm", "MatMul"}
"""Operators that multiply by weights, in graphs before a runtime has rewritten them."""


class OnnxGraph:
    """An index of a graph, for reading only. Values have names, and nodes may make constants out of others."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.nodes = graph.node
        self.tensors: dict[str, onnx.TensorProto] = {tensor.name: tensor for tensor in graph.initializer}
        self.makers: dict[str, onnx.NodeProto] = {name: node for node in graph.node for name in node.output}

    @functools.cached_property
    def readers(self) -> dict[str, list[onnx.NodeProto]]:
        """The nodes that read each value, in the order of the graph."""
        found: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                found.setdefault(name, []).append(node)
        return found

    def only_reader(self, name: str) -> onnx.NodeProto | None:
        """The node that reads a value, if it is the only one."""
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 else None

    def array(self, name: str) -> NDArray[Any]:
        """The numbers of an initializer."""
        values: NDArray[Any] = numpy_helper.to_array(self.tensors[name])
        return values

    def upstream(self, name: str, stop: Container[str] = ()) -> Iterator[str]:
        """A value and all those that it was made from, each once; those in `stop` are the last ones on their way."""
        waiting, seen = [name], {""}
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                yield name
                if name not in stop and name not in self.tensors and name in self.makers:
                    waiting += self.makers[name].input

    def sources(self, name: str) -> list[str]:
        """The initializers that a value was made from."""
        return [one for one in self.upstream(name) if one in self.tensors]

    def is_constant(self, name: str) -> bool:
        """Whether a value depends on initializers only."""
        return all(
            one in self.tensors or (one in self.makers and len(self.makers[one].input) > 0)
            for one in self.upstream(name)
        )

    def way_back(self, name: str) -> Iterator[str]:
        """A value, and what its numbers or codes were in before, back to their initializer where there is one.

        They come first among a node's inputs, but for a lookup, where they come second.
        """
        for _ in range(len(self.makers) + 1):  # a damaged graph may go in circles
            yield name
            inputs = self.makers[name].input if name in self.makers and name not in self.tensors else ()
            place = 1 if inputs and self.makers[name].op_type == "Gather" else 0
            if len(inputs) <= place:
                return
            name = inputs[place]

    def holder(self, name: str) -> str:
        """The initializer that holds the numbers of a constant, or their codes."""
        *_, last = self.way_back(name)
        return last


def per_channel(values: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
    """Values of output channels (one, or one each) in a shape that broadcasts against the weight."""
    return values.reshape(-1, *[1] * (weight.ndim - 1))


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's settings by their names."""
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def giving(model: onnx.ModelProto, names: Iterable[str]) -> onnx.ModelProto:
    """A copy that gives these values instead of the model's outputs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names))
    return copy


Shapes = Mapping[str, tuple[int | str, ...]]


def make_model(
    nodes: Sequence[onnx.NodeProto], inputs: Shapes, outputs: Shapes, tensors: Sequence[onnx.TensorProto] = ()
) -> onnx.ModelProto:
    """A model of float32 inputs and outputs, given by name and shape, where a size may have a name."""
    ends = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()]
        for values in (inputs, outputs)
    )
    graph = helper.make_graph(nodes, "g", *ends, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
