import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from compression.engine.files import export
from compression.engine.files.ledger import proportional, roles, runtime_ledger
from compression.engine.network.form import weighted_layers
from compression.results.record import RUNTIME_PARTS
from tests.support.networks import VARIANTS, network


def exported(variant, name="resnet8-mnist5k"):
    return export.to_onnx(VARIANTS[variant](name))


def parts_of(variant, name="resnet8-mnist5k"):
    return runtime_ledger(exported(variant, name).SerializeToString())


class TestRoles:
    @pytest.mark.parametrize("variant", VARIANTS)
    def test_every_weight_and_bias_is_found(self, variant):
        model = exported(variant)
        found = dict(zip([tensor.name for tensor in model.graph.initializer], roles(model), strict=True))
        sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in model.graph.initializer}
        weights = weighted_layers(network("resnet8-mnist5k")).values()
        assert sum(sizes[name] for name in found if found[name] == "weights") == sum(w.weight.numel() for w in weights)
        assert sum(sizes[name] for name in found if found[name] == "biases") == 346

    def test_shared_values_are_codebooks(self):
        assert "codebooks" in roles(exported("shared"))
        assert "codebooks" not in roles(exported("codes"))

    def test_a_graph_in_circles_ends(self):
        nodes = [helper.make_node("Cast", ["b"], ["a"]), helper.make_node("Cast", ["a"], ["b"])]
        nodes.append(helper.make_node("Conv", ["x", "a", "b"], ["y"]))
        tensor = numpy_helper.from_array(np.ones(3, np.float32), "w")
        assert roles(helper.make_model(helper.make_graph(nodes, "g", [], [], [tensor]))) == ["graph"]


class TestRuntimeLedger:
    @pytest.mark.parametrize("name", ["mlp-digits", "resnet8-mnist5k", "mobilenet-fashion"])
    @pytest.mark.parametrize("variant", VARIANTS)
    def test_parts_add_up(self, variant, name):
        data = exported(variant, name).SerializeToString()
        parts = runtime_ledger(data)
        assert tuple(parts) == RUNTIME_PARTS
        assert sum(parts.values()) == len(data)
        assert min(parts.values()) >= 0

    def test_floats_take_four_bytes(self):
        assert parts_of("float")["weights"] == 4 * 77_072
        assert parts_of("half")["weights"] == 2 * 77_072

    @pytest.mark.parametrize(("variant", "size"), [("sparse", 4), ("codes", 1), ("unsymmetric", 1), ("integers", 1)])
    def test_zeros_are_told_apart(self, variant, size):
        layers = weighted_layers(VARIANTS[variant]("resnet8-mnist5k")).values()
        nonzero = sum(int(layer.weight.count_nonzero()) for layer in layers)
        parts = parts_of(variant)
        assert parts["weights"] == size * nonzero
        assert parts["zeros"] == size * (77_072 - nonzero)

    def test_codes_of_a_shared_zero_are_zeros(self):
        parts = parts_of("shared", "mlp-digits")
        assert parts["zeros"] == pytest.approx(6464 / 4, rel=0.05)
        assert parts["codebooks"] >= 16

    def test_rounding_nodes_are_counted(self):
        assert parts_of("float")["rounding"] == 0
        assert parts_of("integers")["rounding"] > 1000
        model = onnx.ModelProto.FromString(exported("integers").SerializeToString())
        del model.graph.node[:]
        assert runtime_ledger(model.SerializeToString())["rounding"] == 0


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1e6)), st.integers(0, 10**9))
def test_proportional_parts_add_up(shares, total):
    divided = proportional(shares, total)
    assert sum(divided.values()) == total
    assert min(divided.values()) >= 0
    whole = sum(shares.values())
    if whole > 1e-3:
        assert all(abs(divided[name] - total * share / whole) <= 1 for name, share in shares.items() if name in divided)
