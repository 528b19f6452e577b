"""One measurement of time on a machine at once: whose turn it is, who is told what, and what ends the waiting."""

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
import threading

import pytest
from filelock import lock_descriptor

from compression.engine.measure.machine_lock import machine_lock
from compression.errors import Cancelled, StorageFailed
from compression.watch import Watch
from tests.support.watches import GIVEN_UP


@pytest.fixture(autouse=True)
def own_lock(tmp_path, monkeypatch):
    """The folder where nobody else locks anything."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_second_measurement_waits():
    order = []
    waiting = threading.Event()

    def second():
        with machine_lock(watch=Watch(report=lambda *said: waiting.set())):
            order.append("second")

    with machine_lock():
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_who_waits_is_told_for_whom(own_lock):
    said = []

    def listen(fraction, words):
        said.append(words)
        raise Cancelled("heard enough")

    with machine_lock(), pytest.raises(Cancelled), machine_lock(watch=Watch(report=listen)):
        pass
    (path,) = own_lock.iterdir()
    path.write_text("no number, and from another user")
    with held_silently(path), pytest.raises(Cancelled), machine_lock(watch=Watch(report=listen)):
        pass
    waiting = "waiting for another measurement on this machine"
    assert said == [f"{waiting}, by process {os.getpid()}", waiting]


@contextlib.contextmanager
def held_silently(path):
    with open(path, "r+b") as file:
        assert lock_descriptor(file.fileno(), blocking=False)
        yield


def test_another_process_holds_it_until_it_dies(own_lock):
    code = (
        "import tempfile, sys; tempfile.tempdir = sys.argv[1]\n"
        "from compression.engine.measure.machine_lock import machine_lock\n"
        "with machine_lock(): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(own_lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Cancelled), machine_lock(watch=GIVEN_UP):
            pass
        other.kill()
    with machine_lock(watch=GIVEN_UP):
        pass


def test_is_free_again_after_an_error():
    with pytest.raises(RuntimeError), machine_lock():
        raise RuntimeError
    with machine_lock(watch=GIVEN_UP):
        pass


def test_all_users_share_it(own_lock):
    with machine_lock():
        (path,) = own_lock.iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o666


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_of_another_user_is_shared(own_lock):
    own_lock.chmod(0o1777)
    path = own_lock / "compression-measurement.lock"
    path.touch()
    path.chmod(0o666)
    os.chown(path, 12345, 12345)
    with machine_lock():
        assert list(own_lock.iterdir()) == [path] and path.read_text() == str(os.getpid())


def test_a_file_that_cannot_be_opened_is_not_used(own_lock):
    (own_lock / "compression-measurement.lock").mkdir()
    with machine_lock():
        assert len(list(own_lock.glob("compression-measurement-*.lock"))) == 1


def test_no_folder_to_lock_in(own_lock, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(own_lock / "missing"))
    with pytest.raises(StorageFailed, match="TMPDIR"), machine_lock():
        pass
