import itertools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compression.engine.files import export
from compression.engine.measure import memory
from compression.engine.network.form import count_costs
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.errors import CorruptFile
from tests.support.networks import network, quantized, with_quantizers


def file_of(model):
    return export.to_onnx(model).SerializeToString(deterministic=True)


def integer_network(name):
    return with_quantizers(quantized(network(name), 8))


def graph(*nodes, outputs=("y",)):
    """Nodes as (operator, inputs, output); shapes play no part."""
    made = [helper.make_node(kind, inputs, [output]) for kind, inputs, output in nodes]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in outputs]
    start = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])]
    return helper.make_graph(made, "g", start, ends)


class TestActivations:
    def test_a_chain_holds_two_at_a_time_beside_the_image(self):
        chain = graph(("Conv", ["x", "w"], "a"), ("Conv", ["a", "w"], "b"), ("Conv", ["b", "w"], "y"))
        assert memory.peak_activations(chain, {"x": 1, "a": 10, "b": 20, "y": 5}) == 1 + 10 + 20

    def test_a_shortcut_stays_until_it_is_added(self):
        shortcut = graph(
            ("Conv", ["x", "w"], "a"), ("Conv", ["a", "w"], "b"), ("Conv", ["b", "w"], "c"), ("Add", ["c", "a"], "y")
        )
        assert memory.peak_activations(shortcut, {"x": 1, "a": 10, "b": 40, "c": 10, "y": 10}) == 1 + 10 + 40 + 10

    def test_an_activation_function_writes_over_its_input(self):
        nodes = [("Conv", ["x", "w"], "a"), ("Relu", ["a"], "b"), ("Conv", ["b", "w"], "y")]
        sizes = {"x": 1, "a": 10, "b": 10, "y": 2}
        assert memory.peak_activations(graph(*nodes), sizes) == 1 + 10 + 2
        both = graph(nodes[0], nodes[1], ("Concat", ["a", "b"], "y"))  # here the input is needed once more
        assert memory.peak_activations(both, sizes) == 1 + 10 + 10 + 2

    def test_nothing_writes_over_the_callers_image(self):
        assert memory.peak_activations(graph(("Relu", ["x"], "y")), {"x": 10, "y": 10}) == 20

    def test_a_view_takes_nothing_but_keeps_what_it_shows(self):
        view = graph(("Conv", ["x", "w"], "a"), ("Reshape", ["a", "s"], "b"), ("Conv", ["b", "w"], "y"))
        assert memory.peak_activations(view, {"x": 1, "a": 10, "b": 10, "y": 10}) == 1 + 10 + 10

    def test_a_fused_convolution_writes_over_what_it_adds(self):
        fused = graph(("Conv", ["x", "w"], "a"), ("Conv", ["x", "w", "b", "a"], "c"), ("Conv", ["c", "w"], "y"))
        assert memory.peak_activations(fused, {"x": 1, "a": 10, "c": 10, "y": 3}) == 1 + 10 + 3


class TestRuntimeCosts:
    def test_a_multilayer_perceptron_by_hand(self):
        costs = memory.runtime_costs(file_of(network("mlp-digits")))
        sizes = [64, 64, 32, 10]
        floats = sum(a * b + b for a, b in itertools.pairwise(sizes))
        assert costs.weight_bytes == 4 * floats + 8 * 2  # and the shape of a Reshape: two 64-bit numbers
        assert costs.activation_bytes == 4 * (64 + 64 + 32)  # the image, and both sides of the second layer
        assert costs.activation_traffic_bytes == 4 * (64 + 64 + 64 + 32 + 32 + 10)
        assert costs.integer_macs == 0

    @pytest.mark.parametrize("name", ["mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k", "mobilenet-fashion"])
    def test_integer_kernels_do_all_the_work_of_an_integer_network(self, name):
        model = integer_network(name)
        assert memory.runtime_costs(file_of(model)).integer_macs == count_costs(model).macs

    def test_codes_take_a_byte_in_integer_kernels_and_four_elsewhere(self):
        macs = count_costs(fold_batch_norm(network("resnet8-mnist5k")))
        floats, codes, integers = (
            memory.runtime_costs(file_of(model))
            for model in (
                network("resnet8-mnist5k"),
                quantized(network("resnet8-mnist5k"), 8),
                integer_network("resnet8-mnist5k"),
            )
        )
        assert floats.weight_bytes == codes.weight_bytes >= 4 * macs.params
        assert macs.params < integers.weight_bytes < 1.1 * macs.params
        assert codes.integer_macs == 0
        assert integers.activation_bytes < 0.5 * floats.activation_bytes
        assert integers.activation_traffic_bytes < 0.5 * floats.activation_traffic_bytes

    def test_dynamic_quantization_is_seen_too(self):
        weight = numpy_helper.from_array(np.ones((64, 8), np.int8), "w")
        scale = numpy_helper.from_array(np.float32(0.1), "s")
        zero = numpy_helper.from_array(np.int8(0), "z")
        nodes = [
            helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"]),
            helper.make_node("MatMulInteger", ["q", "w", "qz", "z"], ["i"]),
            helper.make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["qs", "s"], ["ss"]),
            helper.make_node("Mul", ["f", "ss"], ["y"]),
        ]
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 64])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8])
        model = helper.make_model(
            helper.make_graph(nodes, "g", [x], [y], [weight, scale, zero]),
            opset_imports=[helper.make_opsetid("", 17)],
            ir_version=8,
        )
        assert memory.runtime_costs(model.SerializeToString()).integer_macs == 64 * 8

    def test_the_graph_is_the_one_that_runs_with_its_values(self):
        model = network("lenet5-mnist5k")
        found, values = memory.run_graph(file_of(model))
        assert "Relu" not in {node.op_type for node in found.node}  # fused into the layer before
        assert values["x"].shape == (1, 1, 28, 28)
        assert values[found.output[0].name].shape == (1, 10)
        assert isinstance(found, onnx.GraphProto)

    def test_garbage_is_refused(self):
        with pytest.raises(CorruptFile):
            memory.runtime_costs(b"garbage")
