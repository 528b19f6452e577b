import sys

import numpy as np
import pytest

from benchmarks import storage
from benchmarks.storage import CHANGES, LOSSES, File, Measured, lines, row, smallest


def measured(test, validation=0.9, changed=0):
    """1,000 answers, the first `changed` others than in the baseline."""
    return Measured(test, validation, (np.arange(1000) < changed).astype(np.int64))


def file(size, test, validation=0.9, changed=0):
    return File(size, measured(test, validation, changed), f"made {size}")


BASELINE = measured(0.95)


def test_the_smallest_file_that_is_good_enough_counts():
    files = [file(10, 0.93), file(30, 0.95), file(20, 0.951)]
    line = row("test", 0.95, (files, [], [file(40, 0.97)]), lambda found: found.test)
    assert line.split()[:6] == ["test", "95.0", "%", "20", "-", "40"]
    assert "50 %" in line and "[made 20: 95.1 %] [made 40: 97.0 %]" in line


def test_a_missing_package_is_said_before_anything_is_computed(monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setattr(storage, "compare", None)
    with pytest.raises(SystemExit, match=r"pip install -e .*\[bench\]"):
        storage.main([])


def test_nothing_is_smallest_of_nothing():
    assert smallest([]) is None
    assert row("test", 0.95, ([], [], []), lambda found: found.test).split() == [
        "test",
        "95.0",
        "%",
        "-",
        "-",
        "-",
        "-",
    ]


def test_equal_is_told_in_three_ways():
    """One file of each kind of luck: only that with the given network's answers is good by the last measure."""
    lucky, chosen, close = file(10, 0.95, 0.8, 30), file(20, 0.9, 0.9, 30), file(30, 0.9, 0.8, 1)
    found = [line.split() for line in lines(([lucky, chosen, close], [], []), BASELINE)]
    assert [line[0] for line in found] == ["test"] * len(LOSSES) + ["validation"] * len(LOSSES) + ["answers"] * len(
        CHANGES
    )
    first = {line[0]: line[3] for line in reversed(found)}
    assert first == {"test": "10", "validation": "20", "answers": "30"}


def test_answers_are_compared_one_by_one():
    assert measured(0.95, changed=5).changed(BASELINE) == 0.005
    assert BASELINE.changed(BASELINE) == 0
