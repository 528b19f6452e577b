import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compression.engine.files.codec.bit_packing import pack_bits, packed_bytes, unpack_bits


def random(seed=0):
    return np.random.default_rng(seed)


@given(st.integers(0, 64), st.integers(0, 100), st.integers(0, 2**32))
def test_bits(width, n, seed):
    values = random(seed).integers(0, 2**width, n, dtype=np.uint64, endpoint=False) if width < 64 else None
    values = random(seed).integers(0, 2**64 - 1, n, dtype=np.uint64, endpoint=True) if values is None else values
    packed = pack_bits(values, width)
    assert len(packed) == packed_bytes(n, width) == -(-n * width // 8)
    assert np.array_equal(unpack_bits(packed, n, width, np.dtype(np.uint64)), values)


def test_bits_in_several_chunks():
    values = random().integers(0, 8, 300_001).astype(np.uint8)
    assert np.array_equal(unpack_bits(pack_bits(values, 3), len(values), 3, np.dtype(np.uint8)), values)


def test_bits_are_in_order():
    assert pack_bits(np.array([1, 2, 3], np.uint8), 2) == bytes([0b01101100])
