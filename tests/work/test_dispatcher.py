"""The dispatcher with a real embedded cluster whose workers run `fake_run` instead of networks."""

import contextlib
import itertools
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from compression.environment import ROOT
from compression.errors import StorageFailed
from compression.results import machine
from compression.store import tables
from compression.store.job_queue import JobQueue, Owner
from compression.store.jobs import UNFINISHED, JobState
from compression.work import cluster, local_cluster, process
from compression.work.dispatcher import Dispatcher
from tests.support.fake_run import BROKEN, FAILING, KILLER, KILLER_ONCE, QUICK, RUN, SLOW, STUBBORN, recipe, runs_of

PATIENCE_S = 90
"""Nothing here takes seconds on an idle machine; a busy one must not make a test fail."""


def wait_for(condition, what="something"):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One home for all tests of this module, which therefore use different recipes and groups."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPRESSION_HOME", str(folder))
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.delenv("COMPRESSION_SCHEDULER", raising=False)
        patch.setattr("compression.work.dispatcher.HOUSEKEEPING_S", 0.5)
        yield folder


@pytest.fixture(scope="module")
def dispatcher(home):
    dispatcher = Dispatcher(run=RUN, force_after_s=0.5)
    yield dispatcher
    dispatcher.close()


@pytest.fixture
def group(request, dispatcher, home):
    """A group of its own for each test, given up afterwards."""
    yield request.node.name
    (home / "go").touch()
    for job in dispatcher.store.jobs(states=UNFINISHED):
        dispatcher.cancel_jobs([job.job_id])
    wait_for(lambda: not dispatcher.store.jobs(states=UNFINISHED), "the end of all jobs")
    (home / "go").unlink()


_seeds = iter(range(1, 10_000))


def new(order=QUICK):
    """A recipe that no other test uses."""
    return recipe(order, next(_seeds))


def state(dispatcher, job):
    return dispatcher.store.job(job.job_id).state


def finished(dispatcher, submitted):
    wait_for(lambda: all(state(dispatcher, job).is_final for job in submitted), f"{[job.job_id for job in submitted]}")
    return [dispatcher.store.job(job.job_id) for job in submitted]


def running(dispatcher, submitted):
    wait_for(lambda: all(dispatcher.store.job(job.job_id).message == "working" for job in submitted), "running jobs")


def all_workers(dispatcher):
    """Wait until all workers are there; how many they are."""
    expected = 1 + local_cluster.worker_count()
    wait_for(lambda: dispatcher.is_ready and len(dispatcher._cluster.slots()) == expected, "all workers")
    return expected


def nicenesses(dispatcher):
    """Of the thread that works on jobs, by the worker's address."""
    client = dispatcher._cluster._client
    futures = {
        slot.address: client.submit(os.getpriority, os.PRIO_PROCESS, 0, workers=[slot.address], pure=False)
        for slot in dispatcher._cluster.slots()
    }
    return {address: future.result(PATIENCE_S) for address, future in futures.items()}


