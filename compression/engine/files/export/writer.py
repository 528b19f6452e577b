"""The ONNX graph while it is being written."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, fx

from compression.engine.network.form import WeightedLayer, weight_format, weighted_layers
from compression.engine.network.grids import Codebook


class Writer:
    """Nodes and initializers written so far, and the ONNX name of each graph node's value."""

    def __init__(self, model: fx.GraphModule) -> None:
        self.model = model
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.names: dict[fx.Node, str] = {}
        self.float_weights: dict[WeightedLayer, str] = {}
        self.row_scales: dict[object, str] = {}
        self._written: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = 0

    def op(self, op_type: str, *inputs: str, **attributes: int | float | str | list[int]) -> str:
        """Append one node; returns the name of its output."""
        name = self._new_name()
        self.nodes.append(helper.make_node(op_type, inputs, [name], **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        """The name of an initializer with these numbers; equal ones are written once, as for tied layers."""
        values = np.asarray(values, order="C")
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._written:
            self._written[key] = self._new_name()
            self.initializers.append(numpy_helper.from_array(values, self._written[key]))
        return self._written[key]

    def brain_float(self, values: NDArray[np.float32]) -> str:
        """An initializer of bfloat16 numbers, the upper halves of float32 numbers whose lower halves are zero."""
        halves = (values.view(np.uint32) >> 16).astype("<u2")
        name = self._new_name()
        tensor = onnx.TensorProto(name=name, data_type=TensorProto.BFLOAT16, dims=values.shape)
        tensor.raw_data = halves.tobytes()
        self.initializers.append(tensor)
        return name

    def has_zero(self, book: Codebook) -> bool:
        """Whether one of the layers with these values has a mask: their common codebook then begins with a zero."""
        formats = (weight_format(layer) for layer in weighted_layers(self.model).values())
        return any(
            found.mask is not None and not bool(found.mask.all())
            for found in formats
            if isinstance(found.grid, Codebook) and found.grid.values is book.values
        )

    def value(self, argument: object) -> str:
        """The name of a graph node's value, or of a new constant."""
        if isinstance(argument, fx.Node):
            return self.names[argument]
        return self.constant(np.asarray(argument, dtype=np.float32))

    def _new_name(self) -> str:
        self._count += 1
        return str(self._count - 1)


def array_of(tensor: Tensor) -> NDArray[Any]:
    """The tensor's numbers as an array."""
    values: NDArray[Any] = tensor.detach().cpu().numpy()
    return values
