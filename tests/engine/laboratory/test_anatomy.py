"""Layers in files and on the clock, against the networks that were written and counts made elsewhere."""

import numpy as np
import onnx
import pytest

from compression.engine import laboratory
from compression.engine.files import export, stored_file
from compression.engine.laboratory.names import names_of, original_of
from compression.engine.laboratory.profiling import profile
from compression.engine.measure.evaluation import predict
from compression.engine.measure.memory import values_of
from compression.engine.network.form import clone, count_macs, weighted_layers
from compression.engine.onnx_graph import OnnxGraph
from compression.engine.onnx_layers import calls_of, weight_of
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.inquiries.anatomy import AnatomyInquiry
from compression.recipe.recipe import make_recipe
from tests.support.laboratory_tools import CASES, prepared
from tests.support.networks import VARIANTS, network, quantized

BITS = {"float": 32, "half": 16, "sparse": 32, "codes": 4, "unsymmetric": 8, "integers": 4, "shared": 2}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["resnet8-mnist5k", "mobilenet-fashion", "mlp-digits"])
def test_weights_are_those_of_the_network_that_was_written(variant, name):
    model = VARIANTS[variant](name)
    decoded = stored_file.decode(stored_file.encode(export.to_onnx(model)))
    layers = list(weighted_layers(model).values())
    graph = OnnxGraph(decoded.graph)
    calls = calls_of(graph)
    assert len(calls) == len(layers)
    for call, layer in zip(calls, layers, strict=True):
        found = weight_of(graph, call)
        np.testing.assert_array_equal(found.values, layer.weight.detach().numpy())
        assert call.biases == (0 if layer.bias is None else layer.bias.numel())
        assert found.bits <= BITS[variant]


def test_one_bit_is_one_bit():
    model = quantized(network("mlp-digits"), 1)
    decoded = stored_file.decode(stored_file.encode(export.to_onnx(model)))
    graph = OnnxGraph(decoded.graph)
    assert [weight_of(graph, call).bits for call in calls_of(graph)] == [1, 1, 1]


@pytest.mark.parametrize("case", CASES)
class TestAnatomy:
    def test_its_layers_and_the_rest_add_up_to_the_stored_file(self, case):
        found = prepared(case).anatomy.subject
        assert sum(row.stored_bytes for row in found.layers) + sum(found.rest.values()) == found.stored_bytes
        assert found.stored_bytes == prepared(case).bench.variant.result.stored_bytes
        assert all(0 < row.weight_bytes <= row.stored_bytes for row in found.layers)

    def test_operations_and_integer_kernels_are_those_that_were_counted_before(self, case):
        found, result = prepared(case).anatomy.subject, prepared(case).bench.variant.result
        assert sum(row.macs for row in found.layers) == result.macs
        assert sum(row.macs for row in found.layers if row.integer) == result.integer_macs

    def test_parameters_are_all_there(self, case):
        found, result = prepared(case).anatomy.subject, prepared(case).bench.variant.result
        assert sum(row.parameters for row in found.layers) == result.params
        assert sum(row.nonzero + row.parameters - row.weights for row in found.layers) == result.nonzero_params

    def test_every_layer_takes_time_and_no_node_counts_twice(self, case):
        found = prepared(case).anatomy.subject
        assert {node.layer for node in found.nodes} - {""} == {row.name for row in found.layers}
        multiplying = [node for node in found.nodes if node.layer]
        assert len(multiplying) == sum(row.calls for row in found.layers)
        assert all(row.ms >= 0 for row in found.layers)
        assert sum(row.ms for row in found.layers) <= found.nodes_ms + 1e-9
        assert 0.2 * found.run_ms < found.nodes_ms < 2 * found.run_ms  # small nodes may take less than was taken off

    def test_layers_have_names_and_counterparts(self, case):
        anatomy = prepared(case).anatomy
        assert anatomy.named
        before = {row.name for row in anatomy.baseline.layers}
        assert {row.original for row in anatomy.subject.layers} == before

    def test_the_picture_is_one_graph_from_image_to_classes(self, case):
        anatomy = prepared(case).anatomy
        assert [anatomy.boxes[0].label, anatomy.boxes[-1].label] == ["Image", "Classes"]
        assert {box.layer for box in anatomy.boxes} - {""} == {row.name for row in anatomy.subject.layers}
        reached = {0}
        for arrow in anatomy.arrows:
            assert arrow.source < arrow.target
            assert arrow.source in reached
            reached.add(arrow.target)
        assert reached == set(range(len(anatomy.boxes)))
        leaving = {arrow.source for arrow in anatomy.arrows}
        assert leaving == set(range(len(anatomy.boxes) - 1))


