"""One node of an ONNX graph as a torch module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from compression.engine.onnx_graph import attributes
from compression.errors import OutOfMemory, UnsupportedModel

DOMAINS = {"", "ai.onnx"}
LONGEST_SHOWN = 60
"""Characters of a name out of a file that a sentence shows."""

Value = Tensor | NDArray[Any] | None
Operator = Callable[..., Any]
"""Gets the node, its inputs, and its attributes by name."""


class OnnxNode(nn.Module):
    """`forward` gives a tuple of the node's outputs.

    What `depends` on the image is carried out by the `operator`, everything else by ONNX's own reference.
    """

    def __init__(self, node: onnx.NodeProto, opset: int, operator: Operator | None) -> None:
        super().__init__()
        self.inputs, self.outputs, self.op_type, self.opset = tuple(node.input), tuple(node.output), node.op_type, opset
        self.said = f"{shown(node.op_type)} ({shown(node.name or node.output[0])})"
        self.settings, self.operator, self.depends = attributes(node), operator, False
        self.values = _VALUES.get(node.op_type, len(self.inputs))
        """How many of the inputs, from the first one on, are read for their numbers and not for their sizes or kind."""
        self.told: NDArray[Any] | None = None
        """The sizes that an `Expand` of what does not depend on the image was told first."""
        self.fixed_images = 1
        """How many images there are where the file says that there is one."""
        self.one_image: tuple[tuple[int, ...], list[int]] = (), []
        """Sizes of what comes in for one image, and those that a `Reshape` or `Expand` was told."""
        if node.domain not in DOMAINS:
            raise self.refused(f"is an operator of {shown(node.domain)}; only those of ONNX itself are read")
        if any(attribute.type in _SUBGRAPHS for attribute in node.attribute):
            raise self.refused("holds a graph of its own; branches and loops are not read")
        if self.op_type in _RANDOM:
            raise self.refused("makes random numbers, so that its answers could not be compared")
        self.node = node

    def forward(self, *inputs: Value) -> tuple[Any, ...]:
        """What the node makes of its inputs."""
        if self.op_type == "Shape":
            assert isinstance(inputs[0], Tensor | np.ndarray)
            sizes = np.array(inputs[0].shape, np.int64)
            return (sizes[self.settings.get("start", 0) : self.settings.get("end", len(sizes))],)
        if self.op_type == "CastLike" and isinstance(inputs[1], Tensor):
            inputs = inputs[0], np.zeros(1, np.float32)  # as all of torch's values here
        if self.op_type == "Expand" and isinstance(inputs[1], np.ndarray):
            self.told = inputs[1] if self.told is None else self.told
            self.depends |= not np.array_equal(self.told, inputs[1])  # one for each image
        if self.depends and self.operator is None:
            raise self.refused(_NO_LOGITS if self.op_type in _CHOOSING else "has no counterpart among our layers")
        try:
            if not self.depends:
                return _by_reference(self.node, self.opset, [_array(value) for value in inputs])
            assert self.operator is not None
            answer = self.operator(self, *inputs, **self.settings)
        except UnsupportedModel:
            raise
        except Exception as error:  # whatever a graph that is not well-formed leads to
            if is_of_memory(error):
                raise OutOfMemory(f"{self.said} takes more memory than there is. {_REMEDY}") from error
            raise self.refused(f"cannot be read: {first_line(error)}") from error
        return answer if isinstance(answer, tuple) else (answer,)

    def refused(self, why: str, remedy: str = "") -> UnsupportedModel:
        """The error that names the node."""
        return UnsupportedModel(f"{self.said} {why}. {remedy or _REMEDY}")


def shown(name: str, longest: int = LONGEST_SHOWN) -> str:
    """A name out of a file as a sentence can show it: short, in one line, without signs that hide others."""
    printable = "".join(sign if sign.isprintable() else "?" for sign in name[:longest])
    return printable + ("…" if len(name) > longest else "")


def first_line(said: object) -> str:
    """What an error of a library says, as a part of our sentence."""
    return next(iter(str(said).strip().splitlines()), type(said).__name__)[:300].rstrip(". ")


def is_of_memory(error: Exception) -> bool:
    """Whether memory has run out; torch and ONNX Runtime have no error of their own for that."""
    said = str(error)
    return isinstance(error, MemoryError) or any(words in said for words in _NO_MEMORY)


_NO_MEMORY = "can't allocate memory", "bad allocation", "bad_alloc", "Failed to allocate memory", "out of memory"
_REMEDY = "Export the network without it, or bring another one."
_NO_LOGITS = "gives classes and not how sure the network is of each; what comes before it is needed"
_CHOOSING = {"ArgMax", "ArgMin", "Hardmax", "TopK"}
_RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
_VALUES = {"Shape": 0, "Size": 0, "CastLike": 1}
_SUBGRAPHS = {onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS}
_MOVED = {"Squeeze", "Unsqueeze", "ReduceSum"}
"""Operators whose axes have been an input since opset 13, an attribute before."""


def _by_reference(node: onnx.NodeProto, opset: int, inputs: Sequence[NDArray[Any] | None]) -> tuple[Any, ...]:
    """What a node makes of constants, by ONNX's own implementation."""
    feeds = {name: value for name, value in zip(node.input, inputs, strict=True) if value is not None}
    if node.op_type in _MOVED and opset < 13:
        axes = [attribute for attribute in node.attribute if attribute.name == "axes"]
        new = onnx.NodeProto()
        new.CopyFrom(node)
        for attribute in axes:
            feeds["axes"] = np.array(attribute.ints, np.int64)
            new.input.append("axes")
        del new.attribute[:]
        new.attribute.extend(attribute for attribute in node.attribute if attribute.name != "axes")
        node, opset = new, 13
    return tuple(np.asarray(value) for value in ReferenceEvaluator(node, opsets={"": opset}).run(None, feeds))


def _array(value: Value) -> NDArray[Any] | None:
    return value.detach().numpy() if isinstance(value, Tensor) else value
