"""What ONNX Runtime makes of a network's file, down to single codes."""

import collections
import functools
import tempfile
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

from compression.engine.measure.evaluation import open_session
from tests.cases.findings import need
from tests.cases.looking import every_value, quantizers_of

session_of = functools.lru_cache(maxsize=4)(functools.partial(open_session, threads=1))


def run_onnx(data, x, **settings):
    session = session_of(data, **settings)
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return torch.from_numpy(found)


def operators(data):
    """How often the file has each operator."""
    return collections.Counter(node.op_type for node in onnx.load_from_string(data).graph.node)


def kernels_of(data):
    """How often there is each operator in the graph that ONNX Runtime really runs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        open_session(data, 1, save_as=path)
        return operators(path.read_bytes())


def tensors(data):
    """The constants by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(data).graph.initializer}


def weights_in(data):
    """Constants of two and of four dimensions."""
    return [values for values in tensors(data).values() if values.ndim in (2, 4)]


@functools.lru_cache(maxsize=2)
def _with_codes(data):
    """The file with the codes behind each QuantizeLinear, in order, as further outputs."""
    model = onnx.load_from_string(data)
    ends = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type == "Clip"}
    names = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    for name in names:
        model.graph.output.append(onnx.ValueInfoProto(name=ends.get(name, name)))
    return model.SerializeToString(), len(names)


def codes_of(data, x, count):
    """The codes behind each of `count` quantizers, and the logits."""
    watched, found = _with_codes(data)
    need(found == count, f"{found} QuantizeLinear for {count} quantizers")
    session, plain = session_of(watched), run_onnx(data, x)
    logits, *codes = map(torch.from_numpy, session.run(None, {session.get_inputs()[0].name: x.numpy()}))
    moved = float((plain - logits).abs().max() / plain.abs().max())
    need(moved <= 0.02, f"looking at the codes changes the file's logits by {moved:.1%}")
    return codes, plain


def steps_apart(result, data, x):
    """For each quantizer how many codes the file is from torch, which gets the file's own codes up to there.

    So a value on the edge between two codes counts once, and not in all that follows. And how far the file's logits
    are from what torch makes of its last codes.
    """
    layers = quantizers_of(result)
    codes, logits = codes_of(data, x, len(layers))
    real = {
        node: (code.float() - layer.zero_point) * torch.tensor(layer.scale)
        for (node, layer), code in zip(layers.items(), codes, strict=True)
    }
    values = every_value(result, x, real.get)
    steps = {node: ((real[node] - values[node]) / layer.scale).abs().round() for node, layer in layers.items()}
    return steps, float((values["logits"] - logits).abs().max() / logits.abs().max())


def last_bias_step(data, classes):
    """The largest step of an integer bias of that many numbers: half of it is lost in rounding."""
    values = tensors(data)
    steps = [0.0]
    for node in onnx.load_from_string(data).graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in values:
            codes = values[node.input[0]]
            if codes.dtype == "int32" and codes.shape == (classes,):
                steps.append(float(values[node.input[1]].max()))
    return max(steps)


def allowed_rest(data, logits):
    """How far logits may be from what torch makes of the last codes: its biases are not rounded."""
    return 5e-4 + 0.51 * last_bias_step(data, logits.shape[1]) / float(logits.abs().max())
