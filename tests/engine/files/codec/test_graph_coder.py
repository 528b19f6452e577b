import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from compression.engine.files import export
from compression.engine.files.codec.byte_reader import Reader, varint
from compression.engine.files.codec.graph_coder import _deflate, compress_graph, decompress_graph
from compression.errors import CorruptFile
from tests.support.networks import network, quantized, with_quantizers

NAMES = st.one_of(
    st.integers(0, 10**10).map(str),
    st.sampled_from(["", "x", "a", "z", "logits", "=", "=x", "==a", "-1", "00", "007", "0", "1", "99", "aa", "²", "٣"]),
)


def plain(model):
    return model.SerializeToString(deterministic=True)


def back(data):
    reader = Reader(data, 1 << 24)
    model = decompress_graph(reader)
    assert reader.left == 0
    return model


def graph(names):
    """Nodes with these names, three each, and initializers."""
    nodes = [helper.make_node("Conv", names[i : i + 2], [names[i + 2]]) for i in range(0, len(names) - 2, 3)]
    tensors = [onnx.TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2]) for name in names]
    return helper.make_model(helper.make_graph(nodes, "g", [], [], tensors))


@given(st.lists(NAMES, max_size=20))
@settings(deadline=None)
def test_any_names_come_back(names):
    model = graph(names)
    before = plain(model)
    assert plain(back(compress_graph(model))) == before
    assert plain(model) == before


@pytest.mark.parametrize("name", ["mlp-digits", "resnet8-mnist5k", "mobilenet-fashion"])
def test_repeated_blocks_hardly_count(name):
    model = export.to_onnx(with_quantizers(quantized(network(name), 4)))
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    data = compress_graph(model)
    assert plain(back(data)) == plain(model)
    assert len(data) < 0.2 * len(plain(model))


def test_large_graphs_of_other_programs_come_back():
    model = graph([f"block{i}.conv{i % 3}" for i in range(900)])
    assert plain(back(compress_graph(model))) == plain(model)


class TestHostileInput:
    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", "too early"),
            (b"\4\1\1a", "unknown way"),
            (b"\0" + varint(1 << 30) + b"\1a", "far more"),
            (b"\0\5\3abc", "damaged|another length"),
            (b"\2\5\3abc", "damaged|another length"),
            (b"\0\3" + varint(len(_deflate(b"abc"))) + _deflate(b"abc"), "cannot be read"),
        ],
    )
    def test_each_lie_is_found(self, data, words):
        with pytest.raises(CorruptFile, match=words):
            back(data)

    @given(st.lists(st.text(alphabet="abz-0123456789=", max_size=12), max_size=12))
    @settings(deadline=None)
    def test_distances_to_nowhere(self, names):
        """Names that no graph was given: numbers below zero, or with too many digits."""
        text = plain(graph(names))
        coded = _deflate(text)
        model = back(b"\1" + varint(len(text)) + varint(len(coded)) + coded)
        assert len(model.graph.initializer) == len(names)
