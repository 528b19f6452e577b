import pytest

from compression import units


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (71_234, "71.2 KB"),
        (999_499, "999 KB"),
        (999_600, "1.00 MB"),
        (2.5e9, "2.50 GB"),
    ],
)
def test_size_has_three_digits_and_a_unit(n_bytes, words):
    assert units.size(n_bytes) == words


@pytest.mark.parametrize(("number", "words"), [(0, "0"), (950, "950"), (431_080, "431 k"), (2_293_000, "2.29 M")])
def test_counts_are_short(number, words):
    assert units.count(number) == words


def test_milliseconds_keep_three_digits_below_one():
    assert units.milliseconds(0.04321) == "0.0432 ms"
    assert units.milliseconds(12.345) == "12.3 ms"


@pytest.mark.parametrize(
    ("joules", "words"),
    [
        (0, "0 nJ"),
        (4.6e-12, "0.00460 nJ"),
        (3.4e-5, "34.0 µJ"),
        (1.7e-4, "0.170 mJ"),
        (9.996e-5, "0.100 mJ"),
        (2, "2.00 J"),
        (2500, "2.50 kJ"),
    ],
)
def test_energy_has_three_digits_and_a_unit(joules, words):
    assert units.energy(joules) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [(8.39e-6, "8.39 µg"), (0.0223, "22.3 mg"), (0.9999, "1.00 g"), (12.34, "12.3 g"), (1234, "1.23 kg")],
)
def test_grams(amount, words):
    assert units.grams(amount) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0123, "12.3 ms"), (2, "2.00 s"), (180, "3.00 min"), (7200, "2.00 h"), (864_000, "10.0 days")],
)
def test_long_times(seconds, words):
    assert units.long_time(seconds) == words


class TestTwoAmountsThatAreCompared:
    def test_have_one_unit(self):
        assert (units.energy(13.3, 0.735), units.energy(0.735, 13.3)) == ("13.3 J", "0.735 J")
        assert (units.grams(1.5, 0.4), units.grams(0.4, 1.5)) == ("1.50 g", "0.400 g")

    def test_have_the_unit_of_the_smaller_where_the_other_is_too_large_for_it(self):
        assert (units.long_time(0.57, 0.0395), units.long_time(0.0395, 0.57)) == ("570 ms", "39.5 ms")
        assert (units.energy(2e-3, 5e-5), units.energy(5e-5, 2e-3)) == ("2,000 µJ", "50.0 µJ")

    def test_times_are_in_no_unit_that_one_of_them_does_not_reach(self):
        assert (units.long_time(120, 26.5), units.long_time(26.5, 120)) == ("120 s", "26.5 s")
        assert (units.long_time(200_000, 9000), units.long_time(9000, 200_000)) == ("55.6 h", "2.50 h")

    @pytest.mark.parametrize("words", [units.energy, units.grams])
    def test_read_alike_alone_and_beside_a_larger_one(self, words):
        assert words(4.09e-4) == words(4.09e-4, 4.51e-3)

    def test_have_each_its_own_where_they_are_far_apart(self):
        assert (units.long_time(7200, 0.05), units.long_time(0.05, 7200)) == ("2.00 h", "50.0 ms")

    def test_nothing_beside_something(self):
        assert (units.long_time(0, 5), units.long_time(5, 0)) == ("0 ms", "5.00 s")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (6100, 1000, "6.1× smaller"),
        (1000, 1200, "1.20× larger"),
        (100_000, 100_300, "same size"),
        (50_000, 1000, "50× smaller"),
    ],
)
def test_size_change_names_its_direction(old, new, words):
    assert units.size_change(old, new) == words


@pytest.mark.parametrize(("fraction", "words"), [(-0.041, "−4.1"), (0.003, "+0.3"), (0.0001, "±0.0")])
def test_points_are_signed(fraction, words):
    assert units.points(fraction) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (4, "4 s"), (300, "5 min"), (7200, "2.0 h")])
def test_duration(seconds, words):
    assert units.duration(seconds) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "1 image"), (250_000, "250,000 images"), (2.5e6, "2.5 million images"), (1e9, "1 billion images")],
)
def test_many_images_are_read_at_once(number, words):
    assert units.images(number) == words


@pytest.mark.parametrize(("share", "words"), [(0.62, "62 %"), (0.004, "0.4 %"), (0, "0 %"), (-0.25, "−25 %")])
def test_a_share_has_its_sign_and_shows_something(share, words):
    assert units.share(share) == words


def test_an_interval_stands_in_a_sentence():
    assert units.points_between(-0.01, 0.001) == "between −1.0 and +0.1 points"


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((0.5, 0.4, 0.6), "2.0× faster (1.67–2.50×)"),
        ((1.3, 1.2, 1.4), "1.30× slower (1.20–1.40×)"),
        ((0.998, 0.997, 0.999), "1.00× faster (1.001–1.003×)"),
        ((0.98, 0.95, 1.01), "no measurable difference in speed (0.95–1.01 of the time)"),
        ((1, 1, 1), "same speed"),
    ],
)
def test_speed_comes_with_its_interval(ends, words):
    assert units.speed(*ends) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 points"), (1, "1 point"), (1.0, "1 point"), (0.5, "0.5 points"), (2_000, "2,000 points")],
)
def test_one_is_counted_in_the_singular(number, words):
    assert units.counted(number, "point") == words
