"""What happens to a job inside a worker process."""

import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

from compression.engine import laboratory
from compression.errors import Cancelled, StorageFailed
from compression.inquiries.outcomes import OutcomeInquiry, Outcomes, PictureInquiry
from compression.recipe.recipe import make_recipe
from compression.results import conditions
from compression.store import artifacts
from compression.store.jobs import JobState
from compression.store.store import Owner, Store
from compression.watch import SILENT, Watch
from compression.work import worker
from compression.work.worker import Order, execute, measure
from tests.support import jobs_support
from tests.support.jobs_support import (
    BROKEN,
    FAILING,
    HUNGRY,
    MODEL,
    QUICK,
    RUN,
    SLOW,
    contents,
    output,
    recipe,
    runs_of,
)

ME = Owner("me", "here", 1, 0.0)


@pytest.fixture
def store(fresh_home):
    return Store()


def submit(store, order=QUICK, group="g"):
    (job,) = store.add_jobs([recipe(order)], group=group, owner=ME)
    return job.job_id


def work_on(store, job_id):
    execute(Order(job_id, "claim", ME.engine_id, store.place, RUN))
    return store.job(job_id)


def test_a_job_leads_to_a_result_and_so_does_its_baseline(store):
    job = work_on(store, submit(store))
    assert (job.state, job.progress, job.error) == (JobState.COMPLETE, 1, None)
    assert [result.recipe_id for result in store.results(MODEL)] == [
        recipe().baseline().recipe_id,
        recipe().recipe_id,
    ]
    assert store.artifact(store.result(recipe()).artifacts["onnx"]) == output(recipe()).onnx


def test_the_baseline_is_measured_once(store):
    measure(recipe(seed=1), store, run=RUN)
    measure(recipe(seed=2), store, run=RUN)
    assert runs_of(recipe().baseline()) == 1


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (FAILING, "^The loss is not finite. Try a smaller learning rate.$"),
        (BROKEN, "Unexpected error: ZeroDivisionError: nobody thought of this. Please report"),
        (HUNGRY, "memory did not suffice"),
    ],
)
def test_a_failing_job_says_why_and_shows_no_numbers(store, order, words):
    job = work_on(store, submit(store, order))
    assert job.state is JobState.FAILED
    assert re.search(words, job.error)
    assert store.result(recipe(order)) is None


def test_an_unforeseen_error_leaves_its_trace_in_the_log(store, caplog):
    work_on(store, submit(store, BROKEN))
    assert "ZeroDivisionError" in caplog.text
    assert "_stumble" in caplog.text


def test_a_cancelled_job_stops_at_its_next_check(store, monkeypatch):
    monkeypatch.setattr(worker, "CHECK_S", 0)
    measure(recipe().baseline(), store, run=RUN)
    job_id = submit(store, SLOW)
    thread = threading.Thread(target=work_on, args=(store, job_id))
    thread.start()
    while store.job(job_id).message != "working":
        pass
    store.request_cancel([job_id])
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert store.job(job_id).state is JobState.CANCELLED
    assert store.result(recipe(SLOW)) is None


def test_a_job_that_was_given_up_is_not_started(store):
    job_id = submit(store)
    store.request_cancel([job_id])
    assert work_on(store, job_id).state is JobState.CANCELLED
    assert runs_of(recipe()) == 0


def test_a_job_taken_over_by_another_engine_stops(store, monkeypatch):
    monkeypatch.setattr(worker, "CHECK_S", 0)
    job_id = submit(store)
    store.start_job(job_id, "claim", ME.engine_id)
    watch = worker.JobWatch(store, job_id, "claim")
    watch.check()
    store.requeue(ME, [job_id])
    store.start_job(job_id, "a later claim", ME.engine_id)
    with pytest.raises(Cancelled):
        watch.check()
    watch.report(0.9, "from the grave")
    assert store.job(job_id).message != "from the grave"


def test_watching_is_throttled(store):
    job_id = submit(store)
    store.start_job(job_id, "claim", ME.engine_id)
    watch = worker.JobWatch(store, job_id, "claim")
    before = store.revision()
    for n in range(100):
        watch.report(n / 100, "working")
    assert store.revision() - before < 20  # one write for each 0.2 s that this took
    assert store.job(job_id).message == "working"


