"""Files of networks that must be refused, each for a reason of its own, and odd ones that must be taken.

`HOSTILE` and `ODD` map what is special to a function that gives the content of an ONNX file.
"""

import functools
import gzip
import io
import itertools
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import torch
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

INT64 = np.int64

# --- a good network, and what becomes of it --------------------------------------------------------------------------


def floats(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def whole(*numbers):
    return np.array(numbers, INT64)


def model_of(nodes, weights, *, opset=17, batch="N", shape=(3, 8, 8), classes=5, kind=TensorProto.FLOAT, version=8):
    """`nodes` are (operator, inputs, outputs, attributes); `x` goes in, and `y` comes out."""
    graph = helper.make_graph(
        [helper.make_node(op, given, made, name=f"{op}_{made[0]}", **told) for op, given, made, told in nodes],
        "by hand",
        [helper.make_tensor_value_info("x", kind, [batch, *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, classes])],
        [tensor_of(name, values) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=version)


def tensor_of(name, values):
    return numpy_helper.from_array(np.asarray(values), name)


def content_of(nodes, weights=(), **settings):
    return model_of(nodes, dict(weights), **settings).SerializeToString()


CONV = ("Conv", ["x", "k"], ["c"], {})
TAIL = [
    ("GlobalAveragePool", ["r"], ["pooled"], {}),
    ("Flatten", ["pooled"], ["flat"], {}),
    ("Gemm", ["flat", "w", "b"], ["y"], {"transB": 1}),
]
WEIGHTS = {"k": floats(4, 3, 3, 3), "w": floats(5, 4), "b": floats(5)}


def good(**settings):
    return model_of([CONV, ("Relu", ["c"], ["r"], {}), *TAIL], WEIGHTS, **settings)


def between(*nodes, last="r", **settings):
    """A good network with nodes between `c`, its first convolution, and `r`, which is pooled; a maker of its file."""
    weights = {**WEIGHTS, **settings.pop("weights", {})}
    used = {name for _, given, _, _ in (CONV, *nodes, *TAIL) for name in given}
    return lambda: content_of([CONV, *nodes, *TAIL], {n: w for n, w in weights.items() if n in used}, **settings)


def ending(*nodes, weights=(), **settings):
    """A good network whose logits are `z`, with nodes from there to `y`."""
    tail = [*TAIL[:2], ("Gemm", ["flat", "w", "b"], ["z"], {"transB": 1})]
    body = [CONV, ("Relu", ["c"], ["r"], {}), *tail, *nodes]
    return lambda: content_of(body, {**WEIGHTS, **dict(weights)}, **settings)


def changed(change, **settings):
    """A good network that `change` makes another, in place."""

    def make():
        model = good(**settings)
        change(model)
        return model.SerializeToString()

    return make


def node_says(number, **fields):
    return changed(lambda model: [setattr(model.graph.node[number], name, value) for name, value in fields.items()])


def input_says(**fields):
    def change(model):
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", *fields["is_"]))

    return changed(change)


def tensor_says(change, number=0):
    return changed(lambda model: change(model.graph.initializer[number]))


def dims(*sizes):
    def change(tensor):
        tensor.dims[:] = sizes

    return tensor_says(change)


def with_attribute(number, name, value, kind=None):
    def change(model):
        node = model.graph.node[number]
        kept = [attribute for attribute in node.attribute if attribute.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute(name, value, attr_type=kind)])

    return changed(change)


def cut(share):
    return lambda: (content := good().SerializeToString())[: int(len(content) * share)]


# --- what is no ONNX file --------------------------------------------------------------------------------------------


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


def zip_of(**files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def picture(kind):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, kind)
    return file.getvalue()


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def safe(header, body=b"", length=None):
    """A safetensors file with this header, which may be any text."""
    raw = (header if isinstance(header, str) else json.dumps(header)).encode(errors="surrogateescape")
    return struct.pack("<Q", len(raw) if length is None else length) + raw + body


OTHER_FORMATS = {
    "an empty file": bytes,
    "one byte": lambda: b"\x08",
    "text": lambda: b"class,file\n1,cat.png\n",
    "zeros": lambda: bytes(1000),
    "random bytes": lambda: np.random.default_rng(1).bytes(1000),
    "random bytes after the version": lambda: b"\x08\x08" + np.random.default_rng(2).bytes(1000),
    "a zip file": lambda: zip_of(model=b"0"),
    "a torch file": lambda: saved({"w": torch.ones(3)}),
    "a pickle": lambda: pickle.dumps(Evil()),
    "an HDF5 file": lambda: b"\x89HDF\r\n\x1a\n" + bytes(50),
    "a PNG": lambda: picture("PNG"),
    "a JPEG": lambda: picture("JPEG"),
    "a GIF": lambda: picture("GIF"),
    "a program": lambda: b"\x7fELF" + bytes(100),
    "a program for Windows": lambda: b"MZ" + bytes(100),
    "a script": lambda: b"#!/bin/sh\ntouch evil\n",
    "a gzip file": lambda: gzip.compress(good().SerializeToString()),
    "a web page": lambda: b"<!DOCTYPE html><title>404</title>",
    "a PDF": lambda: b"%PDF-1.7\n",
    "a Git LFS pointer": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
    "an array": lambda: b"\x93NUMPY\x01\x00" + bytes(100),
    "a TensorFlow Lite file": lambda: b"\x1c\0\0\0TFL3" + bytes(100),
    "a safetensors file": lambda: safe({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
    "JSON": lambda: b'{"graph": []}',
    **{f"{share:.0%} of a good file": cut(share) for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.99)},
    "a byte too few": lambda: good().SerializeToString()[:-1],
    "two files one after the other": lambda: good().SerializeToString() * 2,
    "a tensor alone": lambda: tensor_of("k", floats(4, 3, 3, 3)).SerializeToString(),
    "a graph alone": lambda: bytes(good().graph.SerializeToString()),
    "brackets in brackets": lambda: functools.reduce(
        lambda inner, _: b"\x3a" + varint(len(inner)) + inner, range(300), b"\x0a\x00"
    ),
}


def varint(number):
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


# --- graphs that are not well-formed ---------------------------------------------------------------------------------


def elsewhere(place):
    def change(tensor):
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=place)

    return tensor_says(change)


def constant_elsewhere():
    value = tensor_of("v", floats(4, 3, 3, 3))
    value.ClearField("raw_data")
    value.data_location = TensorProto.EXTERNAL
    value.external_data.add(key="location", value="../../etc/passwd")
    nodes = [("Constant", [], ["k"], {"value": value}), CONV, ("Relu", ["c"], ["r"], {}), *TAIL]
    return content_of(nodes, {name: WEIGHTS[name] for name in "wb"})


def with_functions(model):
    model.functions.append(
        helper.make_function(
            "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
        )
    )


def body(*nodes, given=(), made=("z",)):
    values = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names] for names in (given, made)
    ]
    return helper.make_graph(nodes, "body", *values)


