import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compression.engine.files.codec.byte_reader import Reader, varint
from compression.engine.files.codec.coders import Method, decode_vector, encode_vector, packed_vector, single_code_bytes
from compression.errors import CorruptFile

TYPES = [np.dtype(f"{sign}{size}") for sign in "iu" for size in (1, 2, 4, 8)]
BUDGET = 1 << 24


def back(data, n, dtype):
    reader = Reader(data, BUDGET)
    values = decode_vector(reader, n, np.dtype(dtype))
    assert reader.left == 0
    return values


def comes_back(values, **settings):
    """Whether decoding gives the same numbers, from no more bytes than theirs and one."""
    data = encode_vector(values, **settings)
    found = back(data, len(values), values.dtype)
    return found.dtype == values.dtype and np.array_equal(found, values) and len(data) <= values.nbytes + 1


def method(values, **settings):
    """The method chosen for these values, which must also come back."""
    assert comes_back(values, **settings)
    return Method(encode_vector(values, **settings)[0])


def random(seed=0):
    return np.random.default_rng(seed)


class TestRoundTrip:
    @given(st.data(), st.sampled_from(TYPES), st.booleans())
    def test_any_integers(self, data, dtype, is_float):
        values = data.draw(hnp.arrays(dtype, st.integers(0, 200)))
        assert comes_back(values, is_float=is_float)

    @given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 30))))
    def test_rows(self, table):
        assert comes_back(table.ravel(), rows=len(table))

    @given(hnp.arrays(np.float32, st.integers(0, 300), elements=st.sampled_from([0.0, -0.0, 1.5, np.nan, np.inf])))
    def test_special_floats_keep_their_bits(self, values):
        assert comes_back(values.view(np.uint32), is_float=True)

    @pytest.mark.parametrize("sparsity", [0.3, 0.6, 0.9, 0.99, 0.9999])
    def test_sparse_floats(self, sparsity):
        values = random().standard_normal(200_000, dtype=np.float32)
        values[random(1).random(values.size) < sparsity] = 0
        assert method(values.view(np.uint32), is_float=True) == Method.SPARSE