def test_bits_on_arrows_are_those_of_the_recipe():
    assert {arrow.bits for arrow in prepared("integers").anatomy.arrows} == {0, 8}
    assert {arrow.bits for arrow in prepared("baseline").anatomy.arrows} == {0}


def test_residual_connections_meet_in_an_addition():
    anatomy = prepared("sparse").anatomy
    adding = [number for number, box in enumerate(anatomy.boxes) if box.label.startswith("Add")]
    assert len(adding) == 3
    for number in adding:
        assert len([arrow for arrow in anatomy.arrows if arrow.target == number]) == 2


def test_parts_of_a_layer_belong_to_it():
    before = ["conv1", "conv10", "stages.0.conv1"]
    assert original_of("conv1", before) == "conv1"
    assert original_of("conv1_in", before) == "conv1"
    assert original_of("conv10_core", before) == "conv10"
    assert original_of("stages.0.conv1_out", before) == "stages.0.conv1"
    assert original_of("head", before) == ""


def test_layers_that_fit_no_network_are_numbered(bench):
    calls = calls_of(OnnxGraph(export.to_onnx(network("resnet8-mnist5k")).graph))
    names, named = names_of(bench.recipe, bench.bench, calls)
    assert not named
    assert names[:2] == ["layer 1", "layer 2"]


def test_a_student_of_another_family_has_no_counterparts():
    steps = [{"technique": "distillation", "student": "mobilenet_v3_small", "width_mult": 0.25, "epochs": 0}]
    anatomy = prepared("student", make_recipe("lenet5-mnist5k", steps)).anatomy
    assert anatomy.other_family
    assert anatomy.named
    assert {row.original for row in anatomy.subject.layers} == {""}
    assert {row.original for row in anatomy.baseline.layers} == {row.name for row in anatomy.baseline.layers}
    assert sum(row.macs for row in anatomy.subject.layers) == prepared("student").bench.variant.result.macs


class TestProfile:
    def test_a_layer_with_a_hundred_times_the_work_takes_longer(self):
        model = export.to_onnx(fold_batch_norm(network("lenet5-mnist5k")))
        calls = calls_of(OnnxGraph(model.graph))
        names = [str(number) for number in range(len(calls))]
        found = profile(model, calls, names)
        by_layer = {node.layer: node.ms for node in found.nodes if node.layer}
        assert by_layer["1"] > 3 * by_layer["3"]  # 1,600,000 against 5,000 operations
        assert found.integer == set()

    def test_naming_nodes_does_not_change_what_is_run(self, bench):
        subject = bench.bench.variant
        model = onnx.load_from_string(subject.onnx)
        before = model.SerializeToString()
        profile(model, calls_of(OnnxGraph(model.graph)), [str(number) for number in range(3)])
        assert model.SerializeToString() == before
        np.testing.assert_array_equal(predict(subject.onnx, bench.bench.dataset.test), subject.predictions)


def test_shapes_are_those_that_torch_gives():
    model = clone(fold_batch_norm(network("resnet8-mnist5k")))
    written = export.to_onnx(model)
    graph = OnnxGraph(written.graph)
    calls = calls_of(graph)
    values = values_of(written, [call.output for call in calls])
    macs = sum(weight_of(graph, call).values.size * int(np.prod(values[call.output].shape[2:])) for call in calls)
    assert macs == count_macs(model)


def test_the_same_inquiry_can_be_asked_again(bench):
    found = laboratory.answer(AnatomyInquiry(recipe=bench.recipe), bench.bench)
    again = AnatomyInquiry.ANSWER.model_validate_json(found.model_dump_json())
    assert again == found
    assert len(found.model_dump_json()) < 100_000
