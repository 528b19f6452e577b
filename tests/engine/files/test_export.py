from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, numpy_helper
from torch import nn
from torch.nn import functional

from compression.engine.files import export
from compression.engine.files.stored_file import decode, encode
from compression.engine.network.form import (
    ActivationQuantizer,
    DynamicQuantizer,
    module_of,
    restrict,
    weight_format,
    weighted_layers,
)
from compression.engine.network.grids import Affine, BrainFloat, Codebook
from compression.engine.network.tracing import trace
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.errors import UnsupportedModel
from tests.support import token_networks
from tests.support.networks import images, network, pruned, quantized, run, runtime_logits, with_quantizers

ALL = ["mlp-digits", "lenet300-mnist5k", "lenet5-mnist5k", "resnet8-mnist5k", "resnet20-fashion", "mobilenet-fashion"]
SMALL = ["mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k"]


def data(model):
    return export.to_onnx(model).SerializeToString(deterministic=True)


def runtime(model, x):
    return runtime_logits(data(model), x)


def assert_equal_to_torch(model, n=20):
    x = images(model, n)
    expected = run(model, x).numpy()
    np.testing.assert_allclose(runtime(model, x), expected, atol=1e-4 * max(1, np.abs(expected).max()))


def optimized_ops(model, folder):
    """Operators that ONNX Runtime really executes."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(data(model), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)


def initializers(model, data_type):
    found = export.to_onnx(model).graph.initializer
    return [numpy_helper.to_array(tensor) for tensor in found if tensor.data_type == data_type]


class TestFloat:
    @pytest.mark.parametrize("name", ALL)
    def test_equals_torch(self, name):
        assert_equal_to_torch(network(name))

    @pytest.mark.parametrize("name", SMALL)
    def test_is_valid_and_plain(self, name):
        model = export.to_onnx(network(name))
        onnx.checker.check_model(model, full_check=True)
        assert [(x.domain, x.version) for x in model.opset_import] == [("", 17)] and model.ir_version == 8
        assert not any(node.op_type == "BatchNormalization" or node.doc_string for node in model.graph.node)
        assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"

    def test_the_same_network_gives_the_same_bytes(self):
        assert data(network("resnet8-mnist5k")) == data(network("resnet8-mnist5k"))

    def test_leaves_the_network_alone(self):
        model = network("resnet8-mnist5k")
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        export.to_onnx(model)
        assert before.keys() == model.state_dict().keys()
        assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())

    def test_masked_weights_are_plain_zeros(self):
        weights = [w for w in initializers(pruned(network("mlp-digits"), 0.9), TensorProto.FLOAT) if w.ndim == 2]
        share = sum((w.view(np.uint32) == 0).sum() for w in weights) / sum(w.size for w in weights)
        assert share == pytest.approx(0.9, abs=0.02)  # all bits zero: no -0.0 among them


class Everything(nn.Module):
    """Every layer and function that can be written, with settings other than the defaults."""

    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(2)
        self.dilated = nn.Conv2d(2, 4, 3, stride=2, padding=(2, 1), dilation=(2, 1))
        self.same = nn.Conv2d(4, 4, 4, padding="same", groups=2, bias=False)
        self.valid = nn.Conv2d(4, 4, 1, padding="valid")
        self.pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.average = nn.AvgPool2d(2, 1, 1, count_include_pad=False)
        self.drop = nn.Dropout(0.5)
        self.layers = nn.Sequential(nn.ReLU6(), nn.Sigmoid(), nn.Tanh(), nn.ReLU())
        self.offset = nn.Parameter(torch.randn(1, 4, 1, 1))
        self.last = nn.Linear(8, 3, bias=False)

    def forward(self, x):
        x = self.valid(self.same(self.dilated(self.bn(x))))
        x = self.drop(self.average(self.pool(x))) * self.offset + 0.5
        x = functional.relu6(functional.relu(x)) + torch.sigmoid(x).tanh()
        x = torch.cat([self.layers(x), torch.relu(x).relu()], dim=1)
        x = functional.avg_pool2d(functional.max_pool2d(x, 2, stride=1), 2)
        x = torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1)
        return self.last(functional.dropout(x, training=False))


class Method(nn.Module):
    def forward(self, x):
        return torch.add(torch.mul(x, 2.0), 1.0).flatten(1)


class TestLayers:
    @pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
    def test_everything_equals_torch(self):
        torch.manual_seed(2)
        module = Everything()
        module.train()(torch.randn(8, 2, 21, 18))
        assert_equal_to_torch(trace(module, (2, 21, 18)))

    @pytest.mark.parametrize("factor", [1.7, (1.7, 1.3), 0.5, 1 / 3, 2])
    @pytest.mark.parametrize("recomputed", [True, False])
    def test_resizing_takes_the_factor_that_was_given(self, factor, recomputed):
        """4 pixels become 6 by 1.7: torch looks at every 1 / 1.7, and not at every 4 / 6."""
        resized = nn.Upsample(scale_factor=factor, mode="bilinear", recompute_scale_factor=recomputed)
        layers = (nn.Conv2d(1, 2, 3, padding=1), resized, nn.ReLU(), nn.AvgPool2d(2, 1))
        assert_equal_to_torch(trace(nn.Sequential(*layers), (1, 9, 9)))

    def test_batch_norm_that_cannot_be_folded_is_written(self):
        model = trace(Everything(), (2, 21, 18))
        assert [n.op_type for n in export.to_onnx(model).graph.node].count("BatchNormalization") == 1

    @pytest.mark.parametrize("name", token_networks.NETWORKS)
    def test_numbers_that_are_moved_about_and_attention_equal_torch(self, name):
        assert_equal_to_torch(trace(token_networks.network(name), token_networks.SHAPE))

    def test_methods_and_constants(self):
        assert_equal_to_torch(trace(Method(), (1, 3, 3)))

    @pytest.mark.parametrize(
        ("module", "words"),
        [
            (nn.Sequential(nn.Conv2d(1, 1, 1), nn.Softplus()), r"softplus in '1'"),
            (nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), nn.ReLU()), "reflect"),
            (nn.AdaptiveAvgPool2d(3), "whole parts"),
            (nn.Flatten(0), "for each image, and not 128"),
            (nn.AvgPool2d(2, divisor_override=3), "divisor"),
            (nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False)), "statistics"),
            (nn.Identity(), "logits"),
        ],
    )
    def test_what_cannot_be_written_is_named(self, module, words):
        with pytest.raises(UnsupportedModel, match=words):
            export.to_onnx(trace(module, (1, 8, 8)))


class TestWeightFormats:
    @pytest.mark.parametrize("name", SMALL)
    @pytest.mark.parametrize("bits", [1, 4, 8, 16])
    def test_equals_torch(self, name, bits):
        assert_equal_to_torch(quantized(network(name), bits))

    @pytest.mark.parametrize("symmetric", [True, False])
    @pytest.mark.parametrize("per_channel", [True, False])
    def test_every_kind_of_grid_equals_torch(self, symmetric, per_channel):
        assert_equal_to_torch(quantized(network("resnet8-mnist5k"), 8, symmetric, per_channel))

    @pytest.mark.parametrize("bits", [1, 4, 8])
    def test_codes_are_integers_that_give_back_the_weights(self, bits):
        model = quantized(network("mlp-digits"), bits)
        codes = initializers(model, TensorProto.INT8)
        scales = [values for values in initializers(model, TensorProto.FLOAT) if values.ndim == 2]
        for layer, code, scale in zip(weighted_layers(model).values(), codes, scales, strict=True):
            assert np.array_equal(code.astype(np.float32) * scale, layer.weight.detach().numpy())
            assert np.abs(code).max() <= max(1, 2 ** (bits - 1) - 1)

    @pytest.mark.parametrize("bits", [1, 4])
    def test_masked_codes_are_zero(self, bits):
        model = quantized(pruned(network("mlp-digits"), 0.8), bits)
        assert_equal_to_torch(model)
        codes = np.concatenate([codes.ravel() for codes in initializers(model, TensorProto.INT8)])
        assert np.mean(codes == 0) > 0.78

    def test_half_precision_halves_the_file(self):
        model = network("lenet5-mnist5k")
        assert len(data(quantized(model, 16))) == pytest.approx(len(data(model)) / 2, rel=0.02)

    @pytest.mark.parametrize("bits", [4, 16])
    def test_float_kernels_run_without_unpacking_weights_each_time(self, bits, tmp_path):
        ops = optimized_ops(quantized(network("lenet5-mnist5k"), bits), tmp_path)
        assert not ops.keys() & {"Cast", "Mul", "DequantizeLinear"}


class TestIntegerKernels:
    """Kernels that ONNX Runtime 1.31.1 picks on the CPU."""

    @pytest.mark.parametrize(("symmetric", "per_channel"), [(True, True), (True, False), (False, True), (False, False)])
    def test_every_layer_runs_in_integers(self, symmetric, per_channel, tmp_path):
        model = with_quantizers(quantized(network("resnet8-mnist5k"), 8, symmetric, per_channel))
        ops = optimized_ops(model, tmp_path)
        assert ops["QLinearConv"] == 9 and ops["QLinearAdd"] == 3
        assert ops["QLinearGlobalAveragePool"] == 1 and ops["QGemm"] == 1
        assert not ops.keys() & {"Conv", "FusedConv", "Gemm", "Add", "GlobalAveragePool", "DequantizeLinear"}

    @pytest.mark.parametrize("bits", [1, 8])
    @pytest.mark.parametrize("name", ["mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k"])
    def test_close_to_torch(self, name, bits):
        """Rounding of ties and of biases differs by a step of an activation here and there."""
        model = with_quantizers(quantized(network(name), bits))
        x = images(model)
        expected, found = run(model, x).numpy(), runtime(model, x)
        assert np.abs(found - expected).max() <= 0.03 * np.abs(expected).max()

    def test_biases_are_integers(self):
        model = with_quantizers(quantized(network("lenet5-mnist5k"), 8))
        assert len(initializers(model, TensorProto.INT32)) >= 4

    @pytest.mark.parametrize("make", [lambda: nn.Conv2d(3, 5, 3, padding=1), lambda: nn.Linear(12, 5)])
    def test_zero_points_may_differ_between_channels(self, make):
        torch.manual_seed(3)
        module = make()
        with torch.no_grad():
            module.weight += torch.linspace(-0.1, 0.1, 5).reshape(-1, *[1] * (module.weight.dim() - 1))
        first = [nn.Flatten()] if isinstance(module, nn.Linear) else []
        model = trace(nn.Sequential(*first, module, nn.ReLU()), (3, 2, 2) if first else (3, 8, 8))
        model = with_quantizers(quantized(model, 8, symmetric=False))
        codes = initializers(model, TensorProto.INT8)
        assert any(values.ndim == 1 and len(set(values.tolist())) > 1 for values in codes)
        x = images(model)
        step = max(layer.scale for layer in model.modules() if isinstance(layer, ActivationQuantizer))
        assert np.abs(runtime(model, x) - run(model, x).numpy()).max() <= 1.01 * step

    def test_an_empty_channel_keeps_its_bias(self):
        torch.manual_seed(4)
        conv = nn.Conv2d(1, 3, 3)
        with torch.no_grad():
            conv.weight[1] = 0
            conv.bias.copy_(torch.tensor([0.1, 0.7, -0.2]))
        model = with_quantizers(quantized(trace(nn.Sequential(conv, nn.ReLU()), (1, 6, 6)), 8))
        x = images(model)
        assert np.abs(runtime(model, x) - run(model, x).numpy()).max() < 0.02

    @pytest.mark.parametrize("bits", [16, None])
    def test_float_weights_stay_float_between_quantized_activations(self, bits, tmp_path):
        model = network("lenet5-mnist5k")
        model = with_quantizers(quantized(model, bits) if bits else model)
        ops = optimized_ops(model, tmp_path)
        assert not ops.keys() & {"QLinearConv", "QGemm"}
        x = images(model)
        expected = run(model, x).numpy()
        assert np.abs(runtime(model, x) - expected).max() <= 0.01 * np.abs(expected).max()

    def test_a_bias_too_large_for_integers_stays_float(self):
        conv = nn.Conv2d(1, 2, 1)
        with torch.no_grad():
            conv.weight.fill_(1e-12)
            conv.bias.fill_(1.0)
        model = trace(nn.Sequential(conv, nn.ReLU()), (1, 4, 4))
        tiny = Affine(8, torch.full((2,), 1e-14), torch.zeros(2, dtype=torch.int32), -127, 127)
        restrict(next(iter(weighted_layers(model).values())), grid=tiny)
        model = with_quantizers(model)
        x = images(model, 3)
        assert np.abs(runtime(model, x) - run(model, x).numpy()).max() < 0.01

    @pytest.mark.parametrize(("output_step", "kernel"), [(0.01, "QLinearConv"), (0.0005, "Conv")])
    def test_a_bias_between_two_steps_of_the_integers_stays_float_where_that_shows(self, output_step, kernel, tmp_path):
        conv = nn.Conv2d(1, 1, 1)
        with torch.no_grad():
            conv.weight.fill_(0.01)
            conv.bias.fill_(0.004)
        model = trace(nn.Sequential(conv, nn.ReLU()), (1, 4, 4))
        grid = Affine(8, torch.tensor([0.01]), torch.zeros(1, dtype=torch.int32), -127, 127)
        restrict(next(iter(weighted_layers(model).values())), grid=grid)
        model = with_quantizers(model)
        before, after = (layer for layer in model.modules() if isinstance(layer, ActivationQuantizer))
        before.scale, after.scale = 1.0, output_step
        assert kernel in optimized_ops(model, tmp_path)
        x = images(model, 3)
        assert np.abs(runtime(model, x) - run(model, x).numpy()).max() <= 1.01 * output_step


def with_codebooks(model, shared=False):
    """Each weight takes the nearest of 16 values, the same ones for all layers or others in each."""
    model, values = fold_batch_norm(model), torch.linspace(-1, 1, 16).half().float()
    for layer in weighted_layers(model).values():
        own = values if shared else (values * layer.weight.detach().abs().max()).half().float()
        codes = (layer.weight.detach()[..., None] - own).abs().argmin(-1).to(torch.uint8)
        restrict(layer, grid=Codebook(own, codes))
    return model


def with_few_bits(model, bits):
    """Activations of 8 bits turned into fewer, over the same ranges."""
    for layer in model.modules():
        if isinstance(layer, ActivationQuantizer):
            factor = 255 / (2**bits - 1)
            layer.scale, layer.zero_point, layer.bits = layer.scale * factor, round(layer.zero_point / factor), bits
    return model


def behind_the_first(module, shape, quantizer):
    """The module as a graph with a quantizer behind its first layer."""
    model = trace(nn.Sequential(module), shape)
    first = next(node for node in model.graph.nodes if node.op == "call_module")
    model.add_submodule("quantizer", quantizer)
    with model.graph.inserting_after(first):
        node = model.graph.call_module("quantizer", (first,))
    first.replace_all_uses_with(node, delete_user_cb=lambda user: user is not node)
    node.meta["shape"] = first.meta["shape"]
    model.recompile()
    return model


def with_dynamic(model, bits=8):
    for node in list(model.graph.nodes):
        if isinstance(module_of(model, node), nn.Linear):
            name = f"dynamic_{node.name}"
            model.add_submodule(name, DynamicQuantizer(0 if "relu" in str(node.args[0]) else 2 ** (bits - 1), bits))
            with model.graph.inserting_before(node):
                quantizer = model.graph.call_module(name, node.args)
            quantizer.meta["shape"] = node.args[0].meta["shape"]
            node.args = (quantizer,)
    model.recompile()
    return model


class TestCodebooks:
    @pytest.mark.parametrize("shared", [False, True])
    @pytest.mark.parametrize("name", SMALL)
    def test_equals_torch(self, name, shared):
        assert_equal_to_torch(with_codebooks(network(name), shared))

    def test_computes_in_float_without_looking_up_each_time(self, tmp_path):
        ops = optimized_ops(with_codebooks(network("resnet8-mnist5k")), tmp_path)
        assert not ops.keys() & {"Gather", "Cast"}
        assert ops["Conv"] + ops["FusedConv"] == 9

    @pytest.mark.parametrize("shared", [False, True])
    def test_a_shared_codebook_is_written_once(self, shared):
        model = with_codebooks(network("mlp-digits"), shared)
        books = [values for values in initializers(model, TensorProto.FLOAT) if values.shape == (16,)]
        assert len(books) == (1 if shared else 3)
        codes = initializers(model, TensorProto.UINT8)
        for layer, written in zip(weighted_layers(model).values(), codes, strict=True):
            assert np.array_equal(written, weight_format(layer).grid.codes.numpy())

    @pytest.mark.parametrize("shared", [False, True])
    def test_masked_weights_get_a_code_of_their_own(self, shared):
        model = with_codebooks(pruned(network("mlp-digits"), 0.8), shared)
        assert_equal_to_torch(model)
        codes = np.concatenate([codes.ravel() for codes in initializers(model, TensorProto.UINT8)])
        assert np.mean(codes == 0) == pytest.approx(0.8, abs=0.02)

    def test_256_values_and_a_zero(self):
        model = trace(nn.Sequential(nn.Flatten(), nn.Linear(32, 16)), (2, 4, 4))
        (layer,) = weighted_layers(model).values()
        restrict(layer, mask=torch.arange(512).reshape(16, 32) >= 200)
        codes = torch.arange(512).reshape(16, 32).remainder(256).to(torch.uint8)
        restrict(layer, grid=Codebook((torch.arange(256) / 64).half().float(), codes))
        assert_equal_to_torch(model)
        assert [codes.max() for codes in initializers(model, TensorProto.UINT16)] == [256]


class TestBrainFloat:
    @pytest.mark.parametrize("name", SMALL)
    def test_equals_torch_and_halves_the_file(self, name, tmp_path):
        model = fold_batch_norm(network(name))
        before = len(data(model))
        for layer in weighted_layers(model).values():
            restrict(layer, grid=BrainFloat())
        assert_equal_to_torch(model)
        assert len(data(model)) < 0.62 * before
        assert "Cast" not in optimized_ops(model, tmp_path)
        exported = export.to_onnx(model)
        assert decode(encode(exported)).SerializeToString() == exported.SerializeToString()


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.block = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(4)])
        self.relu, self.last = nn.ReLU(), nn.Linear(4 * 36, 3)

    def forward(self, x):
        x = self.relu(self.stem(x))
        x = self.relu(self.norms[0](self.block(x)))
        x = self.relu(self.norms[1](self.block(x)))
        return self.last(torch.flatten(x, 1))


class TestTiedLayers:
    @pytest.mark.parametrize("make", [lambda model: model, lambda model: quantized(model, 4), with_codebooks])
    def test_weights_are_written_once_and_batch_norm_stays(self, make):
        torch.manual_seed(6)
        module = Tied()
        module.train()(torch.randn(20, 1, 8, 8))
        model = make(trace(module, (1, 8, 8)))
        assert_equal_to_torch(model)
        graph = export.to_onnx(model).graph
        assert sum(tuple(tensor.dims) == (4, 4, 3, 3) for tensor in graph.initializer) == 1
        assert [node.op_type for node in graph.node].count("BatchNormalization") == 2
        assert sum(node.op_type in {"Mul", "Gather"} for node in graph.node) <= 3  # unpacked once a layer


class TestFewActivationBits:
    @pytest.mark.parametrize("bits", [4, 5, 6, 7, 8])
    @pytest.mark.parametrize("zero_point", [0, 5])
    def test_a_quantizer_is_exactly_that_of_torch(self, bits, zero_point):
        model = behind_the_first(nn.Flatten(), (1, 30, 30), ActivationQuantizer(0.11, zero_point, bits))
        x = 3 * images(model, 20)
        assert len(run(model, x).unique()) <= 2**bits
        assert np.array_equal(runtime(model, x), run(model, x).numpy())

    @pytest.mark.parametrize("bits", [4, 6, 8])
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("mlp-digits", {"QGemm": 3}),
            ("lenet5-mnist5k", {"QLinearConv": 2, "QGemm": 2}),
            ("resnet8-mnist5k", {"QLinearConv": 9, "QLinearAdd": 3, "QGemm": 1}),
            ("mobilenet-fashion", {"QLinearConv": 22, "QLinearAdd": 4, "QGemm": 1}),
        ],
    )
    def test_layers_run_in_integers(self, name, bits, expected, tmp_path):
        ops = optimized_ops(with_few_bits(with_quantizers(quantized(network(name), 4)), bits), tmp_path)
        assert {op: ops[op] for op in expected} == expected
        assert not ops.keys() & {"Conv", "FusedConv", "Gemm", "FusedGemm", "Add", "DequantizeLinear"}

    def test_relu6_stays_where_the_quantizer_reaches_beyond_it(self):
        for scale, kept in ((0.4, False), (0.6, True)):
            module = nn.Sequential(nn.ReLU6(), nn.Flatten())
            model = behind_the_first(module, (1, 5, 5), ActivationQuantizer(scale, 0, 4))
            x = 20 * images(model)
            assert np.array_equal(runtime(model, x), run(model, x).numpy())
            assert ("Relu" not in {node.op_type for node in export.to_onnx(model).graph.node}) == kept

    def test_close_to_torch(self):
        """A value on the edge between two of 16 levels falls to either side: a step in some activations."""
        model = with_few_bits(with_quantizers(quantized(network("resnet8-mnist5k"), 8)), 4)
        x = images(model)
        expected, found = run(model, x).numpy(), runtime(model, x)
        assert np.abs(found - expected).mean() <= 0.03 * np.abs(expected).max()


class TestDynamic:
    @pytest.mark.parametrize("symmetric", [True, False])
    @pytest.mark.parametrize("per_channel", [True, False])
    @pytest.mark.parametrize("bits", [5, 8])
    @pytest.mark.parametrize("name", ["mlp-digits", "lenet5-mnist5k"])
    def test_equals_torch_in_integers(self, name, bits, per_channel, symmetric, tmp_path):
        model = with_dynamic(quantized(network(name), 8, symmetric, per_channel), bits)
        x = images(model)
        expected, found = run(model, x).numpy(), runtime(model, x)
        # Processors add in another order: a value on the edge between two levels falls to either side, rarely.
        assert np.isclose(found, expected, rtol=0, atol=1e-4).mean() >= 0.9
        assert np.abs(found - expected).max() <= 0.03 * np.abs(expected).max()
        ops = optimized_ops(model, tmp_path)
        linear = sum(isinstance(layer, nn.Linear) for layer in model.modules())
        assert ops["QGemm"] == linear and not ops.keys() & {"Gemm", "FusedGemm", "MatMul", "DequantizeLinear"}

    def test_an_image_gets_the_same_answer_in_any_batch(self):
        model = with_dynamic(quantized(network("mlp-digits"), 8))
        x = images(model, 30) * torch.logspace(-2, 2, 30).reshape(-1, 1, 1, 1)
        alone = np.concatenate([runtime(model, row[None]) for row in x])
        assert np.array_equal(runtime(model, x), alone)
        np.testing.assert_allclose(run(model, x), alone, rtol=1e-4, atol=1e-4)

    def test_an_empty_image_is_no_division_by_zero(self):
        model = with_dynamic(quantized(network("mlp-digits"), 8))
        x = torch.zeros(2, 1, 8, 8)
        np.testing.assert_allclose(runtime(model, x), run(model, x).numpy(), atol=1e-5)

    def test_only_integer_linear_layers_may_read_it(self):
        model = with_dynamic(network("mlp-digits"))
        with pytest.raises(UnsupportedModel, match="integer codes"):
            export.to_onnx(model)
