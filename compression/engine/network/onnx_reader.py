"""An ONNX graph as a torch module, which the one door then brings into the normal form.

Each node becomes a module of its own, so that layers keep their names. What depends on the image is torch's, carried
out by the operators in `OPERATORS`; what does not (shapes, axes, masks) is NumPy's, computed by ONNX's own reference.
"""

from __future__ import annotations

import keyword
import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from compression import limits
from compression.engine.network.onnx_node import DOMAINS, OnnxNode, Value, shown
from compression.engine.network.onnx_operators import OPERATORS
from compression.engine.onnx_graph import WEIGHTED
from compression.errors import OutOfMemory, UnsupportedModel

OLDEST = 7
"""Opset. Before it, arithmetic broadcast in another way."""

COLOURS = (1, 3)
"""How many channels images have."""

DEEPEST_NAME = 16
"""Folders of a layer's name: those of real networks have at most ten, and each is a module in a module."""


def read_onnx(model: onnx.ModelProto) -> tuple[nn.Module, tuple[int, int, int]]:
    """A module that computes what the model does, in evaluation mode, and the shape (C x H x W) of its images.

    Where the file takes one image at a time, the module takes any number; where it takes colours last, the module takes
    them first. Raises `UnsupportedModel`, naming node and operator, for what cannot be read: other operators than those
    in `OPERATORS`, several inputs or outputs, images of unknown size, opsets before 7, branches and loops, and numbers
    that lie in other files.
    """
    opset, graph = opset_of(model), model.graph
    known, unread = {tensor.name for tensor in graph.initializer}, unread_inputs(graph)
    given = [value for value in graph.input if value.name not in known]
    inputs = [value for value in given if value not in unread] or given
    if len(inputs) != 1 or len(graph.output) != 1:
        raise UnsupportedModel(
            f"The ONNX graph has {len(inputs)} inputs and {len(graph.output)} outputs; it must have one of each. "
            "Export a network that takes images and returns logits alone."
        )
    for tensor in graph.initializer:
        refuse_elsewhere(tensor)
    shape, first = _image_shape(inputs[0]), inputs[0].type.tensor_type.shape.dim[0].dim_value
    if first > 1:
        raise UnsupportedModel(
            f"The ONNX graph takes {first} images at a time; it must take one, or any number. Export it so."
        )
    network = OnnxNetwork(graph, inputs[0].name, opset).eval()
    network.has_fixed_batch, network.has_channels_last = first == 1, has_channels_last(shape)
    if network.has_channels_last:
        height, width, channels = shape
        shape = channels, height, width
    spreads = any(module.op_type == "Expand" for module in network.steps)
    try:
        with torch.no_grad():
            network(torch.zeros(1, *shape))  # each node sees the sizes for one image
            if spreads and not network.has_fixed_batch:
                network(torch.zeros(2, *shape))  # and which of them are others for two
    except OutOfMemory as error:
        raise UnsupportedModel(str(error)) from error
    return network, shape


def unread_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """Inputs that no node reads, beside one that is: TensorFlow's converter leaves some whose reader it folded."""
    weights = {tensor.name for tensor in graph.initializer}
    read = {name for node in graph.node for name in node.input} - weights
    unread = [value for value in graph.input if value.name not in read | weights]
    return unread if any(value.name in read for value in graph.input) else []


def has_channels_last(sizes: Sequence[int]) -> bool:
    """Whether images of these sizes have their colours behind height and width, as TensorFlow wants them."""
    return sizes[0] not in COLOURS and sizes[-1] in COLOURS


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the operators; raises `UnsupportedModel` for one that cannot be read."""
    found: set[int] = {one.version for one in model.opset_import if one.domain in DOMAINS}
    if len(found) != 1:
        raise UnsupportedModel(f"The ONNX file names {len(found)} opsets of ONNX instead of one. Export it anew.")
    (opset,), newest = found, onnx.defs.onnx_opset_version()
    if opset < OLDEST:
        raise UnsupportedModel(f"The ONNX file has opset {opset}; {OLDEST} is the oldest that can be read. Convert it.")
    if opset > newest:
        raise UnsupportedModel(f"The ONNX file has opset {opset}; {newest} is the newest that can be read. Convert it.")
    return opset


def refuse_elsewhere(tensor: onnx.TensorProto) -> None:
    """Raise `UnsupportedModel` for numbers that lie in another file, which nobody here opens."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise UnsupportedModel(
            f"The numbers of {shown(tensor.name)!r} lie in another file. Save the model as one file."
        )


