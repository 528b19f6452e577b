"""ONNX files as others write them: what the module answers is what ONNX Runtime makes of the file."""

import io

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from compression.engine.files.export import to_onnx
from compression.engine.network.form import weighted_layers
from compression.engine.network.onnx_reader import has_channels_last, read_onnx
from compression.engine.network.tracing import trace
from compression.engine.primitives.channels import channel_groups, remove_units
from compression.errors import UnsupportedModel
from tests.support import token_networks
from tests.support.networks import images, network


def runtime(model, x):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    return torch.from_numpy(found)


def assert_read(model, *, batch=2):
    """The graph that is read answers like the file, image by image where the file takes one at a time."""
    module, shape = read_onnx(model)
    graph = trace(module, shape)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    sizes = [size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    turned = x.permute(0, 2, 3, 1).contiguous() if has_channels_last(sizes) else x
    expected = torch.cat([runtime(model, part.numpy()) for part in turned.split(batch)])
    largest = expected.abs().max().item()
    torch.testing.assert_close(graph(x), expected, rtol=1e-4, atol=1e-5 * largest)
    return graph


@pytest.mark.parametrize("name", ["mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k"])
def test_a_sample_comes_back_as_it_was(name):
    given = network(name)
    graph = assert_read(to_onnx(given))
    x = images(given, 2)
    torch.testing.assert_close(graph(x), given(x), rtol=1e-4, atol=1e-4)
    assert len(weighted_layers(graph)) == len(weighted_layers(given))


@pytest.mark.parametrize("name", token_networks.NETWORKS)
def test_attention_windows_and_shuffles_are_read_and_their_channels_go(name):
    graph = assert_read(to_onnx(trace(token_networks.network(name), token_networks.SHAPE)))
    groups = channel_groups(graph)
    smaller, _ = remove_units(graph, [group[0] for group in groups if len(group) > 1])
    assert groups and smaller(torch.zeros(2, *token_networks.SHAPE)).shape == (2, 3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("free", [{}, {"dynamic_axes": {"x": [0]}}])
@pytest.mark.parametrize("name", token_networks.NETWORKS)
def test_a_file_that_torch_writes_becomes_the_graph_of_the_module(name, free):
    """Attention's heads and the widths of what is behind it go as they do there."""
    module, file = token_networks.network(name), io.BytesIO()
    images = torch.zeros(1, *token_networks.SHAPE)
    torch.onnx.export(module, (images,), file, dynamo=False, opset_version=17, input_names=["x"], **free)
    graph = assert_read(onnx.load_from_string(file.getvalue()), batch=2 if free else 1)
    groups, expected = (sorted(map(len, channel_groups(one))) for one in (graph, trace(module, images.shape[1:])))
    assert groups == expected


# --- graphs by hand --------------------------------------------------------------------------------------------------


RANDOM = np.random.default_rng(0)


def graph_of(nodes, weights, *, opset=17, batch="N", shape=(3, 8, 8), classes=5):
    """`nodes` are (operator, inputs, outputs, attributes); `x` goes in, and `y` comes out."""
    tensors = [numpy_helper.from_array(np.asarray(values), name) for name, values in weights.items()]
    graph = helper.make_graph(
        [helper.make_node(kind, given, made, name=f"{kind}_{made[0]}", **told) for kind, given, made, told in nodes],
        "by hand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, classes])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def floats(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def classified(value, channels, nodes, weights, **settings):
    """The mean of a map, and logits of it."""
    tail = [
        ("GlobalAveragePool", [value], ["pooled"], {}),
        ("Flatten", ["pooled"], ["flat"], {}),
        ("Gemm", ["flat", "out.weight", "out.bias"], ["y"], {"transB": 1}),
    ]
    more = {"out.weight": floats(5, channels), "out.bias": floats(5)}
    return graph_of([*nodes, *tail], weights | more, **settings)


@pytest.mark.parametrize("side", ["SAME_UPPER", "SAME_LOWER"])
def test_a_network_as_tensorflow_writes_it(side):
    """Channels last, turned around for each convolution; padding by name; weights of a matrix product the other way."""
    nodes = [
        ("Transpose", ["x"], ["map"], {"perm": [0, 3, 1, 2]}),
        ("Conv", ["map", "k"], ["c"], {"auto_pad": side, "strides": [2, 2], "kernel_shape": [3, 3]}),
        ("Transpose", ["c"], ["last"], {"perm": [0, 2, 3, 1]}),
        ("Add", ["last", "bias"], ["shifted"], {}),
        ("Clip", ["shifted", "zero", "six"], ["r"], {}),
        ("Transpose", ["r"], ["again"], {"perm": [0, 3, 1, 2]}),
        ("MaxPool", ["again"], ["p"], {"auto_pad": side, "strides": [2, 2], "kernel_shape": [2, 2]}),
        ("ReduceMean", ["p"], ["m"], {"axes": [2, 3], "keepdims": 0}),
        ("MatMul", ["m", "dense/kernel"], ["d"], {}),
        ("Add", ["d", "dense/bias"], ["y"], {}),
    ]
    weights = {"k": floats(6, 3, 3, 3), "bias": floats(6), "dense/kernel": floats(6, 5), "dense/bias": floats(5)}
    limits = {"zero": np.float32(0), "six": np.float32(6)}
    graph = assert_read(graph_of(nodes, weights | limits, shape=(9, 9, 3)))
    assert [len(group) for group in channel_groups(graph)] == [6]


def test_pads_that_differ_and_batch_norm_that_was_not_folded():
    nodes = [
        ("Conv", ["x", "a.weight", "a.bias"], ["c"], {"pads": [1, 0, 0, 2], "group": 3}),
        ("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"], {"epsilon": 1e-3}),
        ("LeakyRelu", ["n"], ["l"], {"alpha": 0.1}),
        ("Dropout", ["l"], ["d"], {}),
        ("AveragePool", ["d"], ["p"], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ]
    weights = {"a.weight": floats(6, 1, 3, 3), "a.bias": floats(6), "s": floats(6), "b": floats(6), "m": floats(6)}
    graph = assert_read(classified("p", 6, nodes, weights | {"v": np.abs(floats(6)) + 0.5}))
    assert list(weighted_layers(graph)) == ["a", "out"]


@pytest.mark.parametrize(
    ("sizes", "is_layer"),
    [((1,), True), ((6, 1, 1), True), ((1, 6, 1, 1), True), ((8, 8), False), ((6, 8, 1), False)],
)
def test_slopes_below_zero(sizes, is_layer):
    """One, one a channel, which goes with it, or in any other shape."""
    nodes = [("Conv", ["x", "k"], ["c"], {"pads": [1, 1, 1, 1]}), ("PRelu", ["c", "slopes"], ["r"], {})]
    graph = assert_read(classified("r", 6, nodes, {"k": floats(6, 3, 3, 3), "slopes": floats(*sizes)}))
    assert any(isinstance(layer, nn.PReLU) for layer in graph.modules()) == is_layer
    assert sum(map(len, channel_groups(graph))) == 6


@pytest.mark.parametrize(("opset", "counted"), [(18, 2), (21, 6)])
def test_group_norm_has_numbers_of_groups_and_later_of_channels(opset, counted):
    nodes = [
        ("Conv", ["x", "k"], ["c"], {}),
        ("GroupNormalization", ["c", "scale", "bias"], ["n"], {"num_groups": 2, "epsilon": 0.01}),
        ("InstanceNormalization", ["n", "s", "b"], ["i"], {}),
    ]
    numbers = {"scale": floats(counted), "bias": floats(counted), "s": floats(6), "b": floats(6)}
    graph = assert_read(classified("i", 6, nodes, {"k": floats(6, 3, 3, 3)} | numbers, opset=opset))
    norms = [layer for layer in graph.modules() if isinstance(layer, nn.GroupNorm)]
    assert [(norm.num_groups, norm.num_channels) for norm in norms] == [(2, 6), (6, 6)]
    assert [len(group) for group in channel_groups(graph)] == [3]


def test_group_norm_as_torch_writes_it():
    """As many channels as there are groups, normalized each alone; then what each channel is multiplied with."""
    nodes = [
        ("Conv", ["x", "k"], ["c"], {}),
        ("Reshape", ["c", "groups"], ["g"], {}),
        ("InstanceNormalization", ["g", "one", "none"], ["n"], {}),
        ("Reshape", ["n", "map"], ["back"], {}),
        ("Mul", ["back", "scale"], ["m"], {}),
        ("Add", ["m", "bias"], ["y0"], {}),
    ]
    sizes = {"groups": np.array([0, 2, -1]), "map": np.array([-1, 6, 6, 6])}
    numbers = {"one": np.ones(2, np.float32), "none": np.zeros(2, np.float32), **sizes}
    affine = {"scale": floats(6, 1, 1), "bias": floats(6, 1, 1)}
    graph = assert_read(classified("y0", 6, nodes, {"k": floats(6, 3, 3, 3)} | numbers | affine))
    (norm,) = (layer for layer in graph.modules() if isinstance(layer, nn.GroupNorm))
    assert (norm.num_groups, norm.num_channels) == (2, 6)
    assert sum(one.numel() for one in graph.parameters()) == 6 * 27 + 2 * 6 + 6 * 5 + 5
    assert not any(node.op in ("call_function", "get_attr") for node in graph.graph.nodes)


@pytest.mark.parametrize("settings", [{}, {"mode": "DCR"}, {"mode": "CRD"}])
def test_depth_becomes_space_in_both_ways_and_space_depth(settings):
    nodes = [
        ("SpaceToDepth", ["x"], ["deep"], {"blocksize": 2}),
        ("Conv", ["deep", "k"], ["c"], {}),
        ("DepthToSpace", ["c"], ["wide"], {"blocksize": 2, **settings}),
    ]
    graph = assert_read(classified("wide", 3, nodes, {"k": floats(12, 12, 1, 1)}))
    assert [(len(group), len(group[0])) for group in channel_groups(graph)] == [(3, 5)]  # four outputs, one input


@pytest.mark.parametrize(
    "settings",
    [
        {"pads": [1, 0, 0, 1]},
        {"auto_pad": "SAME_UPPER"},
        {"auto_pad": "SAME_LOWER"},
        {"output_shape": [15, 16]},
        {"pads": [1, 1, 1, 1], "output_padding": [1, 1]},
    ],
)
def test_a_transposed_convolution_says_how_much_is_cut_off(settings):
    nodes = [("ConvTranspose", ["x", "k", "b"], ["c"], {"strides": [2, 2], "kernel_shape": [3, 3], **settings})]
    graph = assert_read(classified("c", 4, nodes, {"k": floats(3, 4, 3, 3), "b": floats(4)}))
    assert [(len(group), len(group[0])) for group in channel_groups(graph)] == [(4, 5)]


@pytest.mark.parametrize("opset", [7, 9, 11])
def test_old_opsets_say_things_elsewhere(opset):
    """Axes and limits as attributes, resizing by an operator that is gone."""
    clip = ("Clip", ["c"], ["r"], {"min": 0.0, "max": 6.0})
    grow = ("Upsample", ["r"], ["u"], {"mode": "nearest", "scales": [1.0, 1.0, 2.0, 2.0]})
    if opset >= 11:
        clip = ("Clip", ["c", "zero", "six"], ["r"], {})
        grow = ("Identity", ["r"], ["u"], {})
    elif opset == 9:
        grow = ("Upsample", ["r", "scales"], ["u"], {"mode": "nearest"})
    nodes = [
        ("Conv", ["x", "k"], ["c"], {}),
        clip,
        grow,
        ("Unsqueeze", ["b"], ["b2"], {"axes": [1, 2]}),
        ("Add", ["u", "b2"], ["s"], {}),
    ]
    settings = {"scales": np.array([1, 1, 2, 2], np.float32), "zero": np.float32(0), "six": np.float32(6)}
    weights = {"k": floats(4, 3, 3, 3), "b": floats(4)} | settings
    used = {name for _, given, _, _ in nodes for name in given}
    model = classified("s", 4, nodes, {name: values for name, values in weights.items() if name in used}, opset=opset)
    assert_read(model)


def test_numbers_of_the_kind_of_an_image_do_not_depend_on_it():
    nodes = [
        ("CastLike", ["one", "x"], ["like"], {}),
        ("Expand", ["like", "four"], ["shift"], {}),
        ("Conv", ["x", "k", "shift"], ["conv"], {}),
        ("CastLike", ["conv", "like"], ["same"], {}),
        ("Clip", ["same", "like"], ["c"], {}),
    ]
    weights = {"k": floats(4, 3, 3, 3), "one": np.array(1), "four": np.array([4])}
    assert_read(classified("c", 4, nodes, weights))


def test_a_file_for_one_image_takes_many():
    """Sizes that were written for one image: before heads, behind them, where the last one is left to the reader."""
    nodes = [
        ("Conv", ["x", "k"], ["c"], {"strides": [4, 4]}),
        ("Reshape", ["c", "to tokens"], ["t"], {}),
        ("Transpose", ["t"], ["rows"], {"perm": [0, 2, 1]}),
        ("MatMul", ["rows", "w"], ["h"], {}),
        ("Reshape", ["h", "to heads"], ["heads"], {}),
        ("Transpose", ["heads"], ["turned"], {"perm": [2, 0, 1, 3]}),
        ("Reshape", ["turned", "merged"], ["m"], {}),
        ("Softmax", ["m"], ["s"], {"axis": 2}),
        ("Reshape", ["s", "apart"], ["a"], {}),
        ("Transpose", ["a"], ["b"], {"perm": [1, 2, 0, 3]}),
        ("Reshape", ["b", "flat"], ["f"], {}),
        ("Gemm", ["f", "out.weight"], ["y"], {"transB": 1}),
    ]
    sizes = {"to tokens": [1, 6, -1], "to heads": [1, 4, 2, 3], "merged": [2, 4, 3], "apart": [2, 1, 4, 3]}
    shapes = {name: np.array(values, np.int64) for name, values in (sizes | {"flat": [1, 24]}).items()}
    weights = {"k": floats(6, 3, 4, 4), "w": floats(6, 6), "out.weight": floats(5, 24)}
    assert_read(graph_of(nodes, weights | shapes, batch=1), batch=1)
    mixed = {"merged": np.array([6, 4], np.int64), "apart": np.array([2, 1, 4, 3], np.int64)}
    nodes[7] = ("Softmax", ["m"], ["s"], {"axis": 1})
    with pytest.raises(UnsupportedModel, match="Reshape_m.* mixes images"):
        assert_read(graph_of(nodes, weights | shapes | mixed, batch=1), batch=1)


def test_tokens_may_come_first_in_a_file_for_one_image():
    """As multi-head attention has it: tokens × images × heads × features, and rows of the tokens of all images."""
    nodes = [
        ("Conv", ["x", "k"], ["c"], {"strides": [4, 4]}),
        ("Reshape", ["c", "to tokens"], ["t"], {}),
        ("Transpose", ["t"], ["first"], {"perm": [2, 0, 1]}),
        ("Reshape", ["first", "to heads"], ["heads"], {}),
        ("Transpose", ["heads"], ["turned"], {"perm": [1, 0, 2]}),
        ("Softmax", ["turned"], ["s"], {"axis": 1}),
        ("Reshape", ["s", "to images"], ["apart"], {}),
        ("Transpose", ["apart"], ["back"], {"perm": [2, 0, 1, 3]}),
        ("Reshape", ["back", "to rows"], ["rows"], {}),
        ("Gemm", ["rows", "w"], ["g"], {}),
        ("Reshape", ["g", "apart again"], ["again"], {}),
        ("Transpose", ["again"], ["images"], {"perm": [1, 0, 2]}),
        ("Expand", ["images", "as they are"], ["e"], {}),
        ("ReduceMean", ["e"], ["m"], {"axes": [1], "keepdims": 0}),
        ("Gemm", ["m", "out.weight"], ["y"], {"transB": 1}),
    ]
    sizes = {"to tokens": [1, 6, 4], "to heads": [4, 2, 3], "to images": [1, 2, 4, 3], "to rows": [4, 6]}
    sizes |= {"apart again": [4, 1, 6], "as they are": [1, 4, 6]}
    weights = {"k": floats(6, 3, 4, 4), "w": floats(6, 6), "out.weight": floats(5, 6)}
    assert_read(graph_of(nodes, weights | {name: np.array(one) for name, one in sizes.items()}, batch=1), batch=1)


@pytest.mark.parametrize("batch", ["N", 1])
def test_what_is_made_of_an_image_s_size_is_a_constant(batch):
    """A mask, written place by place into zeros of the map's size; and all of a value's numbers in their order."""
    nodes = [
        ("Conv", ["x", "k"], ["c"], {}),
        ("Shape", ["c"], ["s"], {}),
        ("Slice", ["s", "two", "four"], ["map"], {}),
        ("ConstantOfShape", ["map"], ["zeros"], {}),
        ("Gather", ["s", "three"], ["width"], {}),
        ("Unsqueeze", ["width", "zero"], ["w1"], {}),
        ("Expand", ["minus", "w1"], ["row"], {}),
        ("ScatterND", ["zeros", "at", "row"], ["mask"], {}),
        ("Add", ["c", "mask"], ["a"], {}),
        ("ReduceMean", ["a"], ["m"], {"axes": [2, 3], "keepdims": 0}),
        ("Reshape", ["m", "all"], ["f"], {}),
        ("Shape", ["f"], ["count"], {}),
        ("Squeeze", ["count", "zero"], ["end"], {}),
        ("Range", ["none", "end", "one"], ["places"], {}),
        ("Reshape", ["places", "to map"], ["p"], {}),
        ("Gather", ["f", "p"], ["g"], {}),
    ]
    numbers = {"two": [2], "four": [4], "three": 3, "zero": [0], "at": [[1]], "all": [-1], "none": 0, "one": 1}
    numbers |= {"to map": [-1, 4, 1, 1]}
    weights = {name: np.array(one) for name, one in numbers.items()} | {"minus": np.array([[-9]], np.float32)}
    model = classified("g", 4, nodes, {"k": floats(4, 3, 3, 3)} | weights, batch=batch)
    graph = assert_read(model, batch=2 if batch == "N" else 1)
    assert [len(group) for group in channel_groups(graph)] == [4]


@pytest.mark.parametrize("is_flat", [True, False])
def test_attention_is_one_operator_in_new_opsets(is_flat):
    sizes = {"flat": [0, 12, -1], "heads": [0, 4, 12, -1], "mask": np.tri(12) > 0}
    rows = {"rows": [0, 12, -1]} if not is_flat else {}
    nodes = [
        ("Conv", ["x", "k"], ["c"], {"strides": [4, 2]}),
        ("Reshape", ["c", "flat" if is_flat else "heads"], ["t"], {}),
        ("Attention", ["t", "t", "t", "mask"], ["a"], {"q_num_heads": 2, "kv_num_heads": 2} if is_flat else {}),
        *([] if is_flat else [("Reshape", ["a", "rows"], ["a3"], {})]),
        ("ReduceMean", ["a" if is_flat else "a3", "one"], ["m"], {"keepdims": 0}),
        ("Gemm", ["m", "out.weight"], ["y"], {"transB": 1}),
    ]
    weights = {"k": floats(8, 3, 3, 3), "one": np.array([1]), "out.weight": floats(5, 4)}
    assert_read(graph_of(nodes, weights | {n: np.array(v) for n, v in (sizes | rows).items()}, opset=23))


@pytest.mark.parametrize("axis", [1, -1])
def test_norms_by_the_root_mean_square_are_read(axis):
    nodes = [
        ("Conv", ["x", "k"], ["c"], {"strides": [4, 2]}),
        ("RMSNormalization", ["c", "scale"], ["n"], {"axis": axis, "epsilon": 0.1}),
    ]
    weights = {"k": floats(4, 3, 3, 3), "scale": floats(4, 2, 3) if axis == 1 else floats(3)}
    assert_read(classified("n", 4, nodes, weights, opset=23))


@pytest.mark.parametrize("told", [{}, {"alpha": 1.7}])
def test_swish_is_read(told):
    nodes = [("Conv", ["x", "k"], ["c"], {}), ("Swish", ["c"], ["s"], told)]
    assert_read(classified("s", 4, nodes, {"k": floats(4, 3, 3, 3)}, opset=24))


def test_numbers_made_for_each_image_must_be_the_same_for_all():
    nodes = [
        ("Shape", ["x"], ["s"], {}),
        ("Slice", ["s", "start", "stop"], ["n"], {}),
        ("ConstantOfShape", ["n"], ["ones"], {"value": numpy_helper.from_array(np.ones(1, np.float32))}),
        ("Reshape", ["ones", "column"], ["o"], {}),
        ("Add", ["x", "o"], ["sum"], {}),
    ]
    sizes = {"start": np.array([0]), "stop": np.array([1]), "column": np.array([-1, 1, 1, 1])}
    with pytest.raises(UnsupportedModel, match="depends on the number of images"):
        assert_read(classified("sum", 3, nodes, sizes))


def conv(**changes):
    return classified("c", 4, [("Conv", ["x", "k"], ["c"], {})], {"k": floats(4, 3, 3, 3)}, **changes)


def of_another_domain():
    model = conv()
    model.graph.node[0].domain = "com.microsoft"
    return model


def with_numbers_elsewhere():
    model = conv()
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    return model


def with_a_branch():
    model = conv()
    branch = helper.make_graph([], "then", [], [])
    model.graph.node.append(
        helper.make_node("If", ["flat"], ["z"], name="either", then_branch=branch, else_branch=branch)
    )
    return model


def with_two_outputs():
    model = conv()
    model.graph.output.append(model.graph.output[0])
    return model


REFUSED = {
    r"GridSample \(GridSample_g\) has no counterpart": lambda: classified(
        "g", 3, [("GridSample", ["x", "grid"], ["g"], {})], {"grid": floats(1, 4, 4, 2)}
    ),
    r"Conv \(Conv_c\) is an operator of com.microsoft": of_another_domain,
    "'k' lie in another file": with_numbers_elsewhere,
    r"If \(either\) holds a graph of its own": with_a_branch,
    "1 inputs and 2 outputs": with_two_outputs,
    "opset 6; 7 is the oldest": lambda: conv(opset=6),
    r"is \? × 3 × \? × 8": lambda: conv(shape=(3, "h", 8)),
    "takes 4 images at a time": lambda: conv(batch=4),
    "Pad_p.* mode 'reflect'": lambda: classified(
        "p", 3, [("Pad", ["x", "a"], ["p"], {"mode": "reflect"})], {"a": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    ),
    r"Conv \(Conv_c\) cannot be read": lambda: classified(
        "c", 4, [("Conv", ["x", "k"], ["c"], {})], {"k": floats(4, 2, 3, 3)}
    ),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_read_is_named(words):
    model = onnx.load_from_string(REFUSED[words]().SerializeToString())
    with pytest.raises(UnsupportedModel, match=words):
        trace(*read_onnx(model))
