"""The search for a wanted time, on invented machines."""

import pytest

from compression.engine.primitives.width_search import TOLERANCE, widths_for_time

CHANNELS = 64


def plan(fraction, multiple):
    return [max(multiple, multiple * round((1 - fraction) * CHANNELS / multiple))]


def smooth(width):
    return 0.2 + 0.8 * width / CHANNELS


def in_blocks(width):
    """Widths that fill no block of eight take twice as long."""
    return smooth(width) * (1 if width % 8 == 0 else 2)


def search(time, wanted, round_to=1):
    tried = []

    def savings(candidates):
        tried.append([tuple(widths) for widths in candidates])
        return [1 - time(widths[0]) for widths in candidates]

    (width,) = widths_for_time(
        plan, round_to, wanted, sizes=[CHANNELS], operations=lambda widths: widths[0], savings=savings
    )
    return width, tried


@pytest.mark.parametrize("wanted", [0.1, 0.3, 0.5, 0.7])
def test_a_smooth_machine_gives_what_was_asked_for(wanted):
    width, _ = search(smooth, wanted)
    assert 1 - smooth(width) == pytest.approx(wanted, abs=0.03)


@pytest.mark.parametrize("wanted", [0.1, 0.3, 0.5])
def test_widths_that_kernels_like_are_found_whatever_multiple_was_asked_for(wanted):
    width, _ = search(in_blocks, wanted)
    assert width % 8 == 0
    assert wanted - 0.03 <= 1 - in_blocks(width) <= wanted + 0.11


def test_where_nothing_saves_enough_the_fastest_is_taken():
    width, tried = search(smooth, 0.95)
    fastest = min(smooth(width) for widths in tried for (width,) in widths)
    assert fastest <= smooth(width) <= fastest + TOLERANCE


def test_where_widths_make_no_difference_few_channels_go():
    width, _ = search(lambda width: 0.9, 0.5)
    assert 0.9 * CHANNELS < width < CHANNELS


def test_the_original_is_the_answer_only_where_there_is_no_other():
    def savings(candidates):
        raise AssertionError("nothing to measure")

    assert widths_for_time(lambda fraction, multiple: [3], 16, 0.5, sizes=[3], operations=sum, savings=savings) == [3]


def test_multiples_are_kept_and_no_network_is_measured_twice_side_by_side():
    width, tried = search(smooth, 0.3, round_to=16)
    assert width % 16 == 0
    assert all(len(set(widths)) == len(widths) for widths in tried)
