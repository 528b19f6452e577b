"""What is written is there as a whole or not at all, and what was there before stays until then."""

import os
import resource
import signal
import stat
import subprocess
import sys
import threading

import pytest

from compression import atomic

OLD, NEW = b"old", b"new" * 1000


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "made" / "file"
    atomic.write(path, OLD)
    return path


def only(path):
    return [each.name for each in path.parent.iterdir()] == [path.name]


def stumble(path, make):
    with atomic.replacing(path) as temporary:
        make(temporary)
        raise ZeroDivisionError


def test_new_content_takes_the_place_of_the_old(path):
    atomic.write(path, NEW)
    assert path.read_bytes() == NEW and only(path)


def test_others_may_read_it_as_any_file(path):
    plain = path.with_name("plain")
    plain.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_an_error_keeps_the_old(path):
    with pytest.raises(ZeroDivisionError):
        stumble(path, lambda temporary: temporary.write_bytes(NEW))
    assert path.read_bytes() == OLD and only(path)


def test_a_full_disk_keeps_the_old(path):
    """Stood in for by a limit on the size of files, which stops in the middle of the content too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            atomic.write(path, NEW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == OLD and only(path)


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_nothing_is_believed_to_be_there_before_the_disk_has_it(path, monkeypatch, name):
    def refuse(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, name, refuse)
    with pytest.raises(OSError, match="No space left"):
        atomic.write(path, NEW)
    assert path.read_bytes() == OLD and only(path)


def test_a_process_that_is_killed_keeps_the_old(path):
    code = (
        "import sys; from pathlib import Path; from compression import atomic\n"
        "with atomic.replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half'); print('written', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "written\n"
        other.kill()
    assert path.read_bytes() == OLD
    (left,) = (each.name for each in path.parent.iterdir() if each != path)
    assert left.startswith(atomic.UNFINISHED)


def test_a_folder_appears_as_a_whole(tmp_path):
    folder = tmp_path / "folder"
    with pytest.raises(ZeroDivisionError):
        stumble(folder, lambda temporary: (temporary / "part").mkdir(parents=True))
    assert list(tmp_path.iterdir()) == []
    with atomic.replacing(folder) as temporary:
        temporary.mkdir()
        (temporary / "part").touch()
    assert [path.name for path in folder.iterdir()] == ["part"]
    with pytest.raises(OSError, match="not empty"), atomic.replacing(folder) as temporary:
        temporary.mkdir()
    assert [path.name for path in folder.iterdir()] == ["part"] and only(folder)


def test_of_several_that_write_first_one_is_first(tmp_path):
    path = tmp_path / "file"
    contents = [str(number).encode() * 100 for number in range(8)]
    threads = [threading.Thread(target=atomic.write_first, args=(path, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = path.read_bytes()
    assert first in contents and only(path)
    atomic.write_first(path, NEW)
    assert path.read_bytes() == first and only(path)
