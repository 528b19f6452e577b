import contextlib
import io
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
from networks import network, pruned, quantized, with_quantizers
from onnx import TensorProto, helper, numpy_helper

from compression import export, storage
from compression.errors import CorruptFile


def plain(model):
    return model.SerializeToString(deterministic=True)


def holding(*tensors):
    """A model of nothing but these initializers."""
    named = [
        tensor if isinstance(tensor, onnx.TensorProto) else numpy_helper.from_array(tensor, str(number))
        for number, tensor in enumerate(tensors)
    ]
    return helper.make_model(helper.make_graph([], "g", [], [], named))


def assert_comes_back(model):
    before = plain(model)
    stored = storage.encode(model)
    assert plain(model) == before
    assert plain(storage.decode(stored)) == before
    return len(stored)


def with_checksum(body):
    return storage.MAGIC + bytes([storage.VERSION]) + zlib.crc32(body).to_bytes(4, "little") + body


STORED = storage.encode(export.to_onnx(with_quantizers(quantized(pruned(network("mlp-digits"), 0.7), 4))))
HEADER = len(storage.MAGIC) + 5


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

    @given(st.data())
    @settings(max_examples=60)
    def test_tensors_of_every_type(self, data):
        types = st.sampled_from(["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"])
        arrays = st.lists(
            types.flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))),
            max_size=4,
        )
        assert_comes_back(holding(*data.draw(arrays)))

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
        assert storage.encode(export.to_onnx(model)) == storage.encode(export.to_onnx(model))


class TestSizes:
    """On LeNet-300-100 with 266,200 weights."""

    def size(self, model):
        return len(storage.encode(export.to_onnx(model)))

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
        assert storage.zipped_size(data) == len(archive.getvalue())
        assert 0 < storage.zipped_size(b"") < 200


class TestHostileInput:
    def test_a_file_of_something_else(self):
        with pytest.raises(CorruptFile, match="not a stored file"):
            storage.decode(b"PK\3\4" + bytes(100))

    def test_a_newer_version(self):
        with pytest.raises(CorruptFile, match="version 9"):
            storage.decode(STORED[:4] + b"\x09" + STORED[5:])

    @given(st.integers(5, len(STORED) - 1), st.integers(1, 255))
    def test_any_changed_byte_is_noticed(self, position, change):
        damaged = bytearray(STORED)
        damaged[position] ^= change
        with pytest.raises(CorruptFile, match="checksum"):
            storage.decode(bytes(damaged))

    @given(st.integers(0, len(STORED) - 1))
    def test_any_truncation_is_noticed(self, length):
        with pytest.raises(CorruptFile):
            storage.decode(STORED[:length])

    @given(st.binary(max_size=300))
    def test_random_bytes(self, data):
        for attempt in (data, with_checksum(data)):
            with pytest.raises(CorruptFile):
                storage.decode(attempt)

    @given(st.lists(st.tuples(st.integers(0, len(STORED) - HEADER - 1), st.integers(1, 255)), min_size=1, max_size=4))
    @settings(max_examples=200)
    def test_forged_files_with_a_right_checksum(self, changes):
        body = bytearray(STORED[HEADER:])
        for position, change in changes:
            body[position] ^= change
        self.decode_or_refuse(bytes(body))

    @given(st.data())
    @settings(max_examples=80)
    def test_forged_graphs(self, data):
        """Changes inside the compressed graph: shapes, types, names."""
        skeleton = onnx.ModelProto()
        skeleton.CopyFrom(storage.decode(STORED))
        for tensor in skeleton.graph.initializer:
            tensor.ClearField("raw_data")
        graph = bytearray(plain(skeleton))
        records = STORED[HEADER + len(storage._compress(bytes(graph))) :]
        for _ in range(data.draw(st.integers(0, 3))):
            graph[data.draw(st.integers(0, len(graph) - 1))] ^= data.draw(st.integers(1, 255))
        self.decode_or_refuse(storage._compress(bytes(graph)) + records)

    def decode_or_refuse(self, body):
        with contextlib.suppress(CorruptFile):
            assert isinstance(storage.decode(with_checksum(body)), onnx.ModelProto)

    def test_bytes_at_the_end(self):
        with pytest.raises(CorruptFile, match="3 bytes follow"):
            storage.decode(with_checksum(STORED[HEADER:] + b"abc"))

    def test_a_small_file_cannot_claim_gigabytes(self):
        tensor = onnx.TensorProto(name="a", data_type=TensorProto.FLOAT, dims=[1 << 20, 1 << 20])
        skeleton = storage._compress(plain(holding(tensor)))
        record = bytes([storage.Record.VECTOR, 1, 0, 0])  # all equal: no bytes for any number of them
        with pytest.raises(CorruptFile, match="far more"):
            storage.decode(with_checksum(skeleton + record))

    @pytest.mark.parametrize("factors", [(1, 1), (7, 1), (0, 9), (2, 0), (1, 0)])
    def test_products_of_what_is_not_there(self, factors):
        model = holding(np.float32(2), np.ones(5, np.float32), np.ones(5, np.float32))
        for tensor in model.graph.initializer:
            tensor.ClearField("raw_data")
        one, ones = (np.asarray(values, np.float32).view(np.uint32) for values in ([2], [1] * 5))
        records = b"".join(bytes([storage.Record.VECTOR]) + storage.encode_vector(values) for values in (one, ones))
        body = storage._compress(plain(model)) + records + storage._product(*factors)
        with pytest.raises(CorruptFile, match="computes numbers 2"):
            storage.decode(with_checksum(body))


def test_neither_torch_nor_onnxruntime_is_needed():
    code = "import sys, compression.storage; sys.exit(bool({'torch', 'onnxruntime'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
