import io
import lzma
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper, numpy_helper

from compression.engine.files import export, stored_file
from compression.engine.files.codec import graph_coder
from compression.engine.files.codec.byte_reader import varint
from compression.engine.files.codec.graph_coder import compress_graph
from compression.engine.network.tracing import trace
from compression.errors import Cancelled, CorruptFile
from compression.results.record import STORED_PARTS
from compression.watch import Watch
from sample_models.catalogue import find_model
from tests.support.networks import network, pruned, quantized, with_quantizers
from tests.support.watches import GIVEN_UP


def ledger_of(stored):
    return stored_file.decode_with_ledger(stored)[1]


def plain(model):
    return model.SerializeToString(deterministic=True)


def holding(*tensors):
    """A model of nothing but these initializers."""
    named = [
        tensor if isinstance(tensor, onnx.TensorProto) else numpy_helper.from_array(tensor, str(number))
        for number, tensor in enumerate(tensors)
    ]
    return helper.make_model(helper.make_graph([], "g", [], [], named))


def assert_comes_back(model, coding="context"):
    before = plain(model)
    stored = stored_file.encode(model, coding)
    assert plain(model) == before
    decoded, parts = stored_file.decode_with_ledger(stored)
    assert plain(decoded) == before
    assert sum(parts.values()) == len(stored)
    assert_each_tensor_is_counted(stored, before)
    return len(stored)


def assert_each_tensor_is_counted(stored, before):
    """Bytes of initializers and of the rest add up to the file."""
    model, sizes, rest = stored_file.decode_by_tensor(stored)
    assert plain(model) == before
    assert set(sizes) == {tensor.name for tensor in model.graph.initializer}
    assert sum(sizes.values()) + sum(rest.values()) == len(stored)
    assert min(rest.values()) >= 0
    assert rest["header"] <= HEADER_MOST


def with_checksum(body):
    return stored_file.MAGIC + bytes([stored_file.VERSION]) + zlib.crc32(body).to_bytes(4, "little") + body


HEADER_MOST = 9 + 10
"""Magic number, version, checksum, and the length of the stream."""

EXPORTED = export.to_onnx(with_quantizers(quantized(pruned(network("mlp-digits"), 0.7), 4)))
STORED = stored_file.encode(EXPORTED)
HEADER = len(stored_file.MAGIC) + 5
CODINGS = ("context", "huffman", "packed")
NO_STREAM = b"\0"


def without_numbers(model):
    skeleton = onnx.ModelProto()
    skeleton.CopyFrom(model)
    for tensor in skeleton.graph.initializer:
        tensor.ClearField("raw_data")
    return skeleton


class TestRoundTrip:
    @pytest.mark.parametrize("name", ["mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k", "mobilenet-fashion"])
    def test_models(self, name):
        assert_comes_back(export.to_onnx(network(name)))

    @pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 8, 16])
    @pytest.mark.parametrize("symmetric", [True, False])
    def test_grids(self, bits, symmetric):
        model = pruned(network("resnet8-mnist5k"), 0.5 if bits % 2 else 0)
        assert_comes_back(export.to_onnx(quantized(model, bits, symmetric)))

    def test_quantized_activations(self):
        assert_comes_back(export.to_onnx(with_quantizers(quantized(network("lenet5-mnist5k"), 8))))

    @pytest.mark.parametrize("coding", CODINGS)
    def test_codings(self, coding):
        for model in (network("mlp-digits"), pruned(network("resnet8-mnist5k"), 0.9)):
            assert_comes_back(export.to_onnx(model), coding)
            assert_comes_back(export.to_onnx(quantized(model, 3, symmetric=False)), coding)

    @given(st.data(), st.sampled_from(CODINGS))
    @settings(max_examples=40, deadline=None)
    def test_tensors_of_every_type(self, data, coding):
        types = st.sampled_from(["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"])
        arrays = st.lists(
            types.flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))),
            max_size=4,
        )
        assert_comes_back(holding(*data.draw(arrays)), coding)

    def test_tensors_without_raw_data(self):
        packed = helper.make_tensor("a", TensorProto.INT4, [3], [1, 2, 3])
        assert_comes_back(holding(packed, helper.make_tensor("b", TensorProto.FLOAT, [2], [1.0, 2.0])))
        assert_comes_back(holding(helper.make_tensor("c", TensorProto.STRING, [1], [b"word"])))

    def test_raw_data_that_does_not_fit_its_shape_is_kept(self):
        odd = onnx.TensorProto(name="a", data_type=TensorProto.FLOAT, dims=[3], raw_data=b"12345")
        strange = onnx.TensorProto(name="b", data_type=TensorProto.FLOAT, dims=[-1], raw_data=b"1234")
        assert_comes_back(holding(odd, strange, onnx.TensorProto(name="c", data_type=TensorProto.FLOAT, raw_data=b"")))

    def test_the_same_model_gives_the_same_file(self):
        model = network("mlp-digits")
        assert stored_file.encode(export.to_onnx(model)) == stored_file.encode(export.to_onnx(model))


