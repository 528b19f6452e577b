import pytest

from compression.errors import Cancelled
from compression.watch import Watch
from tests.support.watches import GIVEN_UP


def test_a_part_reports_its_share_of_the_whole():
    said = []
    whole = Watch(lambda fraction, words: said.append((pytest.approx(fraction), words)))
    whole.part(0.2, 0.6, "first: ").part(0.5, 1).report(0.5, "at work")
    assert said == [(0.5, "first: at work")]


def test_a_part_notices_the_end_of_the_whole():
    with pytest.raises(Cancelled):
        GIVEN_UP.part(0, 0.5).check()