class TestDispatcher:
    def test_jobs_run_to_the_end(self, dispatcher, group):
        recipes = [new() for _ in range(3)]
        done = finished(dispatcher, dispatcher.submit(recipes, group=group))
        assert [job.state for job in done] == [JobState.COMPLETE] * 3
        assert [dispatcher.store.result(r).recipe_id for r in recipes] == [r.recipe_id for r in recipes]
        assert dispatcher.problem is None
        assert dispatcher.is_ready

    def test_a_failing_job_says_why_and_the_others_go_on(self, dispatcher, group):
        failing, broken, fine = finished(dispatcher, dispatcher.submit([new(FAILING), new(BROKEN), new()], group=group))
        assert (failing.state, broken.state, fine.state) == (JobState.FAILED, JobState.FAILED, JobState.COMPLETE)
        assert "Try a smaller learning rate" in failing.error
        assert "ZeroDivisionError" in broken.error

    def test_cancelling_waiting_and_running_jobs(self, dispatcher, group):
        workers = all_workers(dispatcher)
        submitted = dispatcher.submit([new(SLOW) for _ in range(workers + 2)], group=group)
        running(dispatcher, submitted[:workers])
        dispatcher.cancel(group)
        assert [state(dispatcher, job) for job in submitted[-2:]] == [JobState.CANCELLED] * 2
        assert {job.state for job in finished(dispatcher, submitted)} == {JobState.CANCELLED}

    def test_replace_keeps_what_is_still_wanted(self, dispatcher, group):
        kept, dropped, added = new(SLOW), new(SLOW), new(SLOW)
        before = dispatcher.submit([kept, dropped], group=group, replace=True)
        running(dispatcher, before[:1])
        after = dispatcher.submit([kept, added], group=group, replace=True)
        assert after[0].job_id == before[0].job_id
        assert finished(dispatcher, before[1:])[0].state is JobState.CANCELLED
        running(dispatcher, [after[0], after[1]])

    def test_interactive_jobs_overtake_a_full_background_queue(self, dispatcher, group):
        sweep = dispatcher.submit([new(SLOW) for _ in range(10)], group="sweep", background=True)
        all_workers(dispatcher)
        running(dispatcher, sweep[: local_cluster.worker_count()])
        (mine,) = dispatcher.submit([new()], group=group)
        assert finished(dispatcher, [mine])[0].state is JobState.COMPLETE
        assert not any(state(dispatcher, job).is_final for job in sweep)
        assert len([job for job in sweep if state(dispatcher, job) is JobState.RUNNING]) == local_cluster.worker_count()

    def test_who_works_on_what_is_known(self, dispatcher, group):
        expected = all_workers(dispatcher)
        (job,) = dispatcher.submit([new(SLOW)], group=group)
        running(dispatcher, [job])

        def known():
            members = dispatcher.members().all
            busy = [one for one in members if one.job_ids == (job.job_id,)]
            return len(members) == expected and len(busy) == 1 and all(one.pid for one in members)

        wait_for(known, "all workers to be known")
        members = dispatcher.members()
        assert members.is_embedded
        assert members.address == dispatcher._cluster._client.scheduler.address
        assert [one.takes_background for one in members.all] == [False] + [True] * (expected - 1)
        (busy,) = [one for one in members.all if one.job_ids]
        assert not busy.takes_background
        for one in members.all:
            assert psutil.Process(one.pid).memory_info().rss == pytest.approx(one.memory_bytes, rel=0.5)
            assert one.memory_limit_bytes >= 2**30

    def test_workers_are_never_overlooked(self, dispatcher, group):
        """Dask's client asks for a picture of the cluster without its workers now and then, and keeps it."""
        expected, client, stop = all_workers(dispatcher), dispatcher._cluster._client, threading.Event()

        def ask_without_workers():
            while not stop.is_set():
                client.sync(client._update_scheduler_info)

        thread = threading.Thread(target=ask_without_workers)
        thread.start()
        counts = {len(dispatcher._cluster.slots()) for _ in range(100)}
        stop.set()
        thread.join()
        assert counts == {expected}

    def test_nobody_looks_at_workers_that_nobody_asks_for(self, dispatcher, group, monkeypatch):
        all_workers(dispatcher)
        looked = []
        monkeypatch.setattr("compression.work.dispatcher.WATCHED_S", 0)
        dispatcher.members()
        time.sleep(1.5)
        monkeypatch.setattr(cluster.Cluster, "members", lambda self: looked.append(1))
        finished(dispatcher, dispatcher.submit([new()], group=group))
        assert looked == []

    def test_a_failed_job_is_tried_again_for_the_same_group(self, dispatcher, group):
        (failed,) = finished(dispatcher, dispatcher.submit([new(FAILING)], group=group, background=True))
        again = dispatcher.retry(failed)
        assert (again.recipe, again.group, again.background) == (failed.recipe, group, False)
        assert again.job_id != failed.job_id
        assert finished(dispatcher, [again])[0].state is JobState.FAILED

    def test_everything_can_be_cancelled_at_once(self, dispatcher, group):
        submitted = dispatcher.submit([new(SLOW) for _ in range(3)], group=group)
        swept = dispatcher.submit([new(SLOW) for _ in range(3)], group="sweep", background=True)
        running(dispatcher, submitted[:1])
        dispatcher.cancel_all()
        assert {job.state for job in finished(dispatcher, [*submitted, *swept])} == {JobState.CANCELLED}

    def test_what_is_measured_ahead_comes_before_the_sweep(self, dispatcher, group):
        all_workers(dispatcher)
        sweep = dispatcher.submit(
            [new(SLOW) for _ in range(local_cluster.worker_count())], group="sweep", background=True
        )
        running(dispatcher, sweep)
        later = dispatcher.submit([new()], group="sweep", background=True)
        ahead = dispatcher.submit([new(SLOW)], group=group, background=True)
        dispatcher.cancel_jobs([sweep[0].job_id])
        running(dispatcher, ahead)
        assert state(dispatcher, later[0]) is JobState.WAITING

    def test_a_job_begun_ahead_is_not_begun_again_when_a_person_wants_it(self, dispatcher, group, home):
        all_workers(dispatcher)
        wanted = new(SLOW)
        running(dispatcher, dispatcher.submit([wanted], group="ahead", background=True))
        (mine,) = dispatcher.submit([wanted], group=group)
        wait_for(lambda: "same recipe in another job" in dispatcher.store.job(mine.job_id).message, "the second job")
        (home / "go").touch()
        assert finished(dispatcher, [mine])[0].state is JobState.COMPLETE
        assert runs_of(wanted) == 1

    def test_a_person_takes_over_what_was_begun_ahead_and_given_up(self, dispatcher, group, home):
        all_workers(dispatcher)
        wanted = new(SLOW)
        ahead = dispatcher.submit([wanted], group="ahead", background=True)
        running(dispatcher, ahead)
        (mine,) = dispatcher.submit([wanted], group=group)
        dispatcher.cancel("ahead")
        running(dispatcher, [mine])
        (home / "go").touch()
        assert [job.state for job in finished(dispatcher, [mine, *ahead])] == [JobState.COMPLETE, JobState.CANCELLED]

    def test_nothing_is_begun_in_the_background_while_a_persons_job_has_just_begun(
        self, dispatcher, group, monkeypatch
    ):
        all_workers(dispatcher)
        monkeypatch.setattr("compression.work.dispatcher.HEAD_START_S", 1e9)
        running(dispatcher, dispatcher.submit([new(SLOW)], group=group))
        (swept,) = dispatcher.submit([new()], group="sweep", background=True)
        finished(dispatcher, dispatcher.submit([new()], group=group))
        assert state(dispatcher, swept) is JobState.WAITING
        monkeypatch.setattr("compression.work.dispatcher.HEAD_START_S", 0)
        assert finished(dispatcher, [swept])[0].state is JobState.COMPLETE

    def test_workers_for_background_jobs_give_way(self, dispatcher, group):
        all_workers(dispatcher)
        slots = dispatcher._cluster.slots()
        assert [slot.takes_background for slot in slots] == [False] + [True] * local_cluster.worker_count()
        mine = os.getpriority(os.PRIO_PROCESS, 0)
        expected = {slot.address: max(mine, process.NICENESS) if slot.has_resource else mine for slot in slots}
        wait_for(lambda: nicenesses(dispatcher) == expected, f"{expected}")

    def test_a_worker_that_was_started_again_gives_way_too(self, dispatcher, group):
        all_workers(dispatcher)
        before = set(nicenesses(dispatcher))
        killer = new(KILLER)
        assert (
            finished(dispatcher, dispatcher.submit([killer], group=group, background=True))[0].state is JobState.FAILED
        )
        all_workers(dispatcher)
        started = {slot.address for slot in dispatcher._cluster.slots()} - before
        assert started
        mine = os.getpriority(os.PRIO_PROCESS, 0)
        wait_for(lambda: all(nicenesses(dispatcher)[address] == max(mine, process.NICENESS) for address in started))

    def test_a_killed_worker_costs_one_attempt(self, dispatcher, group, home):
        (job,) = finished(dispatcher, dispatcher.submit([new(KILLER_ONCE)], group=group))
        assert (job.state, job.attempts) == (JobState.COMPLETE, 2)
        (home / "died-once").unlink()

    def test_a_job_that_kills_its_workers_fails_and_the_others_go_on(self, dispatcher, group):
        killer, fine = finished(dispatcher, dispatcher.submit([new(KILLER), new()], group=group))
        assert (killer.state, fine.state) == (JobState.FAILED, JobState.COMPLETE)
        assert "died three times while 'half way'" in killer.error
        assert "memory" in killer.error

    def test_a_job_that_does_not_listen_is_stopped_by_force(self, dispatcher, group):
        (stubborn,) = dispatcher.submit([new(STUBBORN)], group=group)
        wait_for(lambda: dispatcher.store.job(stubborn.job_id).message == "half way", "the stubborn job")
        dispatcher.cancel(group)
        assert finished(dispatcher, [stubborn])[0].state is JobState.CANCELLED
        (fine,) = finished(dispatcher, dispatcher.submit([new()], group=group))
        assert fine.state is JobState.COMPLETE

    def test_the_whole_cluster_killed(self, dispatcher, group, home):
        submitted = dispatcher.submit([new(SLOW), new()], group=group)
        running(dispatcher, submitted[:1])
        killed = dispatcher._cluster
        killed._process.kill()
        wait_for(lambda: dispatcher._cluster not in (killed, None), "another cluster")
        (home / "go").touch()
        assert [job.state for job in finished(dispatcher, submitted)] == [JobState.COMPLETE] * 2
        attempts = [dispatcher.store.job(job.job_id).attempts for job in submitted]
        assert attempts == [1, 1]  # nothing that the jobs did

    def test_jobs_of_a_dead_process_are_adopted(self, dispatcher, group):
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        owner = Owner("gone", platform.node(), gone.pid, time.time())
        waiting, under_way = dispatcher.store.add_jobs([new(), new()], group=group, owner=owner)
        dispatcher.store.queue.start_job(under_way.job_id, "claim", owner.dispatcher_id)
        first, second = finished(dispatcher, [waiting, under_way])
        assert (first.state, second.state, second.attempts) == (JobState.COMPLETE, JobState.COMPLETE, 1)

    def test_jobs_of_a_silent_dispatcher_elsewhere_are_taken_over(self, dispatcher, group, monkeypatch):
        """Silent is who has no new heartbeat for long; how late that is by anybody's clock does not matter."""
        silent, talking = Owner("silent", "another host", 1, 0.0), Owner("talking", "another host", 2, 0.0)
        jobs = [dispatcher.store.add_jobs([new()], group=group, owner=owner)[0] for owner in (silent, talking)]
        monkeypatch.setattr("compression.work.dispatcher.STALE_AFTER_S", 2)
        until, beats = time.monotonic() + 5, itertools.count()
        while time.monotonic() < until or not state(dispatcher, jobs[0]).is_final:
            with dispatcher.store.database.write() as connection:  # its clock is decades late
                mine = tables.DISPATCHERS.c.dispatcher_id == "talking"
                connection.execute(tables.DISPATCHERS.update().where(mine).values(heartbeat=next(beats)))
            time.sleep(0.2)
        assert [state(dispatcher, job) for job in jobs] == [JobState.COMPLETE, JobState.WAITING]
        dispatcher.store.queue.sign_off(["talking"])

    def test_a_living_process_of_this_machine_keeps_its_jobs_whatever_the_clock_says(
        self, dispatcher, group, monkeypatch
    ):
        monkeypatch.setattr("compression.work.dispatcher.STALE_AFTER_S", 1)
        mine = psutil.Process()
        here = Owner("here", platform.node(), mine.pid, mine.create_time())
        dispatcher.store.queue.heartbeat(here)
        with dispatcher.store.database.write() as connection:  # all heartbeats are an hour old at once
            connection.execute(tables.DISPATCHERS.update().values(heartbeat=time.time() - 3600))
        (job,) = dispatcher.store.add_jobs([new()], group=group, owner=here)
        time.sleep(2.5)
        assert state(dispatcher, job) is JobState.WAITING
        dispatcher.store.queue.sign_off(["here"])

    def test_trouble_with_the_store_is_told_and_passes(self, dispatcher, group, monkeypatch):
        def full(self, *arguments, **options):
            raise StorageFailed("The disk is full.")

        monkeypatch.setattr("compression.work.dispatcher.TROUBLE_S", 0.1)
        monkeypatch.setattr(JobQueue, "next_jobs", full)
        wait_for(lambda: dispatcher.problem == "The disk is full.", "the problem")
        monkeypatch.undo()
        wait_for(lambda: dispatcher.problem is None, "its end")