def branch():
    then = body(helper.make_node("Relu", ["c"], ["z"]))
    return [("If", ["yes"], ["r"], {"then_branch": then, "else_branch": then})]


def loop():
    inner = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["goes"]), helper.make_node("Relu", ["v"], ["w2"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w2", TensorProto.FLOAT, None),
        ],
    )
    return [("Loop", ["often", "yes", "c"], ["r"], {"body": inner})]


def endless_constant():
    """A loop that makes a constant, many times over."""
    (kind, given, _, told), *_ = loop()
    nodes = [(kind, [given[0], "yes", "b"], ["b2"], told), CONV, ("Relu", ["c"], ["r"], {}), *TAIL[:2]]
    last = ("Gemm", ["flat", "w", "b2"], ["y"], {"transB": 1})
    return content_of([*nodes, last], WEIGHTS | {"often": whole(1 << 40), "yes": np.array(True)})


def scan():
    inner = body(helper.make_node("Relu", ["v"], ["z"]), given=["v"])
    return [("Scan", ["c"], ["r"], {"body": inner, "num_scan_inputs": 1})]


def second(model, what, kind=TensorProto.FLOAT):
    getattr(model.graph, what).append(helper.make_tensor_value_info("x2" if what == "input" else "c", kind, [1]))


def with_a_bias_given_too(model):
    second(model, "input")
    model.graph.node[0].input.append("x2")


def rewired(number, place, name):
    return changed(lambda model: model.graph.node[number].input.__setitem__(place, name))


def makes(number, name):
    return changed(lambda model: model.graph.node[number].output.__setitem__(0, name))


def swapped(model):
    nodes = [*model.graph.node][::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def clear(model, field):
    model.graph.ClearField(field)


def opsets(*pairs):
    def change(model):
        del model.opset_import[:]
        model.opset_import.extend(helper.make_opsetid(*pair) for pair in pairs)

    return changed(change)


def typed(kind):
    def change(model):
        model.graph.input[0].type.CopyFrom(kind)

    return changed(change)


def sparse(model):
    values, places = tensor_of("s", floats(2)), tensor_of("i", whole(0, 5))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [5, 4]))


def numbers(kind, field, values):
    """The first tensor, of another type."""

    def change(tensor):
        tensor.ClearField("raw_data")
        tensor.data_type = kind
        getattr(tensor, field).extend(values)

    return tensor_says(change)


def weight_with(value):
    def change(tensor):
        tensor.raw_data = struct.pack("<f", value) + tensor.raw_data[4:]

    return tensor_says(change)