def _image_shape(value: onnx.ValueInfoProto) -> tuple[int, int, int]:
    sizes, name = [size.dim_value for size in value.type.tensor_type.shape.dim], shown(value.name)
    if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise UnsupportedModel(f"The input {name!r} does not hold float32 numbers. Export the network in float32.")
    if len(sizes) != 4 or not all(size > 0 for size in sizes[1:]):
        raise UnsupportedModel(
            f"The input {name!r} is {' × '.join(str(size or '?') for size in sizes[:9]) or 'of unknown size'}; it must "
            "be images × channels × height × width, of which only the first may be free. Export it with fixed sizes."
        )
    if math.prod(sizes[1:]) > limits.MOST_PIXELS:
        raise UnsupportedModel(
            f"The input {name!r} takes images of {' × '.join(map(str, sizes[1:]))} numbers; at most "
            f"{limits.MOST_PIXELS:,} are taken. Export the network for smaller images."
        )
    return sizes[1], sizes[2], sizes[3]


class OnnxNetwork(nn.Module):
    """A graph; its nodes are modules, in the order of the graph."""

    def __init__(self, graph: onnx.GraphProto, input_name: str, opset: int) -> None:
        super().__init__()
        self.input_name, self.output_name = input_name, graph.output[0].name
        self.has_fixed_batch = self.has_channels_last = False
        self.constants: dict[str, NDArray[Any]] = {}
        self.weights: dict[str, str] = {}
        """Names of parameters by names of initializers."""
        self.steps: list[OnnxNode] = []
        """In the order of the graph."""
        for tensor in graph.initializer:
            self._keep(tensor.name, numpy_helper.to_array(tensor))
        for node in graph.node:
            self._place(OnnxNode(node, opset, OPERATORS.get(node.op_type)), _layer_name(node))

    def _keep(self, name: str, values: NDArray[Any]) -> None:
        if not np.issubdtype(values.dtype, np.floating) or values.size == 1:  # settings, such as where a Clip ends
            self.constants[name] = values
            return
        self.weights[name] = _free(self, _clean(name).replace(".", "_"))
        tensor = torch.from_numpy(values.astype(np.float32))
        if tensor.isnan().any() or tensor.isposinf().any():  # minus infinity is what masks hold
            raise UnsupportedModel(
                f"{shown(name)!r} has numbers that are not finite (NaN or infinity): the training went wrong. Bring "
                "the network as it was before that."
            )
        if tensor.isneginf().any():
            self.register_buffer(self.weights[name], tensor)
        else:
            self.register_parameter(self.weights[name], nn.Parameter(tensor))

    def _place(self, module: OnnxNode, path: str) -> None:
        """Put a node's module where its name says; folders are modules too, and a node is no folder."""
        room: nn.Module = self
        *folders, name = path.split(".")
        for folder in folders:
            below = room._modules.get(folder)
            if below is None or isinstance(below, OnnxNode):
                below = nn.Module()
                room.add_module(_free(room, folder), below)
            room = below
        room.add_module(_free(room, name), module)
        self.steps.append(module)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images (N x C x H x W)."""
        given = images.permute(0, 2, 3, 1) if self.has_channels_last else images
        values: dict[str, Value] = {"": None, self.input_name: given, **self.constants}
        values |= {name: getattr(self, kept) for name, kept in self.weights.items()}
        seen = {self.input_name}
        for module in self.steps:
            module.depends = not seen.isdisjoint(module.inputs[: module.values])
            module.fixed_images = len(images) if self.has_fixed_batch else 1
            missing = next((name for name in module.inputs if name not in values), None)
            if missing is not None:
                raise module.refused(f"reads {shown(missing)!r}, which no operator that can be read makes")
            answers = module(*(values[name] for name in module.inputs))
            values |= dict(zip(module.outputs, answers, strict=False))
            if module.depends:
                seen.update(module.outputs)
        if self.output_name not in seen:
            raise UnsupportedModel(
                f"The output {shown(self.output_name)!r} does not depend on the image. Export the network anew."
            )
        answer = values[self.output_name]
        assert isinstance(answer, Tensor)
        return answer


def _free(room: nn.Module, name: str) -> str:
    taken = {*room._modules, *room._parameters, *room._buffers, *dir(room)}
    while name in taken:
        name += "_"
    return name


def _layer_name(node: onnx.NodeProto) -> str:
    """After the weights' name where they have one of a layer, else after the node."""
    weights = (name for name in node.input[1:2] if node.op_type in WEIGHTED)
    stem = next((name.removesuffix(".weight") for name in weights if name.endswith(".weight")), "")
    return _clean(stem or node.name or f"{node.op_type}_{node.output[0]}")


def _clean(name: str) -> str:
    """Letters, digits and underlines, and dots between them, as Python writes names."""
    name = unicodedata.normalize("NFKC", name)
    parts = [re.sub(r"\W+", "_", part).strip("_") for part in name.split(".")]
    parts = [f"{part}_" if keyword.iskeyword(part) else part for part in parts if part]
    return ".".join(parts[-DEEPEST_NAME:]) or "unnamed"
