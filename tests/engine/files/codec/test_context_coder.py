import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compression.engine.files.codec.byte_reader import Reader, varint
from compression.engine.files.codec.coders import encode_vector
from compression.engine.files.codec.context_coder import ContextDecoder, ContextEncoder, Kind, plan_of
from compression.errors import CorruptFile

EXPONENTS = {"f2": 5, "f4": 8}


def bits(values):
    return values.view(f"u{values.itemsize}").ravel()


def coded(values, exponent_bits=0):
    """What is written beside the stream, and the stream."""
    encoder = ContextEncoder()
    patterns = bits(values) if exponent_bits else values.ravel()
    attempt = encoder.attempt(plan_of(patterns, values.shape, exponent_bits))
    data = encoder.keep(attempt)
    assert len(data) + len(encoder.stream()) <= attempt.size + 8  # zeros at the end are not written
    return data, encoder.stream()


def back(data, stream, shape, dtype, exponent_bits=0, budget=1 << 24):
    reader = Reader(data, budget)
    found = ContextDecoder(reader, stream).decode(shape, np.dtype(dtype), exponent_bits)
    assert reader.left == 0
    return found


def kind(values, exponent_bits=0):
    """How the values were coded; they must also come back."""
    data, stream = coded(values, exponent_bits)
    patterns = bits(values) if exponent_bits else values.ravel()
    found = back(data, stream, values.shape, patterns.dtype, exponent_bits)
    assert found.dtype == patterns.dtype and np.array_equal(found, patterns)
    return Kind(data[0])


class TestRoundTrip:
    @given(st.sampled_from([np.int8, np.uint8]), st.data())
    @settings(max_examples=40, deadline=None)
    def test_codes(self, dtype, data):
        values = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)))
        assert kind(values) is Kind.CODES

    @given(st.sampled_from(["f2", "f4"]), st.data())
    @settings(max_examples=40, deadline=None)
    def test_floats(self, dtype, data):
        values = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)))
        assert kind(values, EXPONENTS[dtype]) in (Kind.FLOATS, Kind.SHARED)

    def test_special_floats_keep_their_bits(self):
        values = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e38, 1.5], np.float32)
        assert kind(values, 8) is Kind.FLOATS

    def test_shared_values(self):
        values = np.array([0.5, -1.25, 3, 0], np.float32)[np.random.default_rng(0).integers(0, 4, (20, 100))]
        assert kind(values, 8) is Kind.SHARED

    def test_many_zeros_are_not_shared_values(self):
        values = np.random.default_rng(0).standard_normal((50, 60), dtype=np.float32)
        values[np.random.default_rng(1).random(values.shape) < 0.9] = 0
        assert kind(values, 8) is Kind.FLOATS


class TestSize:
    def test_is_known_before_it_is_written(self):
        values = np.random.default_rng(0).integers(-9, 10, (50, 100)).astype(np.int8)
        encoder = ContextEncoder()
        attempt = encoder.attempt(plan_of(values.ravel(), values.shape))
        assert len(encoder.keep(attempt)) + len(encoder.stream()) == pytest.approx(attempt.size, abs=8)

    def size(self, values, exponent_bits=0):
        data, stream = coded(values, exponent_bits)
        return len(data) + len(stream)

    def test_half_precision_in_float32_costs_half(self):
        values = np.random.default_rng(0).standard_normal((50, 100), dtype=np.float32)
        halves = values.astype(np.float16)
        assert self.size(halves.astype(np.float32), 8) <= self.size(halves, 5) + 200
        assert self.size(halves.astype(np.float32), 8) < 0.95 * 2 * values.size

    def test_exponents_cost_less_than_with_huffman_codes(self):
        values = np.random.default_rng(0).standard_normal((200, 300), dtype=np.float32)
        assert self.size(values, 8) < len(encode_vector(bits(values), is_float=True))

    def test_rows_with_their_own_code_for_zero(self):
        zero = np.random.default_rng(0).integers(50, 200, (64, 1))
        values = zero + np.random.default_rng(1).integers(-2, 3, (64, 500))
        common = self.size((values - zero).astype(np.uint8))
        assert self.size(values.astype(np.uint8)) < common + 100

    def test_what_is_not_kept_leaves_no_trace(self):
        values = np.random.default_rng(0).integers(-128, 128, (10, 20)).astype(np.int8)
        encoder, fresh = ContextEncoder(), ContextEncoder()
        first = encoder.attempt(plan_of(values.ravel(), values.shape))
        again = encoder.attempt(plan_of(values.ravel(), values.shape))
        assert encoder.stream() == b""
        assert encoder.keep(again) == fresh.keep(first) and encoder.stream() == fresh.stream() != b""