NOT_WELL_FORMED = {
    "numbers in another file": elsewhere("weights.bin"),
    "numbers in a file of the system": elsewhere("/etc/passwd"),
    "numbers in a file above": elsewhere("../../../etc/passwd"),
    "a constant in a file above": constant_elsewhere,
    "an operator of another domain": node_says(1, domain="com.microsoft"),
    "an operator of a domain nobody knows": node_says(1, domain="evil\n\x1b[2J" * 100),
    "functions": changed(with_functions),
    "a branch": between(*branch(), weights={"yes": np.array(True)}),
    "a loop": between(*loop(), weights={"often": whole(3), "yes": np.array(True)}),
    "a loop without end in a constant": endless_constant,
    "a scan": between(*scan()),
    "a circle": rewired(0, 0, "r"),
    "a node that reads itself": rewired(1, 0, "r"),
    "nodes in the wrong order": changed(swapped),
    "a value that nobody makes": rewired(1, 0, "nowhere"),
    "a weight that is not there": rewired(0, 1, "missing"),
    "an output that nobody makes": makes(4, "elsewhere"),
    "a value that is made twice": makes(1, "c"),
    "a weight that a node makes again": makes(1, "k"),
    "the image made by a node": makes(1, "x"),
    "a weight that is there twice": changed(lambda model: model.graph.initializer.append(model.graph.initializer[0])),
    "an output that is there twice": changed(lambda model: model.graph.output.append(model.graph.output[0])),
    "an input that is there twice": changed(lambda model: model.graph.input.append(model.graph.input[0])),
    "a weight without a name": tensor_says(lambda tensor: tensor.ClearField("name")),
    "operators of one name": node_says(1, name="Conv_c"),
    "a node without an operator": node_says(1, op_type=""),
    "a node without outputs": changed(lambda model: model.graph.node[1].ClearField("output")),
    "no nodes": changed(lambda model: clear(model, "node")),
    "no graph": changed(lambda model: model.ClearField("graph")),
    "an unknown operator": node_says(1, op_type="Frobnicate"),
    "an operator with a name of a kilobyte": node_says(1, op_type="Relu" * 300),
    **{f"opset {opset}": opsets(("", opset)) for opset in (-1, 0, 1, 2, 3, 4, 5, 6, 999, 1 << 60)},
    "no opset": opsets(),
    "two opsets": opsets(("", 7), ("ai.onnx", 17)),
    "opsets of others alone": opsets(("ai.onnx.ml", 3)),
    "an absurd IR version": changed(lambda model: setattr(model, "ir_version", 9999)),
    "no IR version": changed(lambda model: model.ClearField("ir_version")),
    "an attribute of another type": with_attribute(0, "kernel_shape", "three"),
    "an attribute that is a number instead of several": with_attribute(0, "strides", 2),
    "an attribute nobody knows": with_attribute(1, "evil", 1),
    "an attribute without a type": changed(
        lambda model: model.graph.node[0].attribute.append(AttributeProto(name="group", i=1))
    ),
    "an attribute of a node around it": changed(
        lambda model: model.graph.node[0].attribute.append(
            AttributeProto(name="group", ref_attr_name="g", type=AttributeProto.INT)
        )
    ),
}

# --- numbers that lie ------------------------------------------------------------------------------------------------


def constant_of(change):
    value = tensor_of("v", floats(4, 3, 3, 3))
    change(value)
    nodes = [("Constant", [], ["k"], {"value": value}), CONV, ("Relu", ["c"], ["r"], {}), *TAIL]
    return lambda: content_of(nodes, {name: WEIGHTS[name] for name in "wb"})


NUMBERS = {
    "a giant dimension": dims(1 << 40, 3, 3, 3),
    "dimensions whose product overflows": dims(1 << 32, 1 << 32, 3, 3),
    "the largest dimension, and none": dims((1 << 63) - 1, (1 << 63) - 1, 0, 3),
    "a negative dimension": dims(-4, 3, 3, 3),
    "two negative dimensions": dims(-4, -3, 3, 3),
    "a dimension of zero": dims(0, 3, 3, 3),
    "a scalar": dims(),
    "more bytes than its size": dims(3, 3, 3, 3),
    "fewer bytes than its size": dims(5, 3, 3, 3),
    "one byte too few": tensor_says(lambda tensor: setattr(tensor, "raw_data", tensor.raw_data[:-1])),
    "weights for no channels": tensor_says(
        lambda tensor: (tensor.dims.__setitem__(0, 0), tensor.ClearField("raw_data"))
    ),
    "no numbers at all": tensor_says(lambda tensor: tensor.ClearField("raw_data")),
    "two kinds of numbers": tensor_says(lambda tensor: tensor.float_data.extend([1.0])),
    "too few float numbers": numbers(TensorProto.FLOAT, "float_data", [1.0, 2.0]),
    "int32 numbers where floats should be": numbers(TensorProto.FLOAT, "int32_data", [1] * 108),
    "a type that does not exist": tensor_says(lambda tensor: setattr(tensor, "data_type", 99)),
    "no type": tensor_says(lambda tensor: setattr(tensor, "data_type", 0)),
    "weights of text": numbers(TensorProto.STRING, "string_data", [b"one"] * 108),
    "complex weights": numbers(TensorProto.COMPLEX64, "float_data", [1.0] * 216),
    "weights of eight bits": numbers(TensorProto.INT8, "int32_data", [1] * 108),
    "weights of four bits": numbers(TensorProto.INT4, "int32_data", [1] * 54),
    "sparse weights": changed(sparse),
    "weights in segments": tensor_says(lambda tensor: tensor.segment.MergeFrom(TensorProto.Segment(begin=0, end=9))),
    "a constant that lies": constant_of(lambda tensor: tensor.dims.__setitem__(0, 1 << 40)),
    "a constant of negative size": constant_of(lambda tensor: tensor.dims.__setitem__(0, -4)),
    "a constant with few numbers": constant_of(lambda tensor: setattr(tensor, "raw_data", bytes(8))),
    "a constant of text": lambda: content_of(
        [("Constant", [], ["k"], {"value_string": b"k"}), CONV, ("Relu", ["c"], ["r"], {}), *TAIL],
        {name: WEIGHTS[name] for name in "wb"},
    ),
    "a weight that is NaN": weight_with(np.nan),
    "a weight that is infinite": weight_with(np.inf),
    "a weight that is minus infinity": weight_with(-np.inf),
}