class TestSizes:
    """On LeNet-300-100 with 266,200 weights."""

    def size(self, model, coding="context"):
        return len(stored_file.encode(export.to_onnx(model), coding))

    @pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
    @pytest.mark.parametrize("sparsity", [0, 0.9])
    def test_better_codings_make_smaller_files(self, bits, sparsity):
        model = quantized(pruned(network("lenet300-mnist5k"), sparsity), bits)
        sizes = [self.size(model, coding) for coding in CODINGS]
        assert sizes == sorted(sizes)

    def test_plain_bits_are_plain(self):
        """Four bits a code, and up to four bytes for each scale and bias, whatever the codes are."""
        model = quantized(network("lenet300-mnist5k"), 4)
        assert 266_200 / 2 < self.size(model, "packed") < 266_200 / 2 + 2 * 410 * 4 + 300
        assert self.size(quantized(pruned(model, 0.9), 4), "packed") > 266_200 / 2

    def test_trained_weights_cost_less_than_their_entropy(self):
        """Neighbouring weights of a trained network are alike: contexts know more than counts of codes."""
        model = quantized(trace(find_model("lenet300-mnist5k").load(), (1, 28, 28)), 4)
        codes = numpy_helper.to_array(next(t for t in export.to_onnx(model).graph.initializer if len(t.raw_data) > 2e5))
        share = np.unique(codes, return_counts=True)[1] / codes.size
        entropy = -(share * np.log2(share)).sum() * codes.size / 8
        parts = ledger_of(stored_file.encode(export.to_onnx(model)))
        assert parts["codes"] + parts["positions"] < 0.95 * entropy

    def test_a_graph_takes_few_bytes(self):
        for name, bits, most in (("mlp-digits", 2, 120), ("resnet8-mnist5k", 4, 450)):
            model = quantized(network(name), bits)
            model = with_quantizers(model) if bits == 4 else model
            assert ledger_of(stored_file.encode(export.to_onnx(model)))["graph"] < most

    def test_sparse_files_shrink_with_sparsity(self):
        model = network("lenet300-mnist5k")
        sizes = [self.size(pruned(model, sparsity)) for sparsity in (0.0, 0.5, 0.9, 0.98)]
        assert sizes[1] < 0.55 * sizes[0] and sizes[3] < 0.03 * sizes[0]
        assert sizes[2] < 266_200 * (0.1 * 4 + 0.5 / 8) + 3000

    def test_files_shrink_with_every_bit(self):
        model = network("lenet300-mnist5k")
        sizes = [self.size(quantized(model, bits)) for bits in (16, 8, 7, 6, 5, 4, 3, 2, 1)]
        whole = self.size(model)
        assert all(later < earlier for earlier, later in zip([whole, *sizes], sizes, strict=False))
        assert sizes[5] < 266_200 * 4 / 8 * 1.03
        assert sizes[8] < 266_200 * 1 / 8 * 1.1

    def test_scales_of_biases_are_products_of_others(self):
        scale, weights = np.float32(0.0173), np.random.default_rng(0).random(300, dtype=np.float32)
        alone = assert_comes_back(holding(np.asarray(scale), weights))
        assert assert_comes_back(holding(np.asarray(scale), weights, scale * weights)) < alone + 20

    def test_a_zip_of_the_runtime_file(self):
        data = plain(export.to_onnx(network("mlp-digits")))
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file:
            file.writestr("model.onnx", data)
        assert stored_file.zipped_size(data) == len(archive.getvalue())
        assert 0 < stored_file.zipped_size(b"") < 200


