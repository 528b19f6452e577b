import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compression.engine.files.codec.byte_reader import Reader, inflate, varint
from compression.errors import CorruptFile


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_integers_come_back(numbers):
    reader = Reader(b"".join(map(varint, numbers)), 0)
    assert [reader.varint() for _ in numbers] == numbers
    assert reader.left == 0


def test_what_is_read_is_counted_for_its_part():
    reader = Reader(bytes(10), 0)
    with reader.part("graph"):
        reader.take(3)
        with reader.detail("positions"):  # only codes are divided
            reader.byte()
    with reader.part("codes"):
        reader.take(2)
        with reader.detail("positions"):
            reader.take(3)
        reader.byte()
    assert reader.ledger == {"graph": 4, "codes": 3, "positions": 3}
    assert reader.left == 0


def test_no_more_is_read_than_there_is():
    reader = Reader(b"abc", 0)
    assert reader.take(2) == b"ab"
    with pytest.raises(CorruptFile, match="2 bytes expected, 1 left"):
        reader.take(2)


def test_no_more_is_allocated_than_the_budget():
    reader = Reader(b"", 10)
    reader.spend(6)
    reader.need(4)  # free again afterwards
    reader.spend(4)
    with pytest.raises(CorruptFile, match="far more"):
        reader.spend(1)


def test_a_deflate_bomb_is_not_unpacked():
    coder = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = coder.compress(bytes(10_000_000)) + coder.flush()
    with pytest.raises(CorruptFile, match="length"):
        inflate(bomb, 100)


def test_what_follows_a_deflate_stream_is_an_error():
    coder = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = coder.compress(b"abc") + coder.flush()
    assert inflate(data, 3) == b"abc"
    with pytest.raises(CorruptFile):
        inflate(data + b"x", 3)
