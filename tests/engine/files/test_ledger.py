import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from compression.engine.files import export, stored_file
from compression.engine.files.ledger import proportional, roles, runtime_ledger
from compression.engine.network.form import restrict, weighted_layers
from compression.engine.network.grids import Codebook
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.explain.sizes import waterfall
from compression.results.record import RUNTIME_PARTS, Measures
from tests.support.networks import network, pruned, quantized, with_quantizers


def shared(name):
    model = fold_batch_norm(network(name))
    values = torch.tensor([-0.2, 0.0, 0.1, 0.5])
    for layer in weighted_layers(model).values():
        restrict(layer, grid=Codebook(values.clone(), torch.randint(0, 4, layer.weight.shape).to(torch.uint8)))
    return model


VARIANTS = {
    "float": network,
    "half": lambda name: quantized(network(name), 16),
    "sparse": lambda name: pruned(network(name), 0.9),
    "codes": lambda name: quantized(pruned(network(name), 0.5), 4),
    "unsymmetric": lambda name: quantized(pruned(network(name), 0.5), 8, symmetric=False),
    "integers": lambda name: with_quantizers(quantized(pruned(network(name), 0.5), 4)),
    "shared": shared,
}


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
        nonzero = sum(int(torch.count_nonzero(layer.weight)) for layer in layers)
        parts = parts_of(variant)
        assert parts["weights"] == size * nonzero
        assert parts["zeros"] == size * (77_072 - nonzero)

    def test_codes_of_a_shared_zero_are_zeros(self):
        torch.manual_seed(0)
        parts = parts_of("shared", "mlp-digits")
        assert parts["zeros"] == pytest.approx(6464 / 4, rel=0.05)
        assert parts["codebooks"] >= 16

    def test_rounding_nodes_are_counted(self):
        assert parts_of("float")["rounding"] == 0
        assert parts_of("integers")["rounding"] > 1000
        model = onnx.ModelProto.FromString(exported("integers").SerializeToString())
        del model.graph.node[:]
        assert runtime_ledger(model.SerializeToString())["rounding"] == 0


def measures(variant="codes", **changes):
    data = exported(variant)
    stored = stored_file.encode(data)
    onnx_bytes = data.SerializeToString()
    numbers = dict.fromkeys(
        set(Measures.model_fields) - {"ledger", "runtime_ledger", "process_peak_bytes", "worst_class"}, 1
    )
    return Measures(**{
        **numbers, "params": 77_418, "theoretical_bytes": 20_000, "stored_bytes": len(stored),
        "onnx_bytes": len(onnx_bytes), "zipped_bytes": stored_file.zipped_size(onnx_bytes),
        "ledger": stored_file.decode_with_ledger(stored)[1], "runtime_ledger": runtime_ledger(onnx_bytes), **changes,
    })  # fmt: skip


class TestWaterfall:
    @pytest.mark.parametrize("variant", VARIANTS)
    def test_changes_lead_from_size_to_size(self, variant):
        found = measures(variant)
        level = 0
        for part in waterfall(found):
            if part.is_total:
                assert level in (0, part.bytes)
                level = part.bytes
            else:
                assert part.bytes != 0
                level += part.bytes
        totals = [part.bytes for part in waterfall(found) if part.is_total]
        assert totals == [found.theoretical_bytes, found.stored_bytes, found.onnx_bytes, found.zipped_bytes]

    def test_causes_are_named(self):
        causes = {part.label: part.cause for part in waterfall(measures("sparse"))}
        assert "computes with them" in causes["Zeros"]
        assert "four bytes" in causes["Weights"]
        assert "whole bytes" in {part.label: part.cause for part in waterfall(measures("codes"))}["Weights"]
        assert any(part.label == "Rounding nodes" for part in waterfall(measures("integers")))

    def test_results_without_ledgers_have_none(self):
        assert waterfall(measures(ledger={}, runtime_ledger={})) == ()


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1e6)), st.integers(0, 10**9))
def test_proportional_parts_add_up(shares, total):
    divided = proportional(shares, total)
    assert sum(divided.values()) == total
    assert min(divided.values()) >= 0
    whole = sum(shares.values())
    if whole > 1e-3:
        assert all(abs(divided[name] - total * share / whole) <= 1 for name, share in shares.items() if name in divided)