class TestLedger:
    def test_parts_add_up(self):
        parts = ledger_of(STORED)
        assert tuple(parts) == STORED_PARTS
        assert sum(parts.values()) == len(STORED)
        assert all(parts[part] > 0 for part in ("codes", "positions", "scales", "biases", "graph", "header"))

    @pytest.mark.parametrize("coding", CODINGS)
    def test_dense_float_weights_have_no_positions(self, coding):
        parts = ledger_of(stored_file.encode(export.to_onnx(network("mlp-digits")), coding))
        assert parts["positions"] <= 10 and parts["scales"] == 0 and parts["codebooks"] == 0
        assert parts["biases"] == pytest.approx(106 * 4, rel=0.15)

    def test_positions_cost_their_entropy(self):
        parts = ledger_of(stored_file.encode(export.to_onnx(pruned(network("lenet300-mnist5k"), 0.9))))
        assert parts["positions"] == pytest.approx(266_200 * 0.469 / 8, rel=0.05)  # the entropy of 0.1 is 0.469 bits

    def test_shared_values_are_a_codebook(self):
        values = np.random.default_rng(0).standard_normal(16, dtype=np.float32)
        weight = values[np.random.default_rng(1).integers(0, 16, (50, 200))]
        node = helper.make_node("Gemm", ["x", "0"], ["y"])
        model = helper.make_model(helper.make_graph([node], "g", [], [], [numpy_helper.from_array(weight, "0")]))
        for coding in ("context", "huffman"):
            parts = ledger_of(stored_file.encode(model, coding))
            assert parts["codebooks"] == pytest.approx(64, abs=8)
            assert parts["codes"] + parts["positions"] == pytest.approx(5000, rel=0.03)


class TestHostileInput:
    def test_a_file_of_something_else(self):
        with pytest.raises(CorruptFile, match="not a stored file"):
            stored_file.decode(b"PK\3\4" + bytes(100))

    @pytest.mark.parametrize("version", [1, 2, 9])
    def test_another_version(self, version):
        with pytest.raises(CorruptFile, match=f"version {version}; this program reads 3"):
            stored_file.decode(STORED[:4] + bytes([version]) + STORED[5:])

    @given(st.integers(5, len(STORED) - 1), st.integers(1, 255))
    @settings(deadline=None)
    def test_any_changed_byte_is_noticed(self, position, change):
        damaged = bytearray(STORED)
        damaged[position] ^= change
        with pytest.raises(CorruptFile, match="checksum"):
            stored_file.decode(bytes(damaged))

    @given(st.integers(0, len(STORED) - 1))
    @settings(deadline=None)
    def test_any_truncation_is_noticed(self, length):
        with pytest.raises(CorruptFile):
            stored_file.decode(STORED[:length])

    @given(st.binary(max_size=300))
    @settings(deadline=None)
    def test_random_bytes(self, data):
        for attempt in (data, with_checksum(data)):
            with pytest.raises(CorruptFile):
                stored_file.decode(attempt)

    @given(st.lists(st.tuples(st.integers(0, len(STORED) - HEADER - 1), st.integers(1, 255)), min_size=1, max_size=4))
    @settings(max_examples=150, deadline=None)
    def test_forged_files_with_a_right_checksum(self, changes):
        body = bytearray(STORED[HEADER:])
        for position, change in changes:
            body[position] ^= change
        assert self.is_refused_or_a_model(bytes(body))

    @given(st.data())
    @settings(max_examples=60, deadline=None)
    def test_forged_graphs(self, data):
        """Changes inside the compressed graph: shapes, types, names."""
        graph = bytearray(plain(without_numbers(EXPORTED)))
        records = STORED[HEADER + len(compress_graph(without_numbers(EXPORTED))) :]
        for _ in range(data.draw(st.integers(0, 3))):
            graph[data.draw(st.integers(0, len(graph) - 1))] ^= data.draw(st.integers(1, 255))
        deflated = graph_coder._deflate(bytes(graph))
        assert self.is_refused_or_a_model(b"\0" + varint(len(graph)) + varint(len(deflated)) + deflated + records)

    @staticmethod
    def is_refused_or_a_model(body):
        """Whether a file is refused as corrupt, or leads to a model each of whose bytes is accounted for."""
        file = with_checksum(body)
        try:
            model = stored_file.decode(file)
        except CorruptFile:
            return True
        return isinstance(model, onnx.ModelProto) and sum(ledger_of(file).values()) == len(file)

    def test_bytes_at_the_end(self):
        with pytest.raises(CorruptFile, match="3 bytes follow"):
            stored_file.decode(with_checksum(STORED[HEADER:] + b"abc"))

    def test_a_small_file_cannot_claim_gigabytes(self):
        tensor = onnx.TensorProto(name="a", data_type=TensorProto.FLOAT, dims=[1 << 20, 1 << 20])
        skeleton = compress_graph(holding(tensor))
        record = bytes([stored_file.Record.VECTOR, 1, 0, 0])  # all equal: no bytes for any number of them
        with pytest.raises(CorruptFile, match="far more"):
            stored_file.decode(with_checksum(skeleton + NO_STREAM + record))

    @pytest.mark.parametrize("shape", [(1 << 20, 1 << 20), (1, 1 << 18), (1 << 13, 1 << 13)])
    def test_nor_can_the_stream(self, shape):
        tensor = onnx.TensorProto(name="a", data_type=TensorProto.FLOAT, dims=shape)
        record = bytes([stored_file.Record.CONTEXT, 2, 0, 127, 1, 1, 0])
        with pytest.raises(CorruptFile, match="far more|made for others"):
            stored_file.decode(with_checksum(compress_graph(holding(tensor)) + NO_STREAM + record))

    @pytest.mark.parametrize("factors", [(1, 1), (7, 1), (0, 9), (2, 0), (1, 0)])
    def test_products_of_what_is_not_there(self, factors):
        model = holding(np.float32(2), np.ones(5, np.float32), np.ones(5, np.float32))
        model = without_numbers(model)
        one, ones = (np.asarray(values, np.float32).view(np.uint32) for values in ([2], [1] * 5))
        records = b"".join(
            bytes([stored_file.Record.VECTOR]) + stored_file.encode_vector(values) for values in (one, ones)
        )
        body = compress_graph(model) + NO_STREAM + records + stored_file._product(*factors)
        with pytest.raises(CorruptFile, match="computes numbers 2"):
            stored_file.decode(with_checksum(body))