def test_a_measured_recipe_is_not_run_again(store):
    done = output(recipe())
    store.add_result(done.result, contents(done))
    result, files = measure(recipe(), store, run=RUN)
    assert (result, files) == (done.result, contents(done))
    assert runs_of(recipe()) == 0


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("compression.results.conditions.ENGINE_VERSION", "changed techniques"),
        ("compression.results.conditions.model_version", lambda model: "trained again"),
        ("compression.results.conditions.data_version", lambda dataset: "other images"),
        ("compression.results.conditions.machine.machine_id", lambda: "another machine"),
    ],
)
def test_under_other_conditions_everything_is_measured_anew(store, monkeypatch, place, value):
    measure(recipe(), store, run=RUN)
    before = store.result(recipe())
    monkeypatch.setattr(place, value)
    assert store.result(recipe()) is None and store.results(MODEL) == []
    measure(recipe(), store, run=RUN)
    assert runs_of(recipe()) == runs_of(recipe().baseline()) == 2
    monkeypatch.undo()
    assert store.result(recipe()) == before


def test_measured_in_the_meantime_by_another_group(store):
    job_id = submit(store)
    measure(recipe(), store, run=RUN)
    assert work_on(store, job_id).state is JobState.COMPLETE
    assert runs_of(recipe()) == 1


def test_the_same_recipe_at_the_same_time_is_run_once(store, fresh_home):
    (fresh_home / "go").touch()
    threads = [threading.Thread(target=measure, args=(recipe(SLOW), store), kwargs={"run": RUN}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runs_of(recipe(SLOW)) == 1
    assert runs_of(recipe().baseline()) == 1


def test_waiting_for_another_job_can_be_cancelled(store):
    def cancelled():
        raise Cancelled("enough")

    messages = []
    key = conditions.result_key(recipe())
    with worker._alone(key, SILENT), pytest.raises(Cancelled):
        measure(recipe(), store, run=RUN, watch=Watch(lambda fraction, words: messages.append(words), cancelled))
    assert messages == ["waiting for the same recipe in another job"]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"rubbish")])
def test_a_lost_or_damaged_file_is_made_again(store, damage):
    result, files = measure(recipe(), store, run=RUN)
    damage(artifacts.path_of(result.artifacts["onnx"]))
    again, files_again = measure(recipe(), store, run=RUN)
    assert (again, files_again) == (result, files)
    assert artifacts.read(result.artifacts["onnx"]) == files["onnx"]
    assert runs_of(recipe()) == 2


def test_fresh_neither_reads_nor_writes_the_store(store):
    measure(recipe(), store, run=RUN)
    before = store.revision()

    def no_baseline(recipe, *, baseline=None, watch):
        return output(recipe)

    jobs_support.run_fresh = no_baseline
    result, files = measure(recipe(), store, fresh=True, run="tests.support.jobs_support:run_fresh")
    assert result.recipe_id == recipe().recipe_id
    assert set(files) == {"stored", "onnx", "predictions"}
    assert store.revision() == before


def test_the_baseline_is_handed_on_as_it_was_stored(store):
    measure(recipe().baseline(), store, run=RUN)
    seen = []

    def look(recipe, *, baseline=None, watch, preview):
        seen.append(baseline)
        return output(recipe)

    jobs_support.run_look = look
    measure(recipe(), store, run="tests.support.jobs_support:run_look")
    expected = output(recipe().baseline())
    assert seen[0].result == expected.result
    assert (seen[0].stored, seen[0].onnx) == (expected.stored, expected.onnx)
    np.testing.assert_array_equal(seen[0].predictions, expected.predictions)


def test_progress_includes_the_baseline(store):
    seen = []
    watch = Watch(lambda fraction, words: seen.append((round(fraction, 3), words)))
    measure(recipe(), store, run=RUN, watch=watch)
    assert seen == [(0.15, "uncompressed model: half way"), (0.65, "half way")]


