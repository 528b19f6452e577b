"""A worker process: what it has loaded, and how it gives way to others."""

import os
import subprocess
import sys

from compression.work import process


def test_giving_way_lowers_all_threads_of_the_process_and_gives_it_a_session():
    code = (
        "import os, threading; from compression.work import process;"
        "here, there, said = threading.Event(), threading.Event(), [];"
        "nice = lambda: os.getpriority(os.PRIO_PROCESS, 0);"
        "older = threading.Thread(target=lambda: (here.set(), there.wait(), said.append(nice())));"
        "older.start(); here.wait(); process.give_way(); process.give_way(); there.set(); older.join();"
        "newer = threading.Thread(target=lambda: said.append(nice())); newer.start(); newer.join();"
        "print(nice(), *said, os.getsid(0) == os.getpid())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = str(max(process.NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    assert done.stdout.split() == [expected] * 3 + ["True"]


def test_a_sessions_niceness_is_lowered_where_there_is_such_a_thing(monkeypatch):
    written = []

    def write(path, text):
        written.append((str(path), text))
        if len(written) == 1:
            raise BlockingIOError

    monkeypatch.setattr(process.Path, "write_text", write)
    monkeypatch.setattr(process, "AUTOGROUP_PAUSE_S", 0)
    process._lower_autogroup()
    assert written == [("/proc/self/autogroup", str(process.NICENESS))] * 2


def test_a_system_without_autogroups_is_no_trouble(monkeypatch):
    tried = []

    def missing(path, text):
        tried.append(text)
        raise FileNotFoundError

    monkeypatch.setattr(process.Path, "write_text", missing)
    process._lower_autogroup()
    assert len(tried) == 1


def test_set_up_loads_the_engine_with_one_thread():
    code = (
        "import sys; from compression.work import process; assert 'torch' not in sys.modules; process.set_up();"
        "import torch; print(torch.get_num_threads(), 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "True"]
