import json
import pathlib
import select

import psutil
import pytest

import compression
from compression import host

PATIENCE_S = 90
RUN = "jobs_support:run_recipe"


@pytest.fixture
def started(monkeypatch):
    """What was started; nothing is."""
    processes = []
    monkeypatch.setattr(host, "start", lambda *kind: processes.append(kind) or object())
    monkeypatch.setattr(host, "_early", host._Early())
    monkeypatch.delenv("COMPRESSION_SCHEDULER", raising=False)
    return processes


def test_what_was_begun_early_is_taken_once(started):
    host.begin_early()
    host.begin_early()
    early = host._early._process
    assert started == [(compression.RUN, None)]
    assert host.take(compression.RUN, None) is early
    assert host.take(compression.RUN, None) is not early
    assert started == [(compression.RUN, None)] * 2


def test_nothing_is_begun_early_when_there_is_one_already(started):
    host.take(compression.RUN, None)
    host.begin_early()
    assert started == [(compression.RUN, None)]


@pytest.mark.parametrize("kind", [(RUN, None), (compression.RUN, 1)])
def test_other_kinds_are_started_when_they_are_wanted(started, kind):
    host.begin_early()
    assert host.take(*kind) is not host._early._process
    assert started == [(compression.RUN, None), kind]


def test_nothing_is_begun_early_where_a_cluster_is_elsewhere(started, monkeypatch):
    monkeypatch.setenv("COMPRESSION_SCHEDULER", "tcp://somewhere:8786")
    host.begin_early()
    assert started == []


def test_what_cannot_be_started_early_is_told_to_who_wants_it(started, monkeypatch):
    def fails(*kind):
        raise OSError("no memory")

    monkeypatch.setattr(host, "start", fails)
    host.begin_early()
    with pytest.raises(OSError, match="no memory"):
        host.take(compression.RUN, None)


def told(process):
    assert select.select([process.stdout], [], [], PATIENCE_S)[0]
    return json.loads(process.stdout.readline())


def test_it_says_where_it_listens_then_that_a_worker_is_there_and_ends_with_its_input(tmp_path, monkeypatch):
    monkeypatch.setenv("COMPRESSION_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(__file__).parent))
    process = host.start(RUN, 1)
    assert told(process).keys() == {"address", "credentials"}
    assert told(process) == {"ready": True}
    children = psutil.Process(process.pid).children(recursive=True)
    process.stdin.close()
    assert process.wait(PATIENCE_S) == 0
    assert psutil.wait_procs(children, PATIENCE_S)[1] == []
    assert process.stdout.read() == b""
