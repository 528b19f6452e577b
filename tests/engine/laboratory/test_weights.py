import numpy as np
import pytest

from compression.engine import laboratory
from compression.engine.build import load_network
from compression.engine.laboratory.weights import MAX_CELLS, histogram, zero_cells
from compression.engine.network.form import weighted_layers
from compression.engine.onnx_layers import Weight
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.inquiries.weights import WeightInquiry
from compression.models.subject import subject_of
from tests.support.laboratory_tools import prepared


def answer(case):
    taken = prepared(case)
    return laboratory.answer(WeightInquiry(recipe=taken.recipe), taken.bench)


@pytest.mark.parametrize("case", ["baseline", "sparse", "channels", "integers", "shared", "thin", "dynamic"])
class TestEveryKind:
    def test_every_weight_is_counted_once(self, case):
        rows = {row.name: row for row in prepared(case).anatomy.subject.layers}
        for layer in answer(case).layers:
            row = rows[layer.name]
            for found in filter(None, (layer.values, layer.steps)):
                assert int(found.after.sum()) + found.zeros_after == row.weights
                assert found.zeros_after == row.weights - row.nonzero
                assert len(found.edges) == len(found.after) + 1
                if len(found.before):
                    before = np.prod(layer.original_shape)
                    assert int(found.before.sum()) + found.zeros_before == before

    def test_zeros_in_the_picture_are_those_of_the_layer(self, case):
        for layer in answer(case).layers:
            rows, columns = layer.shape[0], int(np.prod(layer.shape[1:]))
            assert layer.zeros.shape == (-(-rows // layer.cell[0]), -(-columns // layer.cell[1]))
            assert all(size <= most for size, most in zip(layer.zeros.shape, MAX_CELLS, strict=True))
            heights = np.diff([*range(0, rows, layer.cell[0]), rows])
            widths = np.diff([*range(0, columns, layer.cell[1]), columns])
            total = (layer.zeros / 255 * np.outer(heights, widths)).sum()
            assert total == pytest.approx(layer.n_zeros, abs=rows * columns / 255)

    def test_answers_stay_small(self, case):
        assert len(answer(case).model_dump_json()) < 500_000


def test_levels_are_where_the_weights_are():
    for layer in answer("integers").layers:
        steps = layer.steps
        assert set(steps.levels.tolist()) <= set(range(-7, 8))
        middles = (steps.edges[:-1] + steps.edges[1:]) / 2
        used = middles[steps.after > 0]
        np.testing.assert_allclose(used, used.round(), atol=1e-4)
    for layer in answer("shared").layers:
        assert len(layer.values.levels) == 16
        assert layer.steps is None


def test_two_of_four_is_seen_in_the_corner():
    layer = next(layer for layer in answer("sparse").layers if layer.name == "stages.2.conv2")
    groups = layer.corner.reshape(len(layer.corner), -1, 4).sum(axis=2)
    assert (groups >= 2).all()
    assert (groups == 2).mean() > 0.9


def test_filters_before_are_those_of_the_model():
    model = fold_batch_norm(load_network(subject_of("lenet5-mnist5k")))
    layers = {name: layer.weight.detach().numpy() for name, layer in weighted_layers(model).items()}
    for layer in answer("shared").layers:
        if layer.filters.size:
            expected = layers[layer.name][:16, :8]
            np.testing.assert_allclose(layer.filters_before, expected, rtol=1e-3, atol=1e-6)
            assert layer.filters.shape == expected.shape


def test_the_first_linear_layer_is_shown_as_images():
    layers = answer("dynamic").layers
    assert layers[0].filters.shape == (16, 1, 8, 8)
    assert layers[-1].filters.size == 0


def test_thin_layers_belong_to_one_but_have_no_filters_before_of_the_same_shape():
    thin = [layer for layer in answer("thin").layers if layer.name != layer.original]
    assert thin
    for layer in thin:
        assert layer.original
        assert layer.steps is None


def test_a_histogram_leaves_zeros_out_and_nothing_else():
    after = np.array([[-1.0, 0.0, 0.0, 2.0]], np.float32)
    found = histogram(after, None, np.zeros(0))
    assert (found.zeros_after, int(found.after.sum()), len(found.before)) == (2, 2, 0)
    assert found.edges[0] == -2
    assert found.edges[-1] == 2


def test_values_beyond_the_edges_are_in_the_last_bars():
    found = histogram(np.array([1.0], np.float32), np.array([9.0, -9.0], np.float32), np.zeros(0), np.arange(-2.5, 3))
    assert found.before.tolist() == [1, 0, 0, 0, 1]


def test_cells_of_zeros_are_exact_means():
    is_zero = np.zeros((100, 300), bool)
    is_zero[:2, :3] = True
    shares, cell = zero_cells(is_zero)
    assert cell == (2, 3)
    assert shares.shape == (50, 100)
    assert shares[0, 0] == 255
    assert shares.sum() == 255


def test_bits_are_those_that_codes_need():
    def weight(codes):
        codes = np.array(codes, np.int8)
        return Weight(codes.astype(np.float32), "codes", codes=codes, scale=np.ones(1), zero_point=np.zeros(1))

    assert weight([-1, 1]).bits == 1
    assert weight([-1, 0, 1]).bits == 2
    assert weight([-7, 7, 0]).bits == 4
    assert weight([-8, 8, 1]).bits == 5
    assert weight([-127, 127, 1]).bits == 8


def test_shared_values_are_counted_where_they_are_used():
    """A zero that stands in front of the codebook for masked weights may be one of its values already."""
    book = np.array([0, 0, -1, 1, 2], np.float32)
    codes = np.array([[1, 2], [3, 4]], np.uint8)
    found = Weight(book[codes], "codebook", codes=codes, book=book)
    assert (found.levels, found.bits) == (4, 2)
