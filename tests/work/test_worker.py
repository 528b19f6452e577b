"""What happens to a job inside a worker process."""

import re
import threading

import pytest

from compression.engine.run import run_recipe
from compression.errors import Cancelled, StorageFailed
from compression.inquiries.outcomes import OutcomeInquiry, PictureInquiry
from compression.models.subject import subject_of
from compression.recipe.budgets import steps_of
from compression.recipe.recipe import make_recipe
from compression.results.record import Learning
from compression.store.job_queue import JobQueue
from compression.store.jobs import JobState
from compression.work import worker
from compression.work.once import measure
from compression.work.worker import JobWatch, Order, execute
from tests.support.fake_dispatcher import ME
from tests.support.fake_run import (
    BROKEN,
    FAILING,
    HUNGRY,
    MODEL,
    QUICK,
    RUN,
    SLOW,
    output,
    recipe,
    runs_of,
)

INQUIRY = OutcomeInquiry(recipe=make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 8}]))


def submit(store, order=QUICK, group="g"):
    (job,) = store.add_jobs([recipe(order)], group=group, owner=ME)
    return job.job_id


def work_on(store, job_id):
    execute(Order(job_id, "claim", ME.dispatcher_id, store.place, RUN))
    return store.job(job_id)


def test_a_job_leads_to_a_result_and_so_does_its_baseline(store):
    job = work_on(store, submit(store))
    assert (job.state, job.progress, job.error) == (JobState.COMPLETE, 1, None)
    assert [result.recipe_id for result in store.results(MODEL)] == [
        recipe().baseline().recipe_id,
        recipe().recipe_id,
    ]
    assert store.artifact(store.result(recipe()).artifacts["onnx"]) == output(recipe()).onnx


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
    store.queue.request_cancel([job_id])
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert store.job(job_id).state is JobState.CANCELLED
    assert store.result(recipe(SLOW)) is None


def test_a_job_that_was_given_up_is_not_started(store):
    job_id = submit(store)
    store.queue.request_cancel([job_id])
    assert work_on(store, job_id).state is JobState.CANCELLED
    assert runs_of(recipe()) == 0


def test_a_job_taken_over_by_another_dispatcher_stops(store, monkeypatch):
    monkeypatch.setattr(worker, "CHECK_S", 0)
    job_id = submit(store)
    store.queue.start_job(job_id, "claim", ME.dispatcher_id)
    watch = worker.JobWatch(store, job_id, "claim")
    watch.check()
    store.queue.requeue(ME, [job_id])
    store.queue.start_job(job_id, "a later claim", ME.dispatcher_id)
    with pytest.raises(Cancelled):
        watch.check()
    watch.report(0.9, "from the grave")
    assert store.job(job_id).message != "from the grave"


def test_measured_in_the_meantime_by_another_group(store):
    job_id = submit(store)
    measure(recipe(), store, run=RUN)
    assert work_on(store, job_id).state is JobState.COMPLETE
    assert runs_of(recipe()) == 1


def test_a_store_that_cannot_be_used_is_told_to_the_dispatcher(store, monkeypatch):
    job_id = submit(store)

    def full(self, *arguments):
        raise StorageFailed("The disk is full.")

    monkeypatch.setattr(JobQueue, "finish_job", full)
    with pytest.raises(StorageFailed, match="disk is full"):
        work_on(store, job_id)


def test_an_inquiry_as_a_job(store):
    (job,) = store.add_jobs([INQUIRY], group="g", owner=ME)
    execute(Order(job.job_id, "claim", ME.dispatcher_id, store.place))
    assert store.job(job.job_id).state is JobState.COMPLETE
    assert store.answer(INQUIRY) is not None


def test_a_question_that_cannot_be_answered_fails_with_its_reason(store):
    inquiry = PictureInquiry(recipe=INQUIRY.recipe, indices=(9999,))
    (job,) = store.add_jobs([inquiry], group="g", owner=ME)
    execute(Order(job.job_id, "claim", ME.dispatcher_id, store.place))
    failed = store.job(job.job_id)
    assert (failed.state, failed.error) == (JobState.FAILED, "There is no test image 9999; choose from 0 to 499.")


class TestEndingATrainingEarly:
    """With the real engine: a training of fifteen passes over the smallest data set."""

    TRAINED = make_recipe(
        MODEL, [{"technique": "magnitude_pruning", "sparsity": 0.95}, {"technique": "fine_tuning", "epochs": 15}]
    )

    def test_the_result_is_that_of_the_recipe_with_the_passes_that_were(self, store, monkeypatch):
        (job,) = store.add_jobs([self.TRAINED], group="g", owner=ME)
        monkeypatch.setattr(JobWatch, "is_enough", lambda watch: True)
        execute(Order(job.job_id, "claim", ME.dispatcher_id, store.place))
        done = store.job(job.job_id)
        assert (done.state, done.error) == (JobState.COMPLETE, None)
        assert store.result(self.TRAINED) is None
        found = store.result(done.recipe)
        (training,) = found.trainings
        assert training.was_ended_early
        assert steps_of(done.recipe.steps[1].epochs, subject_of(MODEL).data.train_images) == training.steps
        again = run_recipe(subject_of(MODEL), done.recipe)
        assert again.result.artifacts == found.artifacts

    def test_it_is_asked_for_and_shown_in_the_job(self, store):
        (job,) = store.add_jobs([self.TRAINED], group="g", owner=ME)
        store.queue.start_job(job.job_id, "claim", ME.dispatcher_id)
        watch = JobWatch(store, job.job_id, "claim")
        assert not watch.is_enough()
        watch.learned([(0, 0.5), (30, 0.75)], 227, may_end=True)
        store.queue.request_enough(job.job_id)
        seen = store.job(job.job_id)
        assert seen.is_enough_requested
        assert seen.learning == Learning(planned=227, points=((0, 0.5), (30, 0.75)), may_end=True)
        assert JobWatch(store, job.job_id, "claim").is_enough()
        assert not JobWatch(store, job.job_id, "another claim").is_enough()
