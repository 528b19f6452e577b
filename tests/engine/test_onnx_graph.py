import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from compression.engine.onnx_graph import OnnxGraph, attributes, giving, make_model


@pytest.fixture
def model():
    """A layer whose weight is looked up, scaled, and read by one node; its output twice."""
    nodes = [
        helper.make_node("Cast", ["codes"], ["indices"], to=onnx.TensorProto.INT32),
        helper.make_node("Gather", ["book", "indices"], ["values"]),
        helper.make_node("Mul", ["values", "scale"], ["weight"]),
        helper.make_node("MatMul", ["x", "weight"], ["y"]),
        helper.make_node("Mul", ["y", "y"], ["square"]),
        helper.make_node("Add", ["y", "square"], ["logits"]),
    ]
    arrays = {"codes": np.zeros((2, 3), np.uint8), "book": np.float32([5]), "scale": np.float32(2)}
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    return make_model(nodes, {"x": ("N", 2)}, {"logits": ("N", 3)}, tensors)


def test_who_makes_and_who_reads_a_value(model):
    graph = OnnxGraph(model.graph)
    assert graph.makers["weight"].op_type == "Mul"
    assert [node.op_type for node in graph.readers["y"]] == ["Mul", "Add"]
    assert graph.only_reader("y") is None
    assert graph.only_reader("x") is graph.only_reader("weight") is not None


def test_numbers_are_followed_to_their_initializers(model):
    graph = OnnxGraph(model.graph)
    assert sorted(graph.sources("weight")) == ["book", "codes", "scale"]
    assert list(graph.way_back("weight")) == ["weight", "values", "indices", "codes"]
    assert graph.holder("weight") == "codes"
    assert graph.array("scale") == 2
    assert graph.is_constant("weight") and not graph.is_constant("y")


def test_a_walk_ends_where_it_should(model):
    graph = OnnxGraph(model.graph)
    assert set(graph.upstream("logits", stop={"y"})) == {"logits", "square", "y"}
    assert list(graph.upstream("")) == []


def test_circles_and_missing_names_end_too():
    nodes = [helper.make_node("Cast", ["b"], ["a"]), helper.make_node("Cast", ["a"], ["b"])]
    graph = OnnxGraph(helper.make_graph(nodes, "g", [], []))
    assert set(graph.upstream("a")) == {"a", "b"}
    assert len(list(graph.way_back("a"))) == 3
    assert list(graph.way_back("nobody")) == ["nobody"]


def test_settings_of_a_node():
    assert attributes(helper.make_node("Conv", ["x", "w"], ["y"], group=2, pads=[1, 1])) == {"group": 2, "pads": [1, 1]}


def test_a_copy_gives_other_values(model):
    copy = giving(model, ["y", "weight", "y"])
    assert [output.name for output in copy.graph.output] == ["y", "weight"]
    assert [output.name for output in model.graph.output] == ["logits"]
