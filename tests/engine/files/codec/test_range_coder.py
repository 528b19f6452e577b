import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.engine.files.codec.adaptive_model import MAX_MAGNITUDE, Model
from compression.engine.files.codec.range_coder import Decoder, Encoder, Recorder, Settings, code_matrix, fit_settings
from compression.engine.files.codec.scan_order import layout_of
from compression.errors import CorruptFile

SHAPES = [(1, 1), (1, 40), (30, 1), (7, 30), (40, 64), (5, 3, 3, 3), (8, 4, 5, 5), (6, 7, 1, 1), (9, 1, 2, 3)]


def write(matrix, shape, known=None):
    """The recorder, layout and settings of a matrix."""
    width, found = fit_settings(matrix, shape)
    recorder, layout = Recorder(), layout_of(shape, width)
    code_matrix(recorder, known or Model(), layout, found, matrix)
    return recorder, layout, found


def stream_of(recorders):
    encoder = Encoder()
    for recorder in recorders:
        encoder.write(recorder)
    return encoder.stream()


def size(matrix, shape=None):
    return write(matrix, shape or matrix.shape)[0].bits / 8


def entropy(matrix):
    """Bytes that a code of single numbers needs at least."""
    share = np.unique(matrix, return_counts=True)[1] / matrix.size
    return -(share * np.log2(share)).sum() * matrix.size / 8


def laplace(shape, scale, seed=0):
    return np.rint(np.random.default_rng(seed).laplace(0, scale, shape)).astype(np.int64).clip(-100, 100)


def scattered(count):
    """Sizes from 0.05 to 20 in no order."""
    return np.random.default_rng(1).permutation(np.geomspace(0.05, 20, count))


def images(rows, side, strength, seed=0):
    """Rows that are smooth images of side x side."""
    noise = np.random.default_rng(seed).standard_normal((rows, side + 2, side + 2))
    for axis in (1, 2):
        noise = noise + strength * np.roll(noise, 1, axis) + strength * np.roll(noise, 2, axis)
    return np.rint(3 * noise[:, 2:, 2:]).astype(np.int64).reshape(rows, -1)


class TestRoundTrip:
    @given(st.sampled_from(SHAPES), st.floats(0.01, 150), st.integers(0, 2**32), st.booleans())
    @settings(max_examples=60, deadline=None)
    def test_any_matrix(self, shape, scale, seed, is_shifted):
        matrix = laplace((shape[0], int(np.prod(shape[1:]))), scale, seed) + 3 * is_shifted
        if not matrix.any():
            return
        recorder, layout, found = write(matrix, shape)
        back = code_matrix(Decoder(stream_of([recorder])), Model(), layout, found, None)
        assert np.array_equal(back, matrix)

    def test_largest_magnitudes(self):
        matrix = np.array([[MAX_MAGNITUDE, -MAX_MAGNITUDE, 0, 1, 256, -255, 300, -511]] * 5)
        recorder, layout, found = write(matrix, matrix.shape)
        assert np.array_equal(code_matrix(Decoder(stream_of([recorder])), Model(), layout, found, None), matrix)

    @pytest.mark.parametrize("largest", [1, 2, 3, 5, 11, 23, 27, 40])
    def test_every_magnitude_up_to_any_largest(self, largest):
        matrix = np.arange(-largest, largest + 1)[None].repeat(3, axis=0)
        recorder, layout, found = write(matrix, matrix.shape)
        assert np.array_equal(code_matrix(Decoder(stream_of([recorder])), Model(), layout, found, None), matrix)

    def test_several_matrices_share_a_stream_and_a_model(self):
        matrices = [laplace((20, 50), scale) for scale in (1, 5, 0.3)]
        known = Model()
        written = [write(matrix, matrix.shape, known) for matrix in matrices]
        decoder, known = Decoder(stream_of([recorder for recorder, _, _ in written])), Model()
        for matrix, (_, layout, found) in zip(matrices, written, strict=True):
            assert np.array_equal(code_matrix(decoder, known, layout, found, None), matrix)

    def test_the_stream_is_the_same_on_every_machine(self):
        """Probabilities are whole numbers, so that a file made elsewhere decodes here; this one was made once."""
        mixed = np.arange(4000, dtype=np.int64) * 2654435761 % 2**32 >> 20
        matrix = ((mixed % 17 - 8) * (mixed % 5 == 0)).reshape(40, 100)
        recorder, _, _ = write(matrix, (40, 4, 5, 5))
        assert zlib.crc32(stream_of([recorder])) == GOLDEN


GOLDEN = 2706871279


class TestSize:
    @pytest.mark.parametrize("scale", [0.2, 1, 3, 20])
    def test_independent_numbers_take_little_more_than_their_entropy(self, scale):
        matrix = laplace((200, 300), scale)
        assert entropy(matrix) * 0.99 < size(matrix) < entropy(matrix) * 1.01 + 100

    def test_what_is_written_is_what_was_counted(self):
        recorder, _, _ = write(laplace((100, 200), 2), (100, 200))
        assert len(stream_of([recorder])) == pytest.approx(recorder.bits / 8, abs=5)

    def test_unsymmetric_grids_cost_their_entropy_too(self):
        values = np.array([-4, -1, 0, 2, 7])
        matrix = values[np.random.default_rng(0).choice(5, (100, 300), p=[0.1, 0.4, 0.1, 0.3, 0.1])]
        assert size(matrix) < entropy(matrix) * 1.01 + 150

    def test_rows_of_different_size_are_told_apart(self):
        matrix = laplace((100, 400), scattered(100)[:, None])
        assert size(matrix) < 0.9 * entropy(matrix)

    def test_so_are_channels(self):
        matrix = laplace((400, 100), scattered(100))
        assert size(matrix) < 0.9 * entropy(matrix)

    def test_dead_rows_and_columns_cost_little(self):
        matrix = laplace((200, 300), 3)
        matrix[::2] = 0
        matrix[:, ::3] = 0
        assert size(matrix) < 1.1 * size(laplace((100, 200), 3)) < 0.9 * entropy(matrix)

    def test_neighbours_in_images_predict(self):
        matrix = images(60, 20, 0.9)
        assert fit_settings(matrix, matrix.shape)[0] == 20
        assert size(matrix) < 0.9 * entropy(matrix)

    def test_neighbours_in_filters_predict(self):
        matrix = images(1600, 5, 0.9).reshape(40, -1)
        assert size(matrix, (40, 40, 5, 5)) < 0.95 * entropy(matrix)
        assert size(matrix, (40, 40, 5, 5)) < 0.95 * size(matrix, (40, 1000, 1, 1))

    def test_noise_is_not_predicted(self):
        matrix = laplace((50, 400), 3)
        assert fit_settings(matrix, matrix.shape)[0] == 0
        assert fit_settings(matrix, (50, 16, 5, 5))[0] == 0

    def test_what_was_learned_helps_with_the_next_matrix(self):
        known = Model()
        first, second = (write(laplace((20, 30), 2, seed), (20, 30), known)[0].bits for seed in (0, 0))
        assert second < 0.98 * first


@given(st.binary(max_size=100), st.integers(1, MAX_MAGNITUDE), st.integers(1, 10_000))
@settings(max_examples=60, deadline=None)
def test_random_streams_decode_or_are_refused(stream, largest, mean):
    layout = layout_of((10, 20), 0)
    try:
        found = code_matrix(Decoder(stream), Model(), layout, Settings(largest, mean), None)
    except CorruptFile:
        return
    assert np.abs(found).max() <= largest