def test_a_store_that_cannot_be_used_is_told_to_the_engine(store, monkeypatch):
    job_id = submit(store)

    def full(self, *arguments):
        raise StorageFailed("The disk is full.")

    monkeypatch.setattr(Store, "finish_job", full)
    with pytest.raises(StorageFailed, match="disk is full"):
        work_on(store, job_id)


def test_a_home_without_room_for_locks(store):
    home = worker.environment.home()
    (home / "locks").write_text("in the way")
    with pytest.raises(StorageFailed, match="COMPRESSION_HOME"):
        measure(recipe(), store, run=RUN)


def test_giving_way_lowers_all_threads_of_the_process_and_gives_it_a_session():
    code = (
        "import os, threading; from compression.work import worker;"
        "here, there, said = threading.Event(), threading.Event(), [];"
        "nice = lambda: os.getpriority(os.PRIO_PROCESS, 0);"
        "older = threading.Thread(target=lambda: (here.set(), there.wait(), said.append(nice())));"
        "older.start(); here.wait(); worker.give_way(); worker.give_way(); there.set(); older.join();"
        "newer = threading.Thread(target=lambda: said.append(nice())); newer.start(); newer.join();"
        "print(nice(), *said, os.getsid(0) == os.getpid())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = str(max(worker.NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    assert done.stdout.split() == [expected] * 3 + ["True"]


def test_a_sessions_niceness_is_lowered_where_there_is_such_a_thing(monkeypatch):
    written = []

    def write(path, text):
        written.append((str(path), text))
        if len(written) == 1:
            raise BlockingIOError

    monkeypatch.setattr(worker.Path, "write_text", write)
    monkeypatch.setattr(worker, "AUTOGROUP_PAUSE_S", 0)
    worker._lower_autogroup()
    assert written == [("/proc/self/autogroup", str(worker.NICENESS))] * 2


def test_a_system_without_autogroups_is_no_trouble(monkeypatch):
    tried = []

    def missing(path, text):
        tried.append(text)
        raise FileNotFoundError

    monkeypatch.setattr(worker.Path, "write_text", missing)
    worker._lower_autogroup()
    assert len(tried) == 1


def test_set_up_loads_the_engine_with_one_thread():
    code = (
        "import sys; from compression.work import worker; assert 'torch' not in sys.modules; worker.set_up();"
        "import torch; print(torch.get_num_threads(), 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "True"]


class TestInquiries:
    INQUIRY = OutcomeInquiry(recipe=make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 8}]))

    def test_the_recipe_is_measured_first_and_the_answer_kept(self, store):
        said = []
        watch = Watch(lambda fraction, words: said.append((fraction, words)))
        found = worker.inquire(self.INQUIRY, store, watch=watch)
        assert found.probabilities.shape == (500, 10)
        assert store.result(self.INQUIRY.recipe) is not None
        assert said[0][1].startswith("measuring first: ")
        assert said[-1][0] == pytest.approx(1)
        assert Outcomes.model_validate_json(store.answer(self.INQUIRY)).labels.tolist() == found.labels.tolist()

    def test_what_was_found_out_is_not_asked_again(self, store, monkeypatch):
        first = worker.inquire(self.INQUIRY, store)
        monkeypatch.setattr(laboratory, "answer", lambda inquiry, bench: pytest.fail("asked again"))
        assert worker.inquire(self.INQUIRY, store).labels.tolist() == first.labels.tolist()

    def test_as_a_job(self, store):
        (job,) = store.add_jobs([self.INQUIRY], group="g", owner=ME)
        execute(Order(job.job_id, "claim", ME.engine_id, store.place))
        assert store.job(job.job_id).state is JobState.COMPLETE
        assert store.answer(self.INQUIRY) is not None

    def test_a_question_that_cannot_be_answered_fails_with_its_reason(self, store):
        inquiry = PictureInquiry(recipe=self.INQUIRY.recipe, indices=(9999,))
        (job,) = store.add_jobs([inquiry], group="g", owner=ME)
        execute(Order(job.job_id, "claim", ME.engine_id, store.place))
        failed = store.job(job.job_id)
        assert (failed.state, failed.error) == (JobState.FAILED, "There is no test image 9999; choose from 0 to 499.")