# --- inputs and outputs ----------------------------------------------------------------------------------------------

SEQUENCE = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [1, 3, 8, 8]))
ENDS = {
    "two inputs": changed(with_a_bias_given_too),
    "two outputs": changed(lambda model: second(model, "output")),
    "no input": changed(lambda model: clear(model, "input")),
    "no output": changed(lambda model: clear(model, "output")),
    "an input of three dimensions": input_says(is_=(TensorProto.FLOAT, [3, 8, 8])),
    "an input of five dimensions": input_says(is_=(TensorProto.FLOAT, ["N", 3, 1, 8, 8])),
    "an input without dimensions": input_says(is_=(TensorProto.FLOAT, [])),
    "an input without a shape": input_says(is_=(TensorProto.FLOAT, None)),
    "an input without a type": changed(lambda model: model.graph.input[0].ClearField("type")),
    "an input of integers": input_says(is_=(TensorProto.INT64, ["N", 3, 8, 8])),
    "an input of bytes": input_says(is_=(TensorProto.UINT8, ["N", 3, 8, 8])),
    "an input of doubles": input_says(is_=(TensorProto.DOUBLE, ["N", 3, 8, 8])),
    "an input of halves": input_says(is_=(TensorProto.FLOAT16, ["N", 3, 8, 8])),
    "an input of text": input_says(is_=(TensorProto.STRING, ["N", 3, 8, 8])),
    "a sequence of images": typed(SEQUENCE),
    "an optional image": typed(helper.make_optional_type_proto(helper.make_tensor_type_proto(1, [1, 3, 8, 8]))),
    "a sparse image": typed(helper.make_sparse_tensor_type_proto(1, [1, 3, 8, 8])),
    "an unknown height": changed(lambda model: None, shape=(3, "h", 8)),
    "an unknown height and width": changed(lambda model: None, shape=(3, None, None)),
    "an unknown number of channels": changed(lambda model: None, shape=(None, 8, 8)),
    "a height of zero": changed(lambda model: None, shape=(3, 0, 8)),
    "a negative height": changed(lambda model: None, shape=(3, -8, 8)),
    "images of a terapixel": changed(lambda model: None, shape=(3, 1 << 20, 1 << 20)),
    "images of 2^62 pixels": changed(lambda model: None, shape=(3, 1 << 31, 1 << 31)),
    "a billion channels": changed(lambda model: None, shape=(1 << 30, 8, 8)),
    "other channels than it takes": changed(lambda model: None, shape=(4, 8, 8)),
    "images smaller than the kernel": changed(lambda model: None, shape=(3, 2, 2)),
    "four images at a time": changed(lambda model: None, batch=4),
    "a map as its answer": lambda: content_of([("Conv", ["x", "k"], ["y"], {})], {"k": WEIGHTS["k"]}),
    "three dimensions of answers": ending(("Unsqueeze", ["z", "at"], ["y"], {}), weights={"at": whole(1)}),
    "one number for all images": ending(("ReduceMean", ["z"], ["y"], {"keepdims": 0})),
    "one number an image": ending(("ReduceMean", ["z"], ["y"], {"axes": [1], "keepdims": 0})),
    "one class": ending(("ReduceMean", ["z"], ["y"], {"axes": [1], "keepdims": 1})),
    "images and classes exchanged": ending(("Transpose", ["z"], ["y"], {"perm": [1, 0]})),
    "an answer that is the image": changed(lambda model: model.graph.output[0].CopyFrom(model.graph.input[0])),
    "an answer that is a weight": changed(lambda model: setattr(model.graph.output[0], "name", "w")),
    "an answer that does not depend on the image": lambda: content_of(
        [("Gemm", ["w", "v", "b"], ["y"], {})], {"w": floats(1, 4), "v": floats(4, 5), "b": floats(5)}, batch=1
    ),
    "an answer that depends on the image's size alone": lambda: content_of(
        [("Shape", ["x"], ["s"], {}), ("Cast", ["s"], ["f"], {"to": 1}), ("Reshape", ["f", "one"], ["y"], {})],
        {"one": whole(1, 4)},
        batch=1,
        classes=4,
    ),
    "an answer that is NaN": ending(
        ("Mul", ["z", "nothing"], ["n"], {}), ("Div", ["n", "n"], ["y"], {}), weights={"nothing": np.float32(0)}
    ),
    "an answer that is infinite": ending(("Div", ["z", "n"], ["y"], {}), weights={"n": np.float32(0)}),
    "the class's number as its answer": ending(("ArgMax", ["z"], ["y"], {"axis": 1, "keepdims": 0})),
    "a Hardmax at the end": ending(("Hardmax", ["z"], ["y"], {"axis": 1})),
    "the best classes as its answer": ending(("TopK", ["z", "two"], ["y", "which"], {}), weights={"two": whole(2)}),
    "text as its answer": ending(("Cast", ["z"], ["y"], {"to": TensorProto.STRING})),
    "whole numbers as its answer": ending(("Cast", ["z"], ["y"], {"to": TensorProto.INT64})),
}

