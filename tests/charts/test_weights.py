import numpy as np
import pytest

from compression.charts import weights as pictures
from tests.support.made_up_answers import histogram, layer_weights


class TestHistogram:
    def test_before_after_and_levels(self):
        after, before, levels = pictures.draw_histogram(layer_weights(), "steps")["data"]
        assert after["y"] == [9, 8, 7, 6, 5, 4 + 5, 3, 2, 1, 0]  # the five exact zeros are in the bar of zero
        assert before["y"] == list(range(10))
        assert sorted(set(levels["x"])) == [-1, 0, 1]

    def test_without_a_counterpart_there_is_no_before(self):
        layer = layer_weights(original="", original_shape=(), steps=None, values=histogram(before=False))
        assert pictures.units_of(layer) == ["values"]
        assert len(pictures.draw_histogram(layer, "values")["data"]) == 1
        assert "no layer of the uncompressed network" in pictures.histogram_words(layer, "values")

    def test_many_levels_are_said_and_not_drawn(self):
        layer = layer_weights(steps=histogram(range(-127, 128)))
        assert len(pictures.draw_histogram(layer, "steps")["data"]) == 2
        assert "255 levels" in pictures.histogram_words(layer, "steps")

    def test_words_say_what_is_left_out(self):
        many = layer_weights(steps=histogram((-1, 0, 1)).model_copy(update={"zeros_after": 28}))
        words = pictures.histogram_words(many, "steps")
        assert "28 of 73" in words
        assert pictures.draw_histogram(many, "steps")["data"][0]["y"] == list(range(9, -1, -1))
        few = layer_weights(steps=histogram((-1, 0, 1)).model_copy(update={"zeros_after": 27}))  # three times the next
        assert "not drawn" not in pictures.histogram_words(few, "steps")
        assert pictures.draw_histogram(few, "steps")["data"][0]["y"][5] == 31
        assert "own grid" in words
        assert "see steps of the grid" in pictures.histogram_words(layer_weights(), "values")
        assert "floats" in pictures.histogram_words(layer_weights(steps=None), "values")

    def test_another_shape_is_said(self):
        layer = layer_weights(steps=histogram((-1, 1), before=False), original_shape=(16, 5, 5, 5))
        assert pictures.units_of(layer) == ["values", "steps"]
        assert pictures.units_of(layer_weights()) == ["steps", "values"]
        assert "Before, conv1 had 16 × 5 × 5 × 5 weights" in pictures.histogram_words(layer, "values")
        assert "no place on these grids" in pictures.histogram_words(layer, "steps")


class TestZeros:
    def test_a_cell_that_holds_several_weights_is_said(self):
        words = pictures.zeros_words(layer_weights())
        assert "500 of 1,000 weights are zero (50.0 %)" in words
        assert "1 × 2 weights" in words
        assert "One cell is one weight." in pictures.zeros_words(layer_weights(cell=(1, 1)))

    def test_axes_count_weights_not_cells(self):
        (heat,) = pictures.draw_zeros(layer_weights())["data"]
        assert tuple(heat[key] for key in ("x0", "dx", "y0", "dy")) == (0.5, 2, 0, 1)
        assert np.asarray(heat["z"])[0, 0] == pytest.approx(100 - 100 * 127 / 255)

    def test_the_corner_shows_each_weight(self):
        (heat,) = pictures.draw_corner(layer_weights())["data"]
        assert np.asarray(heat["z"])[0, :4].tolist() == [0, 100, 0, 100]


class TestFilters:
    def test_a_mosaic_keeps_every_number_in_its_place(self):
        filters = np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2).astype(float)
        picture = pictures.mosaic(filters)
        assert picture.shape == (5, 8)
        np.testing.assert_array_equal(picture[3:5, 6:8], filters[1, 2])
        assert np.isnan(picture[2]).all()

    def test_filters_of_one_input_stand_in_columns(self):
        filters = np.arange(10 * 9).reshape(10, 1, 3, 3).astype(float)
        found = pictures.arranged(filters)
        assert found.shape == (2, 8, 3, 3)
        np.testing.assert_array_equal(found[1, 1], filters[9, 0])
        assert np.isnan(found[1, 2]).all()

    def test_both_pictures_have_one_scale(self):
        layer = layer_weights(filters=np.full((1, 1, 3, 3), -4, np.float16))
        assert pictures.colour_range(layer) == 4
        (heat,) = pictures.draw_filters(layer.filters_before, 4)["data"]
        assert (heat["zmin"], heat["zmax"]) == (-4, 4)
