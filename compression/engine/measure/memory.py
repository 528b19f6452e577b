"""What a runtime file costs while it runs: memory, traffic, and operations that integer kernels carry out.

All is read from the graph that ONNX Runtime makes out of the file and really runs, with constants folded,
layers fused and kernels chosen, and from the tensors that one image leaves in it. So 8-bit codes count one
byte where an integer kernel takes them, and four where the runtime turns them into floats when it loads them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from numpy.typing import NDArray

from compression.engine.measure.evaluation import one_image, optimized, watching

INTEGER_KERNELS = {
    "QLinearConv": 3,
    "QGemm": 3,
    "QLinearMatMul": 3,
    "ConvInteger": 1,
    "MatMulInteger": 1,
    "MatMulIntegerToFloat": 1,
    "DynamicQuantizeMatMul": 1,
}
"""ONNX Runtime's operators that multiply 8-bit integers, with the place of the weight among their inputs."""

_ALIASES = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"}
"""Their output is their input under another name."""

_IN_PLACE = dict.fromkeys(("Relu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish"), (0,)) | {
    "Add": (0, 1),
    "Mul": (0, 1),
    "Sub": (0, 1),
    "Conv": (3,),
    "FusedConv": (3,),
}
"""Operators that may write over an input which nobody needs any more; a convolution over what it adds."""


@dataclass(frozen=True)
class RuntimeCosts:
    """Of one image on one thread; names as in `compression.results.record.Measures`."""

    integer_macs: int
    weight_bytes: int
    activation_bytes: int
    activation_traffic_bytes: int


def runtime_costs(onnx_bytes: bytes) -> RuntimeCosts:
    """Load the file, run one image, and look at the graph; some 10 ms. May raise `CorruptFile`.

    Not counted: what kernels need inside (columns of a convolution, say), padding of weights that a kernel
    rearranges once more, and the runtime itself. `compression.engine.measure.process_peak` measures with all of that.
    """
    graph, values = run_graph(onnx_bytes)
    sizes = {name: value.nbytes for name, value in values.items()}
    return RuntimeCosts(
        integer_macs=sum(_integer_macs(graph, values)),
        weight_bytes=sum(_bytes(tensor) for tensor in graph.initializer),
        activation_bytes=peak_activations(graph, sizes),
        activation_traffic_bytes=_traffic(graph, sizes),
    )


def run_graph(onnx_bytes: bytes) -> tuple[onnx.GraphProto, dict[str, NDArray[Any]]]:
    """The graph that the runtime runs, in order of execution, and every activation of one image in it."""
    model = onnx.load_from_string(optimized(onnx_bytes))
    return model.graph, values_of(model, [name for node in model.graph.node for name in node.output if name])


def values_of(model: onnx.ModelProto, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """What a graph, run as it is on an image of zeros, has under these names; and the image."""
    session = watching(model, names)
    image = one_image(session)
    return image | dict(zip(names, session.run(names, image), strict=True))


def peak_activations(graph: onnx.GraphProto, sizes: dict[str, int]) -> int:
    """The most bytes of activations that live at one time, `sizes` being the bytes of each.

    Memory is taken when a node writes its output and given back after the last node that reads it. Views share
    theirs, and some nodes write over an input (`_IN_PLACE`). The network's input belongs to whoever called it
    and stays.
    """
    blocks = _blocks(graph, sizes)
    return max(
        sum(block.size for block in blocks if block.first <= number <= block.last) for number in range(len(graph.node))
    )


@dataclass
class _Block:
    """Memory in use from the node numbered `first` to the one numbered `last`."""

    size: int
    first: int
    last: int


def _blocks(graph: onnx.GraphProto, sizes: dict[str, int]) -> list[_Block]:
    end = len(graph.node)
    last_use = {name: number for number, node in enumerate(graph.node) for name in node.input}
    last_use |= {value.name: end for value in graph.output}
    holding = {value.name: _Block(sizes[value.name], 0, end) for value in graph.input}
    blocks = list(holding.values())
    for number, node in enumerate(graph.node):
        for name in filter(None, node.output):
            block = _reused(node, number, holding, sizes[name])
            if block is None:
                block = _Block(sizes[name], number, number)
                blocks.append(block)
            block.last = max(block.last, last_use.get(name, number))
            holding[name] = block
    return blocks


def _reused(node: onnx.NodeProto, number: int, holding: dict[str, _Block], size: int) -> _Block | None:
    """The memory of an input that the node's output takes over, if there is one."""
    if node.op_type in _ALIASES:
        return holding.get(node.input[0])
    for index in _IN_PLACE.get(node.op_type, ()):
        block = holding.get(node.input[index]) if index < len(node.input) else None
        if block is not None and block.last == number and block.size == size:
            return block
    return None


def _traffic(graph: onnx.GraphProto, sizes: dict[str, int]) -> int:
    """Bytes of activations that nodes read and write; views move nothing."""
    moving = (node for node in graph.node if node.op_type not in _ALIASES)
    return sum(sizes.get(name, 0) for node in moving for name in (*node.input, *node.output))


def _integer_macs(graph: onnx.GraphProto, values: dict[str, NDArray[Any]]) -> Iterator[int]:
    """Of each node with an integer kernel: each weight takes part once in each position of the output."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        place = INTEGER_KERNELS.get(node.op_type)
        if place is not None and node.input[place] in shapes:
            weight, output = shapes[node.input[place]], values[node.output[0]]
            channels = weight[0] if len(weight) > 2 else output.shape[-1]
            yield math.prod(weight) * output.size // channels


def _bytes(tensor: onnx.TensorProto) -> int:
    return int(math.prod(tensor.dims) * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