# --- what is made of little ------------------------------------------------------------------------------------------


def constant(*nodes, **weights):
    """Constants that come to `big`, which is multiplied by nothing and added to what is pooled."""
    nodes = [
        *nodes,
        ("ReduceMax", ["big"], ["most"], {"keepdims": 0}),
        CONV,
        ("Add", ["c", "most"], ["r"], {}),
        *TAIL,
    ]
    return lambda: content_of(nodes, WEIGHTS | weights)


ONE = np.ones(1, np.float32)
HUGE = whole(1 << 20, 1 << 10, 1 << 10)

BOMBS = {
    "a constant of 4 TB": constant(("ConstantOfShape", ["n"], ["big"], {}), n=HUGE),
    "a constant expanded to 4 TB": constant(
        ("Expand", ["one", "n"], ["e"], {}), ("Add", ["e", "e"], ["big"], {}), one=ONE, n=HUGE
    ),
    "a constant tiled to 4 TB": constant(("Tile", ["one", "n"], ["big"], {}), one=ONE, n=whole(1 << 40)),
    "numbers up to 2^40": constant(
        ("Range", ["from", "n", "step"], ["big"], {}),
        **{"from": np.int64(0), "n": np.int64(1 << 40), "step": np.int64(1)},
    ),
    "a constant padded to 4 TB": constant(
        ("Pad", ["one", "n", "zero"], ["big"], {}), one=ONE, n=whole(0, 1 << 40), zero=np.float32(0)
    ),
    "a map padded to 4 TB": between(
        ("Pad", ["c", "n"], ["r"], {}), weights={"n": whole(0, 0, 0, 0, 0, 0, 1 << 20, 1 << 20)}
    ),
    "a map resized to 4 TB": between(
        ("Resize", ["c", "", "n"], ["r"], {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
        weights={"n": np.array([1, 1, 1 << 17, 1 << 17], np.float32)},
    ),
    "a map expanded to 4 TB": between(
        ("GlobalAveragePool", ["c"], ["p"], {}),
        ("Expand", ["p", "n"], ["e"], {}),
        ("Relu", ["e"], ["r"], {}),
        weights={"n": whole(1, 4, 1 << 20, 1 << 20)},
    ),
    "a convolution padded to 4 TB": with_attribute(0, "pads", [1 << 19] * 4),
    "pads of 2^60": with_attribute(0, "pads", [1 << 60] * 4),
}
SLOW_BOMBS = {
    "a constant of 8 GB": constant(("ConstantOfShape", ["n"], ["big"], {}), n=whole(2, 1 << 10, 1 << 10, 1 << 10)),
    "a map that grows with each layer": between(
        *(
            ("Upsample", ["c" if i == 0 else f"u{i}", "n"], ["r" if i == 7 else f"u{i + 1}"], {"mode": "nearest"})
            for i in range(8)
        ),
        weights={"n": np.array([1, 1, 4, 4], np.float32)},
        opset=9,
    ),
}
"""Which would be made if there were the memory: for the child process alone."""

# --- operators -------------------------------------------------------------------------------------------------------

NORM = {"s": floats(4), "o": floats(4), "m": floats(4), "v": np.abs(floats(4)) + 1}
CODES = {"scale": np.float32(0.1), "point": np.uint8(128), "q": np.ones((4, 3, 3, 3), np.uint8)}
OPERATORS = {
    "batch norm in training mode": between(
        ("BatchNormalization", ["c", *NORM], ["r", "m2", "v2"], {"training_mode": 1}), weights=NORM
    ),
    "batch norm in training mode, opset 9": between(
        ("BatchNormalization", ["c", *NORM], ["r", "m2", "v2", "m3", "v3"], {}), weights=NORM, opset=9
    ),
    "dropout in training mode": between(
        ("Dropout", ["c", "half", "yes"], ["r"], {}), weights={"half": np.float32(0.5), "yes": np.array(True)}
    ),
    "a dropout whose mask is used": between(
        ("Dropout", ["c"], ["d", "mask"], {}), ("Cast", ["mask"], ["f"], {"to": 1}), ("Mul", ["d", "f"], ["r"], {})
    ),
    "a value that is rounded": between(
        ("Cast", ["c"], ["i"], {"to": TensorProto.INT32}), ("Cast", ["i"], ["r"], {"to": 1})
    ),
    "the places of the largest": between(
        ("MaxPool", ["c"], ["p", "places"], {"kernel_shape": [2, 2]}),
        ("Cast", ["places"], ["f"], {"to": 1}),
        ("Mul", ["p", "f"], ["r"], {}),
    ),
    "random numbers": between(("RandomNormalLike", ["c"], ["n"], {}), ("Add", ["c", "n"], ["r"], {})),
    "random constants": between(("RandomUniform", [], ["n"], {"shape": [1, 4, 6, 6]}), ("Add", ["c", "n"], ["r"], {})),
    "a quantized convolution": lambda: content_of(
        [
            ("QuantizeLinear", ["x", "scale", "point"], ["u"], {}),
            ("ConvInteger", ["u", "q", "point"], ["i"], {}),
            ("Cast", ["i"], ["r"], {"to": 1}),
            *TAIL,
        ],
        WEIGHTS | CODES,
    ),
    "a quantized network": lambda: content_of(
        [
            ("QuantizeLinear", ["x", "scale", "point"], ["u"], {}),
            (
                "QLinearConv",
                ["u", "scale", "point", "q", "scale", "point", "scale", "point"],
                ["i"],
                {},
            ),
            ("DequantizeLinear", ["i", "scale", "point"], ["r"], {}),
            *TAIL,
        ],
        WEIGHTS | CODES,
    ),
    "dynamically quantized": between(
        ("DynamicQuantizeLinear", ["c"], ["u", "us", "up"], {}), ("DequantizeLinear", ["u", "us", "up"], ["r"], {})
    ),
    "a convolution of no strides": with_attribute(0, "strides", [0, 0]),
    "a convolution of negative strides": with_attribute(0, "strides", [-1, -1]),
    "a convolution in no groups": with_attribute(0, "group", 0),
    "a convolution in too many groups": with_attribute(0, "group", 1 << 40),
    "a convolution of three strides": with_attribute(0, "strides", [1, 1, 1]),
    "negative pads": with_attribute(0, "pads", [-9, -9, -9, -9]),
    "a giant dilation": with_attribute(0, "dilations", [1 << 40, 1]),
    "pooling over nothing": between(("MaxPool", ["c"], ["r"], {"kernel_shape": [0, 0]})),
    "pooling over more than there is": between(("AveragePool", ["c"], ["r"], {"kernel_shape": [1 << 30, 9]})),
    "a convolution in one dimension": lambda: content_of(
        [("Conv", ["x", "k"], ["r"], {}), *TAIL], {**WEIGHTS, "k": floats(4, 3, 3)}
    ),
    "a transposed convolution of different strides": between(
        ("ConvTranspose", ["c", "t"], ["r"], {"strides": [1, 2]}), weights={"t": floats(4, 4, 2, 2)}
    ),
    "a transposed convolution of giant strides": between(
        ("ConvTranspose", ["c", "t"], ["r"], {"strides": [1 << 24, 1 << 24]}), weights={"t": floats(4, 4, 2, 2)}
    ),
    "a giant block": between(("DepthToSpace", ["c"], ["r"], {"blocksize": 1 << 40})),
    "a group norm of no groups": between(
        ("GroupNormalization", ["c", "b4", "b4"], ["r"], {"num_groups": -3}), weights={"b4": floats(4)}
    ),
    "a convolution whose weights depend on the image": lambda: content_of(
        [("Conv", ["x", "x"], ["c"], {}), ("Relu", ["c"], ["r"], {}), *TAIL], WEIGHTS
    ),
    "a recurrent layer": between(
        ("LSTM", ["c", "lw", "lr"], ["r"], {"hidden_size": 2}), weights={"lw": floats(1, 8, 6), "lr": floats(1, 8, 2)}
    ),
    "a reshape to more numbers": between(("Reshape", ["c", "n"], ["r"], {}), weights={"n": whole(-1, 7, 7, 7)}),
    "a reshape to giant sizes": between(
        ("Reshape", ["c", "n"], ["r"], {}), weights={"n": whole(1 << 62, 1 << 62, 1, 1)}
    ),
    "a reshape that mixes images": between(("Reshape", ["c", "n"], ["r"], {}), weights={"n": whole(1, -1, 6, 6)}),
    "a transposition of dimensions that are not there": between(("Transpose", ["c"], ["r"], {"perm": [0, 1, 2, 9]})),
    "a concatenation along nothing": between(("Concat", ["c", "c"], ["r"], {"axis": 77})),
    "a choice beyond the end": between(("Gather", ["c", "n"], ["r"], {"axis": 1}), weights={"n": whole(99)}),
    "a slice that goes backwards": between(
        ("Slice", ["c", "a", "e", "d", "t"], ["r"], {}),
        weights={"a": whole(9), "e": whole(-99), "d": whole(2), "t": whole(-1)},
    ),
    "a sum of what does not fit": between(("Add", ["c", "n"], ["r"], {}), weights={"n": floats(7)}),
    "an equation that is none": between(
        ("Einsum", ["c"], ["r"], {"equation": "__import__('os').system('touch evil')"})
    ),
    "a comparison": between(
        ("Greater", ["c", "n"], ["g"], {}), ("Cast", ["g"], ["r"], {"to": 1}), weights={"n": np.float32(0)}
    ),
    "a division of whole numbers by zero": constant(
        ("Div", ["one", "none"], ["d"], {}), ("Cast", ["d"], ["big"], {"to": 1}), one=whole(1), none=whole(0)
    ),
}

HOSTILE = {**OTHER_FORMATS, **NOT_WELL_FORMED, **NUMBERS, **ENDS, **BOMBS, **OPERATORS}

IN_A_CHILD = "numbers in a file above", "a constant of 4 TB", "a quantized network"
"""Of different kinds, for the real child process."""

# --- odd but good ----------------------------------------------------------------------------------------------------


def exported(opset, **options):
    """As torch's own exporter writes it."""

    def make():
        torch.manual_seed(0)
        norm = nn.BatchNorm2d(4)
        norm.running_mean, norm.running_var = torch.randn(4), torch.rand(4) + 0.5
        network = nn.Sequential(
            *(nn.Conv2d(3, 4, 3, padding=1), norm, nn.Hardtanh(0, 6), nn.MaxPool2d(2, ceil_mode=True)),
            *(nn.Conv2d(4, 4, 3, groups=2, dilation=2, padding=2), nn.SiLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()),
            *(nn.Dropout(), nn.Linear(16, 5)),
        ).eval()
        file = io.BytesIO()
        names = {"input_names": ["x"], "output_names": ["y"]}
        torch.onnx.export(
            network, (torch.zeros(1, 3, 8, 8),), file, opset_version=opset, dynamo=False, **names, **options
        )
        return file.getvalue()

    return make


ANY_NUMBER = {"dynamic_axes": {"x": {0: "batch"}, "y": {0: "batch"}}}
EXPORTED = {
    **{f"opset {opset} by torch": exported(opset, **ANY_NUMBER) for opset in (9, 11, 13, 15, 17, 18, 20)},
    **{f"opset {opset} by torch, one image": exported(opset) for opset in (9, 17)},
    **{f"opset {opset} by torch, nothing folded": exported(opset, do_constant_folding=False) for opset in (9, 17)},
    "by torch, with batch norms": exported(13, training=torch.onnx.TrainingMode.PRESERVE, **ANY_NUMBER),
    "by torch, weights as inputs": exported(13, keep_initializers_as_inputs=True, **ANY_NUMBER),
}


def renamed(change):
    """A good network with other names for its layers, values and weights."""

    def make():
        model = good()
        graph = model.graph
        for number, node in enumerate(graph.node):
            node.name = change(node.name, number)
            node.input[:] = [change(name, number) if name in WEIGHTS else name for name in node.input]
            used = dict(zip(WEIGHTS, WEIGHTS, strict=True))
        for tensor in graph.initializer:
            number = next(n for n, node in enumerate(graph.node) if change(tensor.name, n) in node.input)
            tensor.name = change(used[tensor.name], number)
        return model.SerializeToString()

    return make


def called(*words):
    return lambda name, number: f"{words[number]}.{name}" if name in WEIGHTS else words[number]


def with_weights_as_inputs(model):
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))