class TestChoice:
    """Each kind of numbers gets the coding made for it."""

    def test_random_bytes_stay(self):
        assert method(random().integers(0, 256, 1000).astype(np.uint8)) == Method.RAW

    def test_equal_numbers_take_no_space(self):
        values = np.full(100_000, -7, np.int32)
        assert method(values) == Method.PACKED and len(encode_vector(values)) <= 6

    def test_even_codes_are_packed(self):
        values = random().integers(-8, 8, 10_000).astype(np.int8)
        assert method(values) == Method.PACKED
        assert len(encode_vector(values)) == pytest.approx(5000, abs=10)

    def test_uneven_codes_get_huffman_codes(self):
        values = np.rint(random().standard_normal(20_000) * 2).astype(np.int8)
        assert method(values) == Method.HUFFMAN
        assert len(encode_vector(values)) < 0.9 * 20_000 * 4 / 8  # entropy 3.05 bits

    def test_shared_values_get_a_palette(self):
        shared = random().standard_normal(16, dtype=np.float32)
        values = shared[random(1).integers(0, 16, 50_000)]
        assert method(values.view(np.uint32), is_float=True) == Method.PALETTE
        assert len(encode_vector(values.view(np.uint32), is_float=True)) == pytest.approx(25_000, rel=0.01)

    def test_signs_take_one_bit(self):
        values = random().choice([-1, 1], 80_000).astype(np.int8)
        assert len(encode_vector(values)) == pytest.approx(10_000, abs=20)

    @pytest.mark.parametrize(("kind", "expected"), [(np.float16, Method.HALF), ("bfloat16", Method.BRAIN)])
    def test_half_precision_takes_two_bytes_at_most(self, kind, expected):
        values = random().standard_normal(10_000, dtype=np.float32)
        if kind == "bfloat16":
            values = (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        else:
            values = values.astype(kind).astype(np.float32)
        patterns = values.view(np.uint32)
        assert method(patterns, is_float=True) == expected
        assert len(encode_vector(patterns, is_float=True)) <= 20_010

    def test_exponents_of_floats_repeat(self):
        values = random().standard_normal(50_000, dtype=np.float32).view(np.uint32)
        assert method(values, is_float=True) == Method.PLANES
        assert 0.75 < len(encode_vector(values, is_float=True)) / values.nbytes < 0.9

    @pytest.mark.parametrize("sparsity", [0.5, 0.8, 0.9, 0.95, 0.99])
    def test_positions_cost_little_more_than_their_entropy(self, sparsity):
        n = 200_000
        values = (random().random(n) >= sparsity).astype(np.uint32) * np.uint32(12345)
        entropy = -(sparsity * np.log2(sparsity) + (1 - sparsity) * np.log2(1 - sparsity))
        assert len(encode_vector(values)) * 8 / n < 1.06 * entropy + 0.01

    def test_a_sparse_float_costs_its_share_and_its_position(self):
        n = 400_000
        values = random().standard_normal(n, dtype=np.float32)
        values[random(1).random(n) < 0.9] = 0
        size = len(encode_vector(values.view(np.uint32), is_float=True))
        assert size < 0.1 * 4 * n + n * 0.5 / 8

    def test_zeros_of_an_unsymmetric_grid(self):
        """Each row has its own code for zero."""
        table = np.repeat(random().integers(50, 200, (64, 1)), 500, axis=1).astype(np.uint8)
        is_set = random(1).random(table.shape) < 0.1
        table[is_set] += random(2).integers(-20, 20, is_set.sum()).astype(np.uint8)
        values = table.ravel()
        assert method(values, rows=64) == Method.ROWS
        assert len(encode_vector(values, rows=64)) < 0.7 * len(encode_vector(values))


class TestPlainBits:
    @pytest.mark.parametrize("width", [1, 2, 4, 7])
    def test_take_the_width_of_the_range_whatever_occurs_often(self, width):
        values = np.zeros(8000, np.uint8)
        values[5] = 2**width - 1
        assert len(packed_vector(values)) == 3 + 1000 * width
        assert np.array_equal(back(packed_vector(values), len(values), np.uint8), values)

    @given(hnp.arrays(np.int8, st.integers(0, 200)))
    def test_come_back(self, values):
        assert np.array_equal(back(packed_vector(values), len(values), np.int8), values)


class TestSingleCodes:
    def test_take_their_entropy(self):
        values = np.repeat(np.array([-3, 0, 1, 9], np.int8), [1000, 4000, 2000, 1000])
        assert single_code_bytes(values) == pytest.approx(8000 * 1.75 / 8)  # 3, 1, 2 and 3 bits

    @pytest.mark.parametrize("scale", [0.3, 1, 5, 30])
    def test_no_other_coding_of_independent_numbers_takes_less(self, scale):
        values = np.rint(random().laplace(0, scale, 50_000)).clip(-128, 127).astype(np.int8)
        assert single_code_bytes(values) < len(encode_vector(values)) < 1.3 * single_code_bytes(values)


def vector(*parts):
    return b"".join(bytes([part]) if isinstance(part, int) else part for part in parts)


class TestHostileInput:
    @pytest.mark.parametrize(
        ("data", "n", "words"),
        [
            (vector(Method.RAW, b"ab"), 3, "too early"),
            (vector(99), 3, "does not exist"),
            (vector(Method.PACKED, 0, 9, b"abcdefgh"), 3, "packs"),
            (vector(Method.PALETTE, varint(5)), 3, "shares"),
            (vector(Method.PALETTE, 1, Method.RAW, 7, Method.RAW, b"\0\1\0"), 3, "uses shared value"),
            (vector(Method.HUFFMAN, 3, b"\7bc"), 3, "damaged"),
            (vector(Method.SPARSE, varint(9)), 3, "into 3 places"),
            (vector(Method.SPARSE, 1, 0, Method.RAW, 0b11100000), 3, "positions"),
            (vector(Method.SPARSE, 1, 9, 1), 3, "gaps"),
            (vector(Method.SPARSE, 1, 8, 1, Method.RAW, 3, Method.RAW, 1), 3, "positions"),
            (vector(Method.ROWS, 2), 3, "rows"),
            (vector(Method.ROWS, 0), 3, "rows"),
            (vector(Method.HALF), 3, "float32"),
            (vector(Method.BRAIN), 3, "float32"),
            (vector(Method.ROWS, 1, Method.RAW, 0) * 9, 1, "deeply"),
            (b"", 3, "too early"),
            (vector(Method.PACKED, b"\xff" * 11), 3, "ten bytes"),
            (vector(Method.PACKED, 0, 0), BUDGET + 1, "far more"),
        ],
    )
    def test_each_lie_is_found(self, data, n, words):
        with pytest.raises(CorruptFile, match=words):
            back(data, n, np.uint8)

    @given(st.binary(max_size=60), st.integers(0, 100), st.sampled_from(TYPES))
    @settings(max_examples=300)
    def test_random_bytes_never_do_anything_else(self, data, n, dtype):
        try:
            values = decode_vector(Reader(data, 1 << 16), n, dtype)
        except CorruptFile:
            return
        assert values.shape == (n,) and values.dtype == dtype