class TestRestart:
    def test_unfinished_jobs_go_on_after_a_restart(self, dispatcher, home, group):
        """The dispatcher of the other tests is closed and another one takes its place for a while."""
        first = Dispatcher(run=RUN)
        submitted = first.submit([new(SLOW) for _ in range(4)], group=group)
        running(first, submitted[:1])
        mine = processes_of(first)
        first.close()
        wait_for(lambda: not any(_is_alive(process) for process in mine), "the end of the workers")
        unfinished = [first.store.job(job.job_id) for job in submitted]
        assert not any(job.state.is_final for job in unfinished)
        (home / "go").touch()
        assert [job.state for job in finished(dispatcher, submitted)] == [JobState.COMPLETE] * 4
        assert max(dispatcher.store.job(job.job_id).attempts for job in submitted) == 1


def processes_of(dispatcher):
    host_process = psutil.Process(dispatcher._cluster._process.pid)
    return [host_process, *host_process.children(recursive=True)]


class TestEndOfTheServer:
    """However the server ends, its workers end too."""

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
    def test_no_process_is_left(self, tmp_path, how):
        code = (
            "import signal, time; signal.signal(signal.SIGINT, signal.default_int_handler);"  # else as it was inherited
            "from compression.work.dispatcher import get_dispatcher;"
            "import compression.work.dispatcher as j;"
            f"j.Dispatcher.__init__.__kwdefaults__['run'] = {RUN!r};"
            "import tests.support.fake_run as s; e = get_dispatcher(); assert get_dispatcher() is e;"
            "e.submit([s.recipe(s.SLOW)], group='g')\n"
            "while e.jobs('g')[0].message != 'working': time.sleep(0.05)\n"
            "print('running', flush=True); time.sleep(600)"
        )
        environment = os.environ | {"COMPRESSION_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
        server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
        assert server.stdout.readline() == b"running\n"
        children = psutil.Process(server.pid).children(recursive=True)
        assert len([child for child in children if re.search("forkserver|spawn_main", str(child.cmdline()))]) >= 2
        server.send_signal(how)
        server.wait(PATIENCE_S)
        wait_for(lambda: not any(_is_alive(child) for child in children), "the end of the workers")


def _is_alive(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE  # whoever inherited it reaps it when it likes
    return False


class TestTrouble:
    def test_workers_that_cannot_start_are_told(self, fresh_home, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/bin/false")
        dispatcher = Dispatcher(run=RUN)
        wait_for(lambda: dispatcher.problem, "the problem")
        assert "could not be started: they ended at once" in dispatcher.problem
        dispatcher.submit([recipe()], group="g")
        dispatcher.close()
        assert dispatcher.jobs("g")[0].state is JobState.WAITING

    def test_a_cluster_that_is_not_there_is_told(self, fresh_home, monkeypatch):
        monkeypatch.setenv("COMPRESSION_SCHEDULER", "nonsense://127.0.0.1:1")
        with pytest.raises(cluster.ClusterFailed, match="unset COMPRESSION_SCHEDULER"):
            cluster.connect(RUN)

    def test_a_scheduler_that_is_away_costs_nothing_but_time(self, fresh_home, monkeypatch):
        """Each try that fails leaves neither a thread nor an open file."""
        monkeypatch.setattr(cluster, "CONNECT_TIMEOUT_S", 0.2)
        monkeypatch.setenv("COMPRESSION_SCHEDULER", "tcp://127.0.0.1:18999")
        held = []
        for _ in range(4):
            with pytest.raises(cluster.ClusterFailed, match="Check that the cluster runs"):
                cluster.connect(RUN)
            held.append((threading.active_count(), psutil.Process().num_fds()))
        assert held[1:] == held[:1] * 3

    def test_each_try_to_reach_it_comes_later(self, fresh_home):
        rests = []

        class Restless(Dispatcher):
            def _connected(self):
                raise cluster.ClusterFailed("Nobody is there.")

            def _rest(self, seconds):
                rests.append(seconds)
                if len(rests) == 8:
                    self._stopping.set()

        dispatcher = Restless()
        wait_for(lambda: len(rests) == 8, "eight tries")
        assert rests == [3, 6, 12, 24, 48, 60, 60, 60]
        dispatcher.close()

    @pytest.mark.parametrize("after_s", [0.0, 0.7])
    def test_who_quits_at_once_is_told_nothing(self, fresh_home, after_s):
        code = (
            "import time; from compression.work.dispatcher import get_dispatcher\n"
            f"get_dispatcher(); time.sleep({after_s})"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("", "")

    def test_strangers_cannot_connect(self, dispatcher, group):
        import distributed

        finished(dispatcher, dispatcher.submit([new()], group=group))
        address = dispatcher._cluster._client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        stranger = local_cluster.security(local_cluster.make_credentials())
        with pytest.raises(OSError, match="(?i)certificate|timed out|handshake|closed"):
            distributed.Client(address, security=stranger, timeout=3, set_as_default=False)

    def test_without_openssl_it_warns(self, monkeypatch, caplog):
        monkeypatch.setenv("PATH", "")
        assert local_cluster.make_credentials() is None
        assert local_cluster.security(None) is None
        assert "other users" in caplog.text


def test_an_existing_cluster_can_be_used(home, tmp_path, monkeypatch):
    """Two dispatchers' worth of processes: the embedded cluster of one serves another as the remote one."""
    script = (
        "import sys\n"
        "from distributed import LocalCluster\n"
        "if __name__ == '__main__':\n"
        "    cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)\n"
        "    print(cluster.scheduler_address, flush=True); sys.stdin.read()\n"
    )
    (tmp_path / "remote.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    remote = subprocess.Popen(
        [sys.executable, str(tmp_path / "remote.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    monkeypatch.setenv("COMPRESSION_HOME", str(tmp_path))
    monkeypatch.setenv("COMPRESSION_SCHEDULER", remote.stdout.readline().decode().strip())
    dispatcher = Dispatcher(run=RUN)
    submitted = dispatcher.submit([new()], group="g") + dispatcher.submit([new()], group="sweep", background=True)
    assert [job.state for job in finished(dispatcher, submitted)] == [JobState.COMPLETE] * 2
    assert dispatcher.store.machine_ids == (machine.machine_id(),)
    wait_for(lambda: [one.pid for one in dispatcher.members().all if one.pid], "the worker's own words")
    assert (dispatcher.members().is_embedded, dispatcher.members().address) == (
        False,
        os.environ["COMPRESSION_SCHEDULER"],
    )
    dispatcher.close()
    remote.stdin.close()
    remote.wait(PATIENCE_S)


@pytest.mark.parametrize(("processors", "expected"), [(0, 1), (1, 1), (2, 2), (3, 3), (64, 4)])
def test_number_of_workers_for_background_jobs(processors, expected):
    assert local_cluster.worker_count(processors) == expected


def test_the_number_of_workers_can_be_chosen(fresh_home, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    dispatcher = Dispatcher(run=RUN, background_workers=1)
    submitted = dispatcher.submit([new(SLOW)], group="sweep", background=True)
    running(dispatcher, submitted)
    assert [slot.has_resource for slot in dispatcher._cluster.slots()] == [False, True]
    dispatcher.close()