def with_words(model):
    model.doc_string = model.graph.doc_string = "Ein Netz.\n" * 100
    model.producer_name, model.domain = "someone/1.0", "de.uni"
    model.metadata_props.add(key="classes", value='["Äpfel", "Öl"]')
    model.graph.value_info.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, ["N", 4, 6, 6]))


def with_dead_ends(model):
    model.graph.initializer.extend([tensor_of("unused", floats(9, 9)), tensor_of("text", whole(1, 2))])
    model.graph.node.append(helper.make_node("Sigmoid", ["c"], ["nobody"], name="dead"))


def as_typed_numbers(tensor):
    tensor.float_data.extend(numpy_helper.to_array(tensor).ravel().tolist())
    tensor.ClearField("raw_data")


def constants_as_weights():
    nodes = [("Constant", [], [name], {"value": tensor_of(name, values)}) for name, values in WEIGHTS.items()]
    return content_of([*nodes, CONV, ("Relu", ["c"], ["r"], {}), *TAIL])


def in_halves():
    """Weights of 16 bits, which the graph itself makes float32."""
    nodes = [("Cast", [f"{name}16"], [name], {"to": 1}) for name in WEIGHTS]
    weights = {f"{name}16": values.astype(np.float16) for name, values in WEIGHTS.items()}
    return content_of([*nodes, CONV, ("Relu", ["c"], ["r"], {}), *TAIL], weights)


