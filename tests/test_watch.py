import pytest

from compression.errors import Cancelled
from compression.watch import SILENT, Watch


def test_a_part_reports_its_share_of_the_whole():
    said = []
    whole = Watch(lambda fraction, words: said.append((pytest.approx(fraction), words)))
    whole.part(0.2, 0.6, "first: ").part(0.5, 1).report(0.5, "at work")
    assert said == [(0.5, "first: at work")]


def test_a_part_notices_the_end_of_the_whole():
    def give_up():
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        Watch(check=give_up).part(0, 0.5).check()


def test_by_default_nobody_looks_and_all_is_wanted():
    SILENT.report(0.5, "half way")
    SILENT.check()
