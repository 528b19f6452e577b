"""Whatever a child process does, its parent gets an answer or an error for people, and the child is gone."""

import os
import time
from pathlib import Path

import pytest

from compression.errors import Cancelled, RefusedFile, UnknownModel
from compression.guard import guarded
from compression.watch import SILENT, Watch
from tests.support.watches import GIVEN_UP


def call(name, watch=SILENT, seconds=20, **arguments):
    function = f"tests.support.guarded_functions:{name}"
    limits = {"seconds": seconds, "memory_bytes": 300_000_000, "file_bytes": 10_000_000}
    return guarded(function, arguments, watch=watch, **limits)


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_an_answer_comes_back_and_reports_before_it():
    told = []
    result = call("answer", Watch(report=lambda *given: told.append(given)), a=2, b=3)
    assert result["sum"] == 5 and result["text"] == "ä" and told == [(0.5, "half")]


def test_the_child_knows_little_and_has_a_group_of_its_own(monkeypatch):
    monkeypatch.setenv("SECRET", "key")
    result = call("answer", a=2, b=3)
    assert "SECRET" not in result["environment"] and "HOME" not in result["environment"]
    assert result["group"] != os.getpgid(0)


def test_our_own_errors_are_raised_as_they_were():
    with pytest.raises(UnknownModel, match=r"^There is no such model\. Choose another one\.$"):
        call("refuse")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stumble", "could not be read: 'secret"),
        ("fill_memory", "more than the 300 MB of memory"),
        ("crash", "broke down .*[Ss]egmentation"),
        ("be_killed", "more than the 300 MB of memory"),
        ("leave", "broke down .exit status 3"),
        ("nothing_of_this_name", "could not be read"),
    ],
)
def test_whatever_goes_wrong_is_one_sentence_for_people(name, words):
    with pytest.raises(RefusedFile, match=words) as caught:
        call(name)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_no_file_grows_beyond_its_limit(tmp_path):
    with pytest.raises(RefusedFile, match="larger than 10.0 MB"):
        call("fill_disk", path=str(tmp_path / "file"))
    assert (tmp_path / "file").stat().st_size <= 10_000_000


def test_time_ends_with_the_whole_group(tmp_path):
    with pytest.raises(RefusedFile, match="longer than 2 seconds"):
        call("sleep", seconds=2, path=str(tmp_path / "pid"))
    time.sleep(0.1)
    assert not is_alive((tmp_path / "pid").read_text())


def test_computing_ends_too():
    with pytest.raises(RefusedFile, match="longer than 1 second "):
        call("compute", seconds=1)


def test_it_ends_when_nobody_waits_any_longer(tmp_path):
    wanted = [True]

    def check():
        if not wanted[0]:
            raise Cancelled("no longer wanted")

    watch, started = Watch(lambda fraction, words: wanted.clear() or wanted.append(False), check), time.monotonic()
    with pytest.raises(Cancelled):
        call("sleep", watch, path=str(tmp_path / "pid"))
    assert time.monotonic() - started < 5
    time.sleep(0.1)
    assert not is_alive((tmp_path / "pid").read_text())
    with pytest.raises(Cancelled):
        call("answer", GIVEN_UP, a=1, b=2)