def test_neither_torch_nor_onnxruntime_is_needed():
    module = "compression.engine.files.stored_file"
    code = f"import sys, {module}; sys.exit(bool({{'torch', 'onnxruntime'}} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def field(number, content):
    """A field of a protobuf message that holds bytes or another message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


EQUAL = bytes([stored_file.Record.VECTOR, 1, 0, 0])
"""A record of any number of equal elements."""
EMPTY_NODE, NODE_WITH_EMPTY_ATTRIBUTE = field(1, b""), field(1, field(5, b""))


def with_graph_of(part, size, file_size):
    """A file of `file_size` bytes with a right checksum, whose graph is `part` again and again in `size` bytes."""
    text = field(7, part * (size // len(part)))
    packed = lzma.compress(text, format=lzma.FORMAT_RAW, filters=graph_coder._FILTERS)
    graph = bytes([graph_coder._LZMA | graph_coder._DISTANCES]) + varint(len(text)) + varint(len(packed)) + packed
    return filled_up(graph, b"", file_size)


def filled_up(graph, records, file_size):
    rest = file_size - HEADER - len(graph) - len(records) - 3
    return with_checksum(graph + varint(rest) + bytes(rest) + records)


def with_equal_numbers(data_type, shape, record, file_size):
    return filled_up(
        compress_graph(holding(onnx.TensorProto(name="a", data_type=data_type, dims=shape))), record, file_size
    )


class TestBoundsOfDecoding:
    """A file of a megabyte may claim a lot: as much as the budget allows stays below 300 MB, more is refused."""

    @pytest.mark.parametrize("part", [EMPTY_NODE, NODE_WITH_EMPTY_ATTRIBUTE, field(5, b""), field(1, field(1, b"a"))])
    def test_a_graph_of_many_small_parts_is_refused(self, part):
        """Parsed they take up to 160 times the memory of their text, which itself compresses ten-thousandfold."""
        for size in (8 << 20, 60 << 20):
            file = with_graph_of(part, size, 20_000)
            with pytest.raises(CorruptFile, match="far more"):
                stored_file.decode(file)

    def test_many_small_tensors_are_refused(self):
        """They take time without taking space."""
        graph = compress_graph(holding(*[onnx.TensorProto(name="a", data_type=TensorProto.INT8)] * 30_000))
        with pytest.raises(CorruptFile, match="far more"):
            stored_file.decode(with_checksum(graph + NO_STREAM + EQUAL * 30_000))

    @pytest.mark.skipif(sys.platform != "linux", reason="reads the process's peak in /proc")
    def test_what_is_allowed_stays_below_300_mb(self, tmp_path):
        megabyte = 1_000_000
        zeros = bytes([stored_file.Record.CONTEXT, 2, 23, 200, 1, 100, 0xF0, 0x2E, 0])
        files = [
            with_graph_of(EMPTY_NODE, 810_000, megabyte),
            with_graph_of(NODE_WITH_EMPTY_ATTRIBUTE, 810_000, megabyte),
            with_equal_numbers(TensorProto.FLOAT, [16_000_000], EQUAL, megabyte),
            with_equal_numbers(TensorProto.FLOAT, [2000, 1000], zeros, megabyte),
        ]
        for number, file in enumerate(files):
            (tmp_path / f"{number}").write_bytes(file)
        code = (
            "import pathlib, sys; from compression.engine.files import stored_file\n"
            "for path in pathlib.Path(sys.argv[1]).iterdir(): stored_file.decode(path.read_bytes())\n"
            "print(pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
        assert int(done.stdout) * 1024 < 300e6

    @pytest.mark.parametrize("name", ["resnet20-fashion", "mobilenet-fashion"])
    def test_real_networks_need_a_quarter_of_what_is_allowed(self, name, monkeypatch):
        monkeypatch.setattr(stored_file, "BUDGET", stored_file.BUDGET // 4)
        monkeypatch.setattr(stored_file, "EXPANSION", stored_file.EXPANSION // 4)
        for model in (network(name), quantized(pruned(network(name), 0.9), 2)):
            written = export.to_onnx(model)
            assert plain(stored_file.decode(stored_file.encode(written))) == plain(written)


def test_writing_and_reading_look_before_each_part_whether_they_are_wanted():
    """A cancel that waited for a whole file took 18 s on a machine with too much to do."""
    model, looks = pruned(network("resnet8-mnist5k"), 0.5), []
    watch = Watch(check=lambda: looks.append(1))
    written = export.to_onnx(model, watch=watch)
    assert len(looks) >= len(written.graph.node)
    for act in (
        lambda: stored_file.encode(written, watch=watch),
        lambda: stored_file.decode_with_ledger(STORED, watch=watch),
    ):
        looks.clear()
        act()
        assert len(looks) >= min(len(written.graph.initializer), len(EXPORTED.graph.initializer))
    for act in (
        lambda: export.to_onnx(model, watch=GIVEN_UP),
        lambda: stored_file.encode(written, watch=GIVEN_UP),
        lambda: stored_file.decode_with_ledger(STORED, watch=GIVEN_UP),
    ):
        with pytest.raises(Cancelled):
            act()


class TestBytesByTensor:
    def test_a_tensor_with_more_to_say_takes_more_of_the_stream(self):
        """Random codes cost what information theory says, constant ones next to nothing."""
        rng = np.random.default_rng(0)
        random, constant = rng.integers(-8, 8, (64, 64)).astype(np.int8), np.full((64, 64), 3, np.int8)
        _, sizes, _ = stored_file.decode_by_tensor(stored_file.encode(holding(random, constant)))
        assert sizes["0"] == pytest.approx(64 * 64 * 4 / 8, rel=0.03)
        assert sizes["1"] < 60

    def test_alone_a_tensor_takes_about_as_much_as_together(self):
        rng = np.random.default_rng(1)
        parts = [rng.normal(0, spread, (60, 80)).round().astype(np.int8) for spread in (1, 4, 16)]
        _, together, _ = stored_file.decode_by_tensor(stored_file.encode(holding(*parts)))
        for number, part in enumerate(parts):
            _, alone, _ = stored_file.decode_by_tensor(stored_file.encode(holding(part)))
            assert together[str(number)] == pytest.approx(alone["0"], rel=0.05)

    def test_parts_are_those_of_the_ledger(self):
        _, sizes, rest = stored_file.decode_by_tensor(STORED)
        parts = ledger_of(STORED)
        assert sum(sizes.values()) + rest["graph"] == sum(parts.values()) - parts["header"]
        assert rest["header"] == parts["header"]
