"""Write a network as ONNX, straight from its graph: milliseconds, where torch's own exporter takes seconds.

Weights are written in the form that the runtime computes with (`compression.engine.network.form.WeightFormat`):

* no grid: float32;
* `Half`: float16 and a `Cast`, which ONNX Runtime carries out once, when it loads the file;
* `Affine` behind an `ActivationQuantizer`: integer codes (int8) and a `DequantizeLinear`, and the
  bias as int32 with scale = input scale x weight scale, so that ONNX Runtime replaces the whole group by an
  integer kernel (`QLinearConv`, `QGemm`). A convolution has one only if its output is rounded as well;
* `Affine` elsewhere: integer codes, a `Cast` and a `Mul`, also carried out once, at loading: the layer then
  computes in float. (A `DequantizeLinear` would run again for every image.)

An `ActivationQuantizer` becomes `QuantizeLinear` and `DequantizeLinear`.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

import onnx
from torch import fx

from compression.engine.files.export.operators import FUNCTIONS, LAYERS
from compression.engine.files.export.writer import Writer, array_of
from compression.engine.network.form import input_shape, module_of
from compression.engine.onnx_graph import WEIGHTED, Shapes, make_model
from compression.engine.primitives.batch_norm import BatchNorm, fold_batch_norm
from compression.errors import UnsupportedModel
from compression.watch import SILENT, Watch

INPUT, OUTPUT = "x", "logits"


def to_onnx(model: fx.GraphModule, *, folds: bool = True, watch: Watch = SILENT) -> onnx.ModelProto:
    """The network as an ONNX model: float32 input `x` (N x C x H x W) to float32 `logits` (N x classes).

    If it `folds`, batch norm is folded into the layer before it wherever there is one; else the file is one to be read
    and trained again, and its nodes have the names of the layers. N is free. The same network always gives the same
    bytes. Raises `UnsupportedModel` for a layer that has no ONNX form here, and `Cancelled` when
    `watch` says so, which is asked before each layer.
    """
    ready = model if _is_ready(model) or not folds else fold_batch_norm(model)
    writer = Writer(ready)
    for node in watch.each(ready.graph.nodes):
        if node.op == "output":
            classes = _write_output(writer, node)
        else:
            before = len(writer.nodes)
            writer.names[node] = _written(writer, node)
            if not folds and node.op == "call_module":
                _name(writer.nodes[before:], str(node.target))
    shapes: tuple[Shapes, Shapes] = {INPUT: ("N", *input_shape(model))}, {OUTPUT: ("N", *classes)}
    return make_model(writer.nodes, *shapes, writer.initializers)


def _is_ready(model: fx.GraphModule) -> bool:
    """Whether there is no batch norm to fold, and every value's shape is known."""
    shaped = all("shape" in node.meta for node in model.graph.nodes if node.op != "output")
    return shaped and not any(isinstance(layer, BatchNorm) for layer in model.modules())


def _written(writer: Writer, node: fx.Node) -> str:
    """The ONNX name of a node's value, after what computes it was written."""
    if node.op == "placeholder":
        return INPUT
    if node.op == "get_attr":
        return writer.constant(array_of(operator.attrgetter(str(node.target))(writer.model)))
    layer = module_of(writer.model, node)
    if layer is not None:
        rule = next((LAYERS[kind] for kind in type(layer).__mro__ if kind in LAYERS), None)
        if rule:
            return rule(writer, node, layer)
    elif node.target in FUNCTIONS:
        return FUNCTIONS[node.target](writer, node, *node.args, **node.kwargs)
    what = type(layer).__name__ if layer is not None else getattr(node.target, "__name__", node.target)
    known = sorted(rule.__name__ for rule in (*LAYERS, *FUNCTIONS))  # type: ignore[attr-defined]
    raise UnsupportedModel(f"{node.name} ({what}) cannot be written as ONNX here. Known: {', '.join(known)}.")


def _name(nodes: Sequence[onnx.NodeProto], layer: str) -> None:
    """The node with the weights is called as the layer is, those beside it after what they do."""
    for node in nodes:
        node.name = layer if node.op_type in WEIGHTED or len(nodes) == 1 else f"{layer}_{node.op_type}"


def _write_output(writer: Writer, node: fx.Node) -> tuple[int, ...]:
    """Give the last value its public name; returns its shape without the images' dimension."""
    (value,) = node.args
    if not isinstance(value, fx.Node) or writer.names[value] == INPUT:
        raise UnsupportedModel("The network must return one tensor of logits that depends on its input.")
    old = writer.names[value]
    for written in writer.nodes:
        for names in (written.input, written.output):
            names[:] = [OUTPUT if name == old else name for name in names]
    shape: tuple[int, ...] = value.meta["shape"][1:]
    return shape
