import json
import pathlib
import select

import psutil
import pytest

import compression
from compression.work import cluster_process

PATIENCE_S = 90
RUN = "tests.support.fake_run:run_recipe"


@pytest.fixture
def started(monkeypatch):
    """What was started; nothing is."""
    processes = []
    monkeypatch.setattr(cluster_process, "start", lambda *kind: processes.append(kind) or object())
    monkeypatch.setattr(cluster_process, "_early", [])
    monkeypatch.delenv("COMPRESSION_SCHEDULER", raising=False)
    return processes


def test_what_was_begun_early_is_taken_once(started):
    cluster_process.begin_early()
    cluster_process.begin_early()
    early = cluster_process._early[0]
    assert started == [(compression.RUN, None)]
    assert cluster_process.take(compression.RUN, None) is early
    assert cluster_process.take(compression.RUN, None) is not early
    assert started == [(compression.RUN, None)] * 2


def test_nothing_is_begun_early_when_there_is_one_already(started):
    cluster_process.take(compression.RUN, None)
    cluster_process.begin_early()
    assert started == [(compression.RUN, None)]


@pytest.mark.parametrize("kind", [(RUN, None), (compression.RUN, 1)])
def test_other_kinds_are_started_when_they_are_wanted(started, kind):
    cluster_process.begin_early()
    assert cluster_process.take(*kind) is not cluster_process._early[0]
    assert started == [(compression.RUN, None), kind]


def test_nothing_is_begun_early_where_a_cluster_is_elsewhere(started, monkeypatch):
    monkeypatch.setenv("COMPRESSION_SCHEDULER", "tcp://somewhere:8786")
    cluster_process.begin_early()
    assert started == []


def test_what_cannot_be_started_early_is_told_to_who_wants_it(started, monkeypatch):
    def fails(*kind):
        raise OSError("no memory")

    monkeypatch.setattr(cluster_process, "start", fails)
    cluster_process.begin_early()
    with pytest.raises(OSError, match="no memory"):
        cluster_process.take(compression.RUN, None)


def told(process):
    assert select.select([process.stdout], [], [], PATIENCE_S)[0]
    return json.loads(process.stdout.readline())


def test_it_says_where_it_listens_then_that_a_worker_is_there_and_ends_with_its_input(tmp_path, monkeypatch):
    monkeypatch.setenv("COMPRESSION_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(__file__).parent))
    process = cluster_process.start(RUN, 1)
    assert told(process).keys() == {"address", "credentials"}
    assert told(process) == {"ready": True}
    children = psutil.Process(process.pid).children(recursive=True)
    process.stdin.close()
    assert process.wait(PATIENCE_S) == 0
    assert psutil.wait_procs(children, PATIENCE_S)[1] == []
    assert process.stdout.read() == b""