def convolved(shape=(4, 3, 3, 3), **told):
    """A good network whose convolution is told something."""
    nodes = [("Conv", ["x", "k"], ["c"], told), ("Relu", ["c"], ["r"], {}), *TAIL]
    return lambda: content_of(nodes, {**WEIGHTS, "k": floats(*shape), "w": floats(5, shape[0])}, shape=(4, 8, 8))


def gemm(*shape, shift=(5,), **told):
    nodes = [CONV, ("Relu", ["c"], ["r"], {}), *TAIL[:2], ("Gemm", ["flat", "w", "b"], ["y"], told)]
    return lambda: content_of(nodes, {**WEIGHTS, "w": floats(*shape), "b": floats(*shift)})


def chain(length, kind="Identity"):
    names = ["c", *(f"i{number}" for number in range(1, length)), "r"]
    return between(*((kind, [one], [other], {}) for one, other in itertools.pairwise(names)))


ODD = {
    **EXPORTED,
    "weights as inputs too": changed(with_weights_as_inputs),
    "an input that nothing reads": changed(lambda model: second(model, "input")),
    "a chain of nothing": chain(30),
    "a hundred layers": chain(100, "Relu"),
    "constants as weights": constants_as_weights,
    "weights in float numbers": tensor_says(as_typed_numbers),
    "weights of 16 bits": in_halves,
    "a weight of doubles": between(
        ("Cast", ["d"], ["f"], {"to": 1}), ("Mul", ["c", "f"], ["r"], {}), weights={"d": np.ones((4, 1, 1)) / 3}
    ),
    "a transposed matrix": gemm(4, 5),
    "a transposed convolution": between(
        ("ConvTranspose", ["c", "t"], ["r"], {"strides": [2, 2]}), weights={"t": floats(4, 4, 3, 3)}
    ),
    "a matrix times a number": gemm(5, 4, transB=1, alpha=0.5, beta=2.0),
    "one shift for all": gemm(5, 4, shift=(1,), transB=1),
    "weights and layers that nobody reads": changed(with_dead_ends),
    "names with slashes, dots and spaces": renamed(lambda name, n: f"/model/layer {n}.{name}:0"),
    "names with umlauts": renamed(lambda name, n: f"größe.{n}.{name}"),
    "names with ligatures": renamed(lambda name, n: f"ﬁlter²{name}{n}"),
    "names that are Python's words": renamed(called("class", "for", "None", "lambda", "if")),
    "names that are torch's words": renamed(called("forward", "weight", "training", "x", "_modules")),
    "names of numbers": renamed(lambda name, n: f"{n}" if name not in WEIGHTS else f"{n}.{name}"),
    "names without a letter": renamed(lambda name, n: "/" * n if name not in WEIGHTS else f"//{name}"),
    "names that run programs": renamed(lambda name, n: f"x=__import__('os').system('touch evil')#{name}{n}"),
    "names of a thousand folders": node_says(1, name="a." * 1000 + "b"),
    "no names": changed(lambda model: [node.ClearField("name") for node in model.graph.node]),
    "words about it": changed(with_words),
    "opset 7": changed(with_weights_as_inputs, opset=7, version=3),
    "opset 8": changed(with_weights_as_inputs, opset=8, version=3),
    "opset 21": changed(lambda model: None, opset=21, version=10),
    "one image": changed(lambda model: None, batch=1),
    "an unnamed number of images": changed(lambda model: None, batch=None),
    "a grouped convolution": convolved((4, 2, 3, 3), group=2),
    "a convolution for each channel": convolved((8, 1, 3, 3), group=4),
    "a dilated convolution": convolved((4, 4, 3, 3), dilations=[2, 3]),
    "pads that differ": convolved((4, 4, 3, 3), pads=[2, 0, 1, 3], strides=[2, 1]),
    "pads of the same size": convolved((4, 4, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2]),
    "no pads by name": convolved((4, 4, 3, 3), auto_pad="VALID"),
    "a mean with pads": between(
        ("AveragePool", ["c"], ["r"], {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1})
    ),
    "a mean without pads": between(("AveragePool", ["c"], ["r"], {"kernel_shape": [3, 3], "pads": [1] * 4})),
    "a mean with pads that differ": between(
        ("AveragePool", ["c"], ["r"], {"kernel_shape": [3, 3], "pads": [0, 1, 2, 1], "count_include_pad": 1})
    ),
    "a largest value with pads that differ": between(
        ("MaxPool", ["c"], ["r"], {"kernel_shape": [3, 3], "pads": [0, 1, 2, 1], "strides": [2, 2]})
    ),
    "a largest value beyond the border": between(
        ("MaxPool", ["c"], ["r"], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1})
    ),
    "a batch norm by itself": between(("BatchNormalization", ["c", *NORM], ["r"], {"epsilon": 1e-3}), weights=NORM),
    "a reshape by 0 and -1": between(
        ("Reshape", ["c", "n"], ["t"], {}),
        ("Reshape", ["t", "m"], ["r"], {}),
        weights={"n": whole(0, 4, -1), "m": whole(0, 0, 6, 6)},
    ),
    "a reshape as a constant": between(
        ("Constant", [], ["n"], {"value": tensor_of("n", whole(-1, 4, 12, 3))}), ("Reshape", ["c", "n"], ["r"], {})
    ),
    "a mean over places": between(("ReduceMean", ["c"], ["r"], {"axes": [-2, -1], "keepdims": 1})),
    "a sum of three": between(("Relu", ["c"], ["q"], {}), ("Sum", ["c", "q", "c"], ["r"], {})),
    "a softmax at the end": ending(("Softmax", ["z"], ["y"], {"axis": 1})),
    "a softmax of opset 9": ending(("Softmax", ["z"], ["y"], {}), opset=9),
    "a logarithm of a softmax at the end": ending(("LogSoftmax", ["z"], ["y"], {"axis": -1})),
    "a sigmoid at the end": ending(("Sigmoid", ["z"], ["y"], {})),
    "channels shuffled": between(
        *(("Reshape", ["c", "a"], ["s"], {}), ("Transpose", ["s"], ["t"], {"perm": [0, 2, 1, 3, 4]})),
        ("Reshape", ["t", "e"], ["r"], {}),
        weights={"a": whole(-1, 2, 2, 6, 6), "e": whole(-1, 4, 6, 6)},
    ),
    "two ways that meet": between(
        *(("Split", ["c"], ["l", "m"], {"axis": 1}), ("Concat", ["m", "l"], ["r"], {"axis": 1}))
    ),
    "sizes that are computed": between(
        ("Shape", ["c"], ["s"], {}),
        ("Gather", ["s", "first"], ["n"], {}),
        ("Unsqueeze", ["n", "first"], ["u"], {}),
        ("Concat", ["u", "rest"], ["to"], {"axis": 0}),
        ("Reshape", ["c", "to"], ["r"], {}),
        weights={"first": np.array(0), "rest": whole(4, 4, 9)},
    ),
}