def settings_of(largest, mean=64, width=0):
    return varint(largest) + (varint(mean) + varint(width) if largest else b"")


class TestHostileInput:
    @pytest.mark.parametrize(
        ("data", "shape", "dtype", "exponent_bits", "words"),
        [
            (b"", (2, 3), "i1", 0, "too early"),
            (b"\7", (2, 3), "i1", 0, "made for others"),
            (bytes([Kind.FLOATS]), (2, 3), "i1", 0, "made for others"),
            (bytes([Kind.CODES]), (2, 3), "u4", 8, "made for others"),
            (bytes([Kind.CODES, 5]), (2, 3), "i1", 0, "5 offsets for 2 rows"),
            (bytes([Kind.CODES, 1, 0, 0]) + settings_of(512), (2, 3), "i1", 0, "up to 511"),
            (bytes([Kind.CODES, 1, 0, 0]) + settings_of(3, 0), (2, 3), "i1", 0, "mean code"),
            (bytes([Kind.CODES, 1, 0, 0]) + settings_of(3, 1 << 40), (2, 3), "i1", 0, "mean code"),
            (bytes([Kind.CODES, 1, 0, 0]) + settings_of(3, 1, 9) + bytes(4), (2, 3), "i1", 0, "for images"),
            (bytes([Kind.CODES, 1, 0, 0]) + settings_of(3, 1, 1) + bytes(4), (2, 9999), "i1", 0, "for images"),
            (bytes([Kind.CODES, 1, 0, 0]) + settings_of(3, 1, 1020) + bytes(4), (4, 1020), "i1", 0, "far more"),
            (bytes([Kind.SHARED, 0]), (2, 3), "u4", 8, "shares 0 values"),
            (bytes([Kind.SHARED, 2, 1, 0, 1, 7, 9]) + settings_of(0), (2, 3), "u4", 8, "not among its 2"),
            (bytes([Kind.FLOATS, 24, 0]), (2, 3), "u4", 8, "bits that no float has"),
            (bytes([Kind.FLOATS, 0]) + varint(256), (2, 3), "u4", 8, "bits that no float has"),
            (bytes([Kind.CODES, 1, 0, 0]), (0, 3), "i1", 0, "shape"),
            (bytes([Kind.CODES, 1, 0, 0]), (1, 1 << 30), "i1", 0, "shape"),
            (bytes([Kind.CODES, 1, 0, 0]), (1 << 30, 1), "i1", 0, "far more"),
        ],
    )
    def test_each_lie_is_found(self, data, shape, dtype, exponent_bits, words):
        with pytest.raises(CorruptFile, match=words):
            back(data, b"", shape, dtype, exponent_bits)

    @given(
        st.binary(max_size=40), st.binary(max_size=40), st.sampled_from([("i1", 0), ("u2", 5), ("u4", 8), ("u8", 11)])
    )
    @settings(max_examples=150, deadline=None)
    def test_random_bytes_never_do_anything_else(self, data, stream, kind):
        dtype, exponent_bits = kind
        try:
            found = ContextDecoder(Reader(data, 1 << 20), stream).decode((4, 30), np.dtype(dtype), exponent_bits)
        except CorruptFile:
            return
        assert found.shape == (120,) and found.dtype == dtype
