"""The contract of the store, over every database there is."""

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sql
from sqlalchemy.dialects import postgresql

from compression import environment
from compression.errors import CorruptFile, StorageFailed
from compression.inquiries.outcomes import PictureInquiry
from compression.results import machine
from compression.store import artifacts, deletion, history, job_queue, logs, results, tables
from compression.store.job_queue import OTHER_VERSION, Owner
from compression.store.jobs import JobState
from compression.store.store import Store
from tests.support.fake_dispatcher import ME
from tests.support.fake_run import MODEL, SLOW, recipe
from tests.support.made_up_results import fabricate, files_of, keep, key_of, preview

parse_result = results.parse


@pytest.fixture
def sqlite_store(fresh_home):
    return Store()


def fill(store):
    for seed in range(2, 100):
        keep(store, recipe(seed=seed))


def start(store, **options):
    job = store.add_jobs([recipe(**options)], group="g", owner=ME)[0]
    claim = uuid.uuid4().hex
    assert store.queue.start_job(job.job_id, claim, ME.dispatcher_id).state is JobState.RUNNING
    return job.job_id, claim


KNOWN = preview(recipe())


class TestWorkspaces:
    def test_what_is_measured_in_one_is_seen_nowhere_else(self, store):
        here, there = store.within("class-a"), store.within("class-b")
        keep(store, recipe(seed=1))
        keep(here, recipe(seed=2))
        assert [one.recipe_id for one in store.results(MODEL)] == [recipe(seed=1).recipe_id]
        assert [one.recipe_id for one in here.results(MODEL)] == [recipe(seed=2).recipe_id]
        assert there.results(MODEL) == []
        assert here.result(recipe(seed=1)) is None
        assert store.result(recipe(seed=2)) is None

    def test_the_same_recipe_is_measured_in_each(self, store):
        here = store.within("class-a")
        keep(store, recipe(), accuracy=0.9)
        (job,) = here.add_jobs([recipe()], group="g", owner=ME)
        assert (job.state, job.workspace) == (JobState.WAITING, "class-a")
        assert store.job(job.job_id) == job
        keep(here, recipe(), accuracy=0.8)
        assert (store.result(recipe()).accuracy, here.result(recipe()).accuracy) == (0.9, 0.8)
        assert here.add_jobs([recipe()], group="later", owner=ME)[0].state is JobState.COMPLETE

    def test_what_anybody_found_out_serves_all(self, store):
        inquiry = PictureInquiry(recipe=recipe(), indices=(0,))
        store.add_answer(inquiry, keep(store, recipe()), b"everybody's")
        assert store.within("class-a").answer(inquiry) == b"everybody's"

    def test_what_one_found_out_is_its_own(self, store):
        inquiry, here = PictureInquiry(recipe=recipe(), indices=(0,)), store.within("class-a")
        here.add_answer(inquiry, keep(here, recipe()), b"ours")
        assert here.answer(inquiry) == b"ours"
        assert store.answer(inquiry) is None
        assert store.within("class-b").answer(inquiry) is None

    def test_jobs_of_one_asker_are_given_up_and_no_others(self, store):
        mine, other, odd = (
            store.add_jobs([recipe(seed=seed)], group=group)[0]
            for seed, group in enumerate(("sweep-me.1", "explore-you.1", "explore-m%.1"))
        )
        assert store.queue.unfinished("me.") == 1
        assert store.queue.unfinished() == 3
        store.queue.request_cancel(asked_by="me.")
        assert [store.job(job.job_id).state for job in (mine, other, odd)] == [
            JobState.CANCELLED,
            JobState.WAITING,
            JobState.WAITING,
        ]
        store.queue.request_cancel(asked_by="m%.")
        assert store.job(other.job_id).state is JobState.WAITING


class TestResults:
    def test_a_result_comes_back_as_it_was(self, store):
        assert store.result(recipe()) is None
        kept = keep(store, recipe())
        assert store.result(recipe()) == kept
        assert {role: store.artifact(name) for role, name in kept.artifacts.items()} == files_of(recipe())

    def test_the_first_result_stays(self, store):
        keep(store, recipe(), accuracy=0.9)
        keep(store, recipe(), accuracy=0.1)
        assert [result.accuracy for result in store.results(MODEL)] == [0.9]

    def test_results_are_in_order_of_measurement_and_of_one_model(self, store):
        for seed in (3, 1, 2):
            keep(store, recipe(seed=seed))
        assert [result.recipe["seed"] for result in store.results(MODEL)] == [3, 1, 2]
        assert store.results("lenet5-mnist5k") == []

    def test_later_results_are_seen_and_only_they_are_read(self, store, monkeypatch):
        keep(store, recipe(seed=1))
        (first,) = store.results(MODEL)
        parsed = []
        keep(store, recipe(seed=2))
        monkeypatch.setattr(results, "parse", lambda document: parsed.append(1) or parse_result(document))
        again = store.results(MODEL)
        assert [result.recipe["seed"] for result in again] == [1, 2]
        assert again[0] is first and len(parsed) == 1
        assert store.results(MODEL) == again and len(parsed) == 1

    def test_a_result_that_becomes_visible_late_is_seen(self, store):
        for seed in (1, 2):
            keep(store, recipe(seed=seed))
        with store.database.read() as connection:
            (row,) = connection.execute(sql.select(tables.RESULTS).where(tables.RESULTS.c.sequence == 1)).mappings()
        with store.database.write() as connection:
            connection.execute(tables.RESULTS.delete().where(tables.RESULTS.c.sequence == 1))
        assert [result.recipe["seed"] for result in store.results(MODEL)] == [2]
        with store.database.write() as connection:
            connection.execute(tables.RESULTS.insert().values(dict(row)))
        assert [result.recipe["seed"] for result in store.results(MODEL)] == [1, 2]

    def test_what_is_wanted_anew_is_looked_at_again(self, store):
        keep(store, recipe())
        (done,) = store.add_jobs([recipe()], group="g")
        (again,) = store.add_jobs([recipe()], group="g", anew=True)
        assert (done.state, again.state) == (JobState.COMPLETE, JobState.WAITING)
        assert store.jobs("g") == [again]

    def test_where_nothing_changed_one_query_says_so(self, store):
        keep(store, recipe(seed=1))
        store.results(MODEL)
        asked = []
        engine = store.database._pool()
        sql.event.listen(engine, "before_cursor_execute", lambda *what: asked.append(what[2]))
        assert len(store.results(MODEL)) == len([text for text in asked if text.startswith("SELECT")]) == 1

    def test_what_is_remembered_is_not_the_callers(self, store):
        keep(store, recipe())
        store.results(MODEL).clear()
        assert len(store.results(MODEL)) == 1

    def test_results_of_the_workers_machines_are_shown(self, store):
        keep(store, recipe(), machine_id="elsewhere")
        store.machine_ids = ("elsewhere", machine.machine_id())
        assert store.result(recipe()).machine_id == "elsewhere"
        assert len(store.results(MODEL)) == 1

    def test_many_are_looked_up_at_once(self, store):
        keep(store, recipe(seed=1))
        found = store.results_of([recipe(seed=seed) for seed in range(3)])
        assert list(found) == [recipe(seed=1).recipe_id]

    def test_a_file_that_does_not_fit_is_refused(self, store):
        with pytest.raises(CorruptFile, match="onnx"):
            store.add_result(fabricate(recipe()), files_of(recipe()) | {"onnx": b"something else"})
        assert store.result(recipe()) is None

    def test_files_come_before_the_row(self, store, monkeypatch):
        def fail(content):
            raise StorageFailed("the disk is full")

        monkeypatch.setattr(artifacts, "write", fail)
        with pytest.raises(StorageFailed):
            keep(store, recipe())
        assert store.result(recipe()) is None

    def test_many_threads_add_the_same(self, store):
        threads = [threading.Thread(target=keep, args=(store, recipe(seed=n % 3))) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store.results(MODEL)) == 3


DAMAGED = {
    "a number is gone": "json_set(document, '$.accuracy', null)",
    "the baseline is gone": "json_remove(document, '$.baseline')",
    "the recipe is gone": "json_set(document, '$.recipe', null)",
    "half of it is gone": "substr(document, 1, 100)",
    "all of it is gone": "x'00ff'",
}


def damage(store, how, seed):
    """Have one row of a SQLite database as a disk or `.recover` may leave it."""
    with store.database.write() as connection:
        connection.exec_driver_sql(
            f"UPDATE results SET document = {DAMAGED[how]} WHERE recipe_id = '{recipe(seed=seed).recipe_id}'"
        )


@pytest.mark.parametrize("how", DAMAGED)
class TestDamagedRows:
    def test_one_is_left_out_and_named(self, sqlite_store, how):
        for seed in (1, 2, 3):
            keep(sqlite_store, recipe(seed=seed))
        damage(sqlite_store, how, 2)
        for store in (sqlite_store, Store()):
            store.remembered = results.Remembered()
            assert [result.recipe["seed"] for result in store.results(MODEL)] == [1, 3]
            assert [row.recipe_id for row in store.unreadable(MODEL)] == [recipe(seed=2).recipe_id]
            assert store.result(recipe(seed=2)) is None
            assert len(store.results_of([recipe(seed=seed) for seed in (1, 2, 3)])) == 2

    def test_it_is_measured_again_and_back(self, sqlite_store, how):
        keep(sqlite_store, recipe(seed=1))
        keep(sqlite_store, recipe(seed=2), accuracy=0.5)
        damage(sqlite_store, how, 2)
        (job,) = sqlite_store.add_jobs([recipe(seed=2)], group="g", owner=ME)
        assert job.state is JobState.WAITING
        again = keep(sqlite_store, recipe(seed=2), accuracy=0.6)
        assert sqlite_store.result(recipe(seed=2)) == again
        assert [result.recipe_id for result in sqlite_store.results(MODEL)] == [
            recipe(seed=n).recipe_id for n in (1, 2)
        ]
        assert sqlite_store.unreadable(MODEL) == []

    def test_history_lists_it_and_it_can_be_deleted(self, sqlite_store, how):
        for seed in (1, 2):
            keep(sqlite_store, recipe(seed=seed))
        damage(sqlite_store, how, 2)
        entry, whole = history.entries(sqlite_store)
        assert entry.recipe_id == recipe(seed=2).recipe_id
        assert None not in whole.numbers.values()
        assert len(history.find([entry, whole], {}, history.Search(text="prune", order="smallest"))) <= 2
        deletion.delete(sqlite_store, [entry.key])
        assert history.entries(sqlite_store) == [whole]
        assert sqlite_store.unreadable(MODEL) == []


def test_what_is_no_number_does_not_get_in(store):
    with pytest.raises(ValueError, match="finite number"):
        fabricate(recipe(), accuracy=float("nan"))
    with pytest.raises(ValueError, match="valid number"):
        store.add_result(fabricate(recipe()).model_copy(update={"accuracy": float("nan")}), files_of(recipe()))
    assert store.results(MODEL) == store.unreadable(MODEL) == []


def test_notes_and_logs_that_are_damaged_take_nothing_else_away(store):
    key = key_of(keep(store, recipe()))
    history.write_note(store, key, ["good"], "text")
    job_id, claim = start(store, seed=1)
    store.queue.set_progress(job_id, claim, 0.5, "half", "[[1.0")
    with store.database.write() as connection:
        connection.execute(tables.NOTES.update().values(tags="[nonsense"))
    assert history.notes(store)[key].text == "text"
    history.change_tags(store, [key], ["better"], [])
    assert history.notes(store)[key].tags == ("better",)
    (line,) = logs.log_of(store.database, job_id)
    assert "cannot be read" in line.text


class TestAnswers:
    INQUIRY = PictureInquiry(recipe=recipe(), indices=(1, 2))

    def test_an_answer_comes_back_and_the_first_one_stays(self, store):
        assert store.answer(self.INQUIRY) is None
        store.add_answer(self.INQUIRY, fabricate(recipe()), b"first")
        store.add_answer(self.INQUIRY, fabricate(recipe()), b"second")
        assert store.answer(self.INQUIRY) == b"first"

    def test_other_questions_are_not_answered(self, store, monkeypatch):
        store.add_answer(self.INQUIRY, fabricate(recipe()), b"found")
        assert store.answer(self.INQUIRY.model_copy(update={"indices": (1, 3)})) is None
        assert store.answer(self.INQUIRY.model_copy(update={"recipe": recipe(SLOW)})) is None
        monkeypatch.setattr(PictureInquiry, "VERSION", 99)
        assert store.answer(self.INQUIRY) is None

    def test_an_answer_about_another_engines_result_is_not_shown(self, store):
        store.add_answer(self.INQUIRY, fabricate(recipe(), engine_version="older"), b"found")
        assert store.answer(self.INQUIRY) is None

    def test_a_lost_answer_is_found_out_again(self, store):
        result = fabricate(recipe())
        store.add_answer(self.INQUIRY, result, b"found")
        artifacts.path_of(store.answer_name(self.INQUIRY)).unlink()
        assert store.answer(self.INQUIRY) is None
        (job,) = store.add_jobs([self.INQUIRY], group="g")
        assert job.state is JobState.WAITING
        store.add_answer(self.INQUIRY, result, b"found again")
        assert store.answer(self.INQUIRY) == b"found again"

    def test_a_inquiry_is_a_job_of_its_own(self, store):
        studied, measured = store.add_jobs([self.INQUIRY, recipe()], group="g")
        assert store.jobs("g") == [studied, measured]
        assert (studied.inquiry, studied.recipe, measured.inquiry) == (self.INQUIRY, recipe(), None)
        assert store.add_jobs([self.INQUIRY], group="g") == [studied]
        store.add_answer(self.INQUIRY, fabricate(recipe()), b"found")
        (done,) = store.add_jobs([self.INQUIRY], group="another")
        assert done.state is JobState.COMPLETE


class TestJobs:
    def test_a_job_comes_back_as_it_was(self, store):
        (job,) = store.add_jobs([recipe()], group="g", background=True)
        assert store.job(job.job_id) == job
        assert (job.state, job.progress, job.error, job.recipe) == (JobState.WAITING, 0, None, recipe())
        assert job.created_at.utcoffset().total_seconds() == 0
        assert store.job("no such job") is None

    def test_jobs_by_group_and_state(self, store):
        store.add_jobs([recipe(seed=1), recipe(seed=2)], group="a")
        store.add_jobs([recipe(seed=3)], group="b")
        assert [job.recipe.seed for job in store.jobs()] == [1, 2, 3]
        assert [job.recipe.seed for job in store.jobs("a")] == [1, 2]
        assert store.jobs("a", [JobState.RUNNING]) == []
        assert len(store.jobs(states=[JobState.WAITING])) == 3

    def test_the_same_recipe_is_not_submitted_twice(self, store):
        first = store.add_jobs([recipe(), recipe()], group="g")
        again = store.add_jobs([recipe(seed=1), recipe()], group="g")
        assert len(first) == 1
        assert again[1] == first[0]
        assert len(store.jobs("g")) == 2
        other = store.add_jobs([recipe()], group="other")
        assert other[0].job_id != first[0].job_id

    def test_a_measured_recipe_is_complete_and_leaves_no_job(self, store):
        keep(store, recipe())
        (job,) = store.add_jobs([recipe()], group="g")
        assert (job.state, job.progress) == (JobState.COMPLETE, 1.0)
        assert store.jobs("g") == []

    def test_replace_gives_up_the_others(self, store):
        kept, dropped = store.add_jobs([recipe(seed=1), recipe(seed=2)], group="g")
        (foreign,) = store.add_jobs([recipe(seed=2)], group="other")
        jobs = store.add_jobs([recipe(seed=3), recipe(seed=1)], group="g", replace=True)
        assert jobs[1] == kept
        assert store.job(dropped.job_id).state is JobState.CANCELLED
        assert store.job(foreign.job_id).state is JobState.WAITING
        assert [job.recipe.seed for job in store.jobs("g", [JobState.WAITING])] == [1, 3]

    def test_from_waiting_to_complete(self, store):
        job_id, claim = start(store)
        store.queue.set_progress(job_id, claim, 0.5, "half way")
        job = store.job(job_id)
        assert (job.progress, job.message, job.attempts) == (0.5, "half way", 1)
        assert job.started_at >= job.created_at
        store.queue.finish_job(job_id, claim, JobState.COMPLETE)
        job = store.job(job_id)
        assert (job.state, job.progress) == (JobState.COMPLETE, 1)
        assert job.finished_at >= job.started_at

    def test_a_running_job_shows_what_it_knows(self, store):
        job_id, claim = start(store)
        store.queue.set_preview(job_id, "another claim", KNOWN)
        assert store.job(job_id).preview is None
        before = store.revision()
        store.queue.set_preview(job_id, claim, KNOWN)
        assert store.job(job_id).preview == KNOWN
        assert store.revision() > before
        store.queue.finish_job(job_id, claim, JobState.FAILED, "why")
        assert store.job(job_id).preview is None

    def test_a_job_that_starts_again_knows_nothing_yet(self, store):
        job_id, claim = start(store)
        store.queue.set_preview(job_id, claim, KNOWN)
        store.queue.requeue(ME, [job_id])
        assert store.job(job_id).preview is None
        assert store.queue.start_job(job_id, "second", ME.dispatcher_id).preview is None

    @pytest.mark.parametrize("state", [JobState.COMPLETE, JobState.FAILED, JobState.CANCELLED])
    def test_a_final_state_never_changes(self, store, state):
        job_id, claim = start(store)
        store.queue.finish_job(job_id, claim, state, "why")
        before = store.job(job_id)
        store.queue.finish_job(job_id, claim, JobState.FAILED, "other")
        store.queue.set_progress(job_id, claim, 0.1, "other")
        store.queue.request_cancel([job_id])
        store.queue.fail_job(ME.dispatcher_id, job_id, "other")
        store.queue.requeue(ME, [job_id])
        assert store.queue.start_job(job_id, claim, ME.dispatcher_id) is None
        assert state.is_final
        assert store.job(job_id) == before

    def test_cancelling(self, store):
        job_id, claim = start(store, seed=1)
        (waiting,) = store.add_jobs([recipe(seed=2)], group="g", owner=ME)
        assert store.queue.is_wanted(job_id, claim)
        store.queue.request_cancel(group="g")
        assert store.job(waiting.job_id).state is JobState.CANCELLED
        assert store.job(job_id).state is JobState.RUNNING
        assert store.job(job_id).is_cancel_requested
        assert not store.queue.is_wanted(job_id, claim)
        assert store.queue.start_job(waiting.job_id, claim, ME.dispatcher_id) is None

    def test_a_recipe_that_is_being_given_up_can_be_submitted_again(self, store):
        job_id, _ = start(store)
        store.queue.request_cancel([job_id])
        (again,) = store.add_jobs([recipe()], group="g")
        assert again.job_id != job_id

    def test_only_the_claim_moves_a_job(self, store):
        job_id, _ = start(store)
        assert store.queue.start_job(job_id, "another claim", ME.dispatcher_id) is None
        store.queue.set_progress(job_id, "another claim", 0.9, "not mine")
        store.queue.finish_job(job_id, "another claim", JobState.COMPLETE)
        assert not store.queue.is_wanted(job_id, "another claim")
        job = store.job(job_id)
        assert (job.state, job.progress) == (JobState.RUNNING, 0)

    def test_only_the_owner_starts_a_job(self, store):
        (job,) = store.add_jobs([recipe()], group="g", owner=ME)
        assert store.queue.start_job(job.job_id, "claim", "somebody else") is None
        assert store.job(job.job_id).state is JobState.WAITING

    def test_a_job_whose_worker_died_three_times_is_given_up(self, store):
        (job,) = store.add_jobs([recipe()], group="g", owner=ME)
        for attempt in range(1, 4):
            assert store.queue.start_job(job.job_id, f"claim {attempt}", ME.dispatcher_id).attempts == attempt
            store.queue.set_progress(job.job_id, f"claim {attempt}", 0.2, "pruning")
            assert store.queue.requeue(ME, [job.job_id], death="it held 900 MB") == (attempt < 3)
        job = store.job(job.job_id)
        assert job.state is JobState.FAILED
        assert "died three times while 'pruning'; it held 900 MB." in job.error

    def test_a_job_may_outlive_any_number_of_servers_and_schedulers(self, store):
        (job,) = store.add_jobs([recipe()], group="g", owner=ME)
        for number in range(5):
            owner = Owner(f"heir {number}", "here", 2, 0.0)
            store.queue.sign_off([ME.dispatcher_id, *(other.dispatcher_id for other, _ in store.queue.dispatchers())])
            assert store.queue.take_over(owner) == 1
            for claim in ("first", "second"):
                assert store.queue.start_job(job.job_id, claim, owner.dispatcher_id).attempts == 1
                assert store.queue.requeue(owner, [job.job_id]) == 1
            store.queue.start_job(job.job_id, "third", owner.dispatcher_id)
        assert store.job(job.job_id).state is JobState.RUNNING

    def test_a_claim_starts_a_job_once(self, store):
        job_id, claim = start(store)
        assert store.queue.start_job(job_id, claim, ME.dispatcher_id) is None
        store.queue.requeue(ME, [job_id], death="")
        assert not store.queue.is_wanted(job_id, claim)
        assert store.queue.start_job(job_id, "new claim", ME.dispatcher_id).attempts == 2

    def test_a_cancelled_job_whose_worker_died_is_cancelled(self, store):
        job_id, _ = start(store)
        store.queue.request_cancel([job_id])
        store.queue.requeue(ME, [job_id])
        assert store.job(job_id).state is JobState.CANCELLED

    def test_jobs_of_another_version_hold_nothing_up(self, store):
        strange, fine = store.add_jobs([recipe(seed=1), recipe(seed=2)], group="g", owner=ME)
        with store.database.write() as connection:
            which = tables.JOBS.c.job_id == strange.job_id
            connection.execute(tables.JOBS.update().where(which).values(recipe='{"technique": "of the future"}'))
        assert store.job(strange.job_id) is None
        assert store.jobs("g") == [fine]
        assert store.add_jobs([recipe(seed=2)], group="g", owner=ME) == [fine]
        assert store.queue.next_jobs(ME.dispatcher_id, background=False, limit=1) == []
        assert store.queue.next_jobs(ME.dispatcher_id, background=False, limit=1) == [fine]
        with store.database.read() as connection:
            state, error = connection.execute(sql.select(tables.JOBS.c.state, tables.JOBS.c.error).where(which)).one()
        assert (state, error) == ("failed", OTHER_VERSION)

    def test_next_jobs_are_the_oldest_of_their_kind(self, store):
        jobs = store.add_jobs([recipe(seed=n) for n in range(4)], group="g", owner=ME)
        store.add_jobs([recipe(seed=9)], group="sweep", background=True, owner=ME)
        store.add_jobs([recipe(seed=8)], group="foreign", owner=Owner("other", "there", 1, 0.0))
        found = store.queue.next_jobs(ME.dispatcher_id, background=False, limit=2, exclude=[jobs[0].job_id])
        assert [job.recipe.seed for job in found] == [1, 2]
        assert [job.recipe.seed for job in store.queue.next_jobs(ME.dispatcher_id, background=True, limit=9)] == [9]

    def test_of_background_jobs_those_of_the_group_asked_last_come_first(self, store):
        store.add_jobs([recipe(seed=n) for n in (1, 2)], group="left behind", background=True, owner=ME)
        store.add_jobs([recipe(seed=n) for n in (3, 4)], group="looked at", background=True, owner=ME)
        found = store.queue.next_jobs(ME.dispatcher_id, background=True, limit=9)
        assert [job.recipe.seed for job in found] == [3, 4, 1, 2]

    def test_old_jobs_are_forgotten_and_results_are_not(self, store, monkeypatch):
        job_id, claim = start(store)
        keep(store, recipe())
        store.queue.finish_job(job_id, claim, JobState.COMPLETE)
        store.queue.forget_old_jobs()
        assert store.job(job_id)
        later = time.time() + 40 * 86_400
        monkeypatch.setattr(time, "time", lambda: later)
        store.queue.forget_old_jobs()
        assert store.job(job_id) is None
        assert store.result(recipe())


class TestAsking:
    """Whoever asks sits in front of a page: only what has to be written waits for others that write."""

    def test_what_is_known_or_under_way_needs_no_write(self, sqlite_store, monkeypatch):
        monkeypatch.setattr(job_queue, "ASK_PATIENCE_S", 0.1)
        keep(sqlite_store, recipe(seed=1))
        (under_way,) = sqlite_store.add_jobs([recipe(seed=2)], group="g", owner=ME)
        before = sqlite_store.revision()
        holder = sqlite3.connect(environment.home() / "results.sqlite", isolation_level=None)
        with contextlib.closing(holder):
            holder.execute("BEGIN IMMEDIATE")
            for replace in (False, True):
                known, again = sqlite_store.add_jobs(
                    [recipe(seed=1), recipe(seed=2)], group="g", owner=ME, replace=replace
                )
                assert (known.state, again.job_id) == (JobState.COMPLETE, under_way.job_id)
            sqlite_store.queue.give_up(["nobody's"])
            for ask in (
                lambda: sqlite_store.add_jobs([recipe(seed=3)], group="g"),
                lambda: sqlite_store.add_jobs([recipe(seed=1)], group="g", replace=True),
                lambda: sqlite_store.queue.request_cancel([under_way.job_id]),
            ):
                with pytest.raises(StorageFailed, match=r"another program has held it.*kept"):
                    ask()
            holder.execute("ROLLBACK")
        assert sqlite_store.revision() == before

    def test_of_a_session_that_is_closed_only_background_jobs_are_given_up(self, store):
        mine = [store.add_jobs([recipe(seed=n)], group="sweep-1", background=True, owner=ME)[0] for n in (1, 2)]
        (by_hand,) = store.add_jobs([recipe(seed=3)], group="explore-1", owner=ME)
        (others,) = store.add_jobs([recipe(seed=1)], group="sweep-2", background=True, owner=ME)
        store.queue.start_job(mine[0].job_id, "claim", ME.dispatcher_id)
        store.queue.give_up(["sweep-1", "explore-1"])
        assert not store.queue.is_wanted(mine[0].job_id, "claim")
        assert store.job(mine[1].job_id).state is JobState.CANCELLED
        assert store.job(by_hand.job_id).state is store.job(others.job_id).state is JobState.WAITING


def test_a_name_that_no_job_can_have_is_asked_of_no_database(store, monkeypatch):
    """PostgreSQL takes no text with a NUL in it."""
    store.revision()
    monkeypatch.setattr(store.database, "read", None)
    assert store.job("\0") is None


def test_a_note_may_be_any_text(store):
    key = key_of(keep(store, recipe()))
    history.write_note(store, key, ["a\0b"], "c\0d")
    assert history.notes(store)[key].tags == ("ab",) and history.notes(store)[key].text == "cd"


class TestDispatchers:
    def test_jobs_of_a_dead_dispatcher_are_taken_over(self, store):
        running, claim = start(store, seed=1)
        (waiting,) = store.add_jobs([recipe(seed=2)], group="g", owner=ME)
        given_up, _ = start(store, seed=3)
        store.queue.request_cancel([given_up])
        heir = Owner("heir", "here", 2, 0.0)
        assert store.queue.take_over(heir) == 0
        store.queue.sign_off([ME.dispatcher_id])
        assert store.queue.take_over(heir) == 2
        assert [owner.dispatcher_id for owner, _ in store.queue.dispatchers()] == ["heir"]
        assert store.job(given_up).state is JobState.CANCELLED
        assert not store.queue.is_wanted(running, claim)
        assert [job.job_id for job in store.queue.next_jobs("heir", background=False, limit=9)] == [
            running,
            waiting.job_id,
        ]

    def test_a_clean_stop_does_not_count_as_an_attempt(self, store):
        job_id, _ = start(store)
        store.queue.sign_off([ME.dispatcher_id])
        store.queue.take_over(ME)
        assert store.job(job_id).attempts == 0

    def test_heartbeats_are_kept_and_do_not_wake_pages(self, store):
        store.queue.heartbeat(ME)
        before = store.revision()
        store.queue.heartbeat(ME)
        ((owner, beat),) = store.queue.dispatchers()
        assert owner == ME
        assert abs(beat - time.time()) < 60
        assert store.revision() == before

    def test_overdue_cancels(self, store):
        job_id, claim = start(store)
        store.queue.request_cancel([job_id])
        assert store.queue.overdue_cancels(ME.dispatcher_id, 60) == []
        assert store.queue.overdue_cancels(ME.dispatcher_id, -1) == [(job_id, claim)]


class TestRevision:
    def test_every_change_is_seen(self, store):
        seen = [store.revision()]

        def changed():
            seen.append(store.revision())
            return seen[-1] > seen[-2]

        (job,) = store.add_jobs([recipe()], group="g", owner=ME)
        assert changed()
        store.queue.start_job(job.job_id, "claim", ME.dispatcher_id)
        assert changed()
        store.queue.set_progress(job.job_id, "claim", 0.5, "half")
        assert changed()
        keep(store, recipe())
        assert changed()
        store.queue.finish_job(job.job_id, "claim", JobState.COMPLETE)
        assert changed()
        assert not changed()

    def test_the_same_in_another_process(self, sqlite_store):
        before = sqlite_store.revision()
        code = (
            "from compression.store.store import Store; from tests.support.fake_run import recipe;"
            "Store().add_jobs([recipe()], group='g')"
        )
        path = os.pathsep.join(sys.path)
        subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": path})
        assert sqlite_store.revision() > before
        assert len(sqlite_store.jobs("g")) == 1


class TestTrouble:
    """A full, read-only, locked or damaged place is told with its remedy, and loses nothing."""

    def test_a_full_disk(self, sqlite_store, monkeypatch):
        keep(sqlite_store, recipe(seed=1))
        with sqlite_store.database.read() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        pool = sqlite_store.database._pool()

        def limit(connection, record):
            connection.execute(f"PRAGMA max_page_count = {pages}")

        sql.event.listen(pool, "connect", limit)
        with pytest.raises(StorageFailed, match=r"disk is full. Free some space"):
            fill(sqlite_store)
        assert sqlite_store.result(recipe(seed=1))
        sql.event.remove(pool, "connect", limit)
        keep(sqlite_store, recipe(seed=100))
        assert sqlite_store.result(recipe(seed=100))

    def test_a_full_disk_for_files(self, fresh_home, monkeypatch):
        def full(handle):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageFailed, match=r"No space left.*Free some space"):
            artifacts.write(b"content")
        monkeypatch.undo()
        assert [path for path in environment.artifact_folder().rglob("*") if path.is_file()] == []

    def test_a_locked_database(self, sqlite_store):
        keep(sqlite_store, recipe())
        other = Store(patience_s=0.1)
        holder = sqlite3.connect(environment.home() / "results.sqlite", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        for ask in (lambda: other.add_jobs([recipe(seed=1)], group="g"), lambda: other.results(MODEL), other.revision):
            with pytest.raises(StorageFailed, match="another program has held it"):
                ask()
        holder.execute("ROLLBACK")
        holder.close()
        assert len(other.add_jobs([recipe(seed=1)], group="g")) == 1

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_read_only_database_can_be_read(self, sqlite_store):
        keep(sqlite_store, recipe())
        file = environment.home() / "results.sqlite"
        file.chmod(stat.S_IRUSR)
        assert Store().result(recipe())
        with pytest.raises(StorageFailed, match="read-only"):
            Store().add_jobs([recipe(seed=1)], group="g")

    def test_a_query_only_database(self, sqlite_store, tmp_path, monkeypatch):
        keep(sqlite_store, recipe())
        store = Store(f"sqlite:///file:{environment.home()}/results.sqlite?mode=ro&uri=true")
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        assert store.result(recipe()) is not None
        assert list(Path.cwd().iterdir()) == []  # a URI is no path
        assert store.database.file == environment.home() / "results.sqlite"
        with pytest.raises(StorageFailed, match=r"read-only. Check your rights"):
            store.add_jobs([recipe(seed=1)], group="g")
        assert sqlite_store.result(recipe())

    @pytest.mark.parametrize("of_pages", [None, 0.5, 0.9])
    def test_a_damaged_database(self, sqlite_store, of_pages):
        """Text, noise, or what a full disk left of it."""
        fill(sqlite_store)
        file = environment.home() / "results.sqlite"
        whole = file.read_bytes()
        half = [whole[: int(share * len(whole))] for share in [of_pages] if share]
        for content in half or [b"this is no database, only some text" * 50, b"SQLite format 3\0" + b"\1" * 5000]:
            file.write_bytes(content)
            for store in (sqlite_store, Store()):
                with pytest.raises(StorageFailed, match="[Mm]ove") as told:
                    store.results(MODEL)
                assert "kept" not in str(told.value)
            assert file.read_bytes() == content
        file.rename(file.with_name("away"))
        assert Store().results(MODEL) == []

    def test_a_database_that_is_emptied_while_it_is_used(self, sqlite_store, caplog):
        keep(sqlite_store, recipe())
        file = environment.home() / "results.sqlite"
        copy = file.read_bytes()
        file.write_bytes(b"")
        for _ in range(2):
            with pytest.raises(StorageFailed, match="emptied.*Put a copy back") as told:
                sqlite_store.results(MODEL)
            assert "kept" not in str(told.value)
        file.write_bytes(copy)
        assert len(sqlite_store.results(MODEL)) == 1
        assert caplog.messages == []

    def test_one_that_was_emptied_before_is_begun_anew_and_said(self, fresh_home, caplog):
        (fresh_home / "results.sqlite").write_bytes(b"")  # as by another process that makes one just now
        Store().revision()
        assert caplog.messages == []
        keep(Store(), recipe())
        (fresh_home / "results.sqlite").write_bytes(b"")
        assert Store().results(MODEL) == []
        (said,) = caplog.messages
        assert "results.sqlite was emptied" in said
        assert Store().results(MODEL) == [] and len(caplog.messages) == 1

    @pytest.mark.parametrize(
        "tables_of_others",
        [
            "CREATE TABLE results (id INTEGER PRIMARY KEY, score REAL)",
            "CREATE TABLE weather (day TEXT)",
            "CREATE TABLE counters (id INTEGER PRIMARY KEY)",
            "CREATE TABLE counters (name TEXT, value INTEGER)",
        ],
    )
    def test_the_database_of_another_program_is_left_alone(self, fresh_home, tables_of_others):
        file = fresh_home / "results.sqlite"
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute(tables_of_others)
        before = file.read_bytes()
        for use in (Store().revision, lambda: Store().results(MODEL), lambda: keep(Store(), recipe())):
            with pytest.raises(StorageFailed, match="did not make.*Nothing in it was changed.*COMPRESSION_HOME"):
                use()
        assert file.read_bytes() == before
        assert [path.name for path in fresh_home.glob("results*")] == ["results.sqlite"]

    def test_a_table_of_another_program_on_a_server_is_left_alone(self, any_store):
        if any_store.database.file is not None:
            pytest.skip("needs a server")
        with any_store.database._pool().begin() as connection:
            connection.exec_driver_sql("CREATE TABLE results (id INTEGER PRIMARY KEY, score REAL)")
        with pytest.raises(StorageFailed, match="did not make"):
            any_store.revision()
        with any_store.database._pool().begin() as connection:
            assert sql.inspect(connection).get_table_names() == ["results"]
            connection.exec_driver_sql("DROP TABLE results")

    def test_a_home_that_cannot_be_made(self, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("in the way")
        monkeypatch.setenv("COMPRESSION_HOME", str(tmp_path / "file" / "home"))
        with pytest.raises(StorageFailed, match="COMPRESSION_HOME"):
            Store().results(MODEL)
        with pytest.raises(StorageFailed, match="COMPRESSION_HOME"):
            artifacts.write(b"content")

    def test_a_database_that_vanishes_is_made_anew(self, sqlite_store):
        keep(sqlite_store, recipe())
        (environment.home() / "results.sqlite").unlink()
        assert sqlite_store.results(MODEL) == []
        keep(sqlite_store, recipe())
        assert len(sqlite_store.results(MODEL)) == 1

    def test_a_database_that_is_replaced_brings_its_own_results(self, sqlite_store):
        keep(sqlite_store, recipe(seed=1))
        sqlite_store.results(MODEL)
        (environment.home() / "results.sqlite").unlink()
        keep(sqlite_store, recipe(seed=2))
        assert [result.recipe["seed"] for result in sqlite_store.results(MODEL)] == [2]

    def test_a_database_without_the_newest_column_gets_it_and_keeps_its_rows(self, sqlite_store):
        keep(sqlite_store, recipe())
        with sqlite_store.database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE jobs DROP COLUMN preview")
        later = Store()
        job_id, claim = start(later, seed=1)
        later.queue.set_preview(job_id, claim, KNOWN)
        assert later.job(job_id).preview == KNOWN
        assert len(later.results(MODEL)) == 1

    def test_a_database_without_the_newest_table_gets_it(self, sqlite_store):
        keep(sqlite_store, recipe())
        with sqlite_store.database.write() as connection:
            connection.exec_driver_sql("DROP TABLE answers")
        again = Store()
        assert again.result(recipe()) is not None
        assert again.answer_name(TestAnswers.INQUIRY) is None

    def test_a_database_of_another_format(self, sqlite_store):
        sqlite_store.revision()
        with sqlite_store.database.write() as connection:
            connection.execute(tables.COUNTERS.update().values(value=99).where(tables.COUNTERS.c.name == "schema"))
        with pytest.raises(StorageFailed, match="another version"):
            Store().revision()

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("nonsense", "not a database URL"),
            ("nosuch://host/name", "driver .* is missing"),
            ("postgresql+nosuchdriver://host/name", "driver .* is missing"),
        ],
    )
    def test_a_bad_url(self, fresh_home, url, words):
        with pytest.raises(StorageFailed, match=words):
            Store(url).revision()

    def test_passwords_are_not_shown(self, fresh_home):
        store = Store("postgresql+psycopg://me:secret@host/name")
        assert "secret" not in store.database.place
        assert "secret" not in repr(store.place)


class TestArtifacts:
    def test_a_damaged_file_is_noticed_and_replaced(self, fresh_home):
        name = artifacts.write(b"content")
        artifacts.path_of(name).write_bytes(b"c0ntent")
        with pytest.raises(CorruptFile, match="Measure the recipe again"):
            artifacts.read(name)
        assert artifacts.write(b"content") == name
        assert artifacts.read(name) == b"content"

    def test_a_file_that_is_not_there(self, fresh_home):
        assert artifacts.read("0" * 64) is None

    def test_files_lie_in_small_folders_under_their_hash(self, fresh_home):
        name = artifacts.write(b"content")
        assert name == artifacts.sha256(b"content")
        assert (fresh_home / "artifacts" / name[:2] / name[2:]).read_bytes() == b"content"


def test_journal_is_safe_for_this_sqlite(sqlite_store):
    sqlite_store.revision()
    with sqlite_store.database.read() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    assert mode == ("wal" if sqlite3.sqlite_version_info >= (3, 51, 3) else "delete")


def test_postgres_understands_the_schema():
    for table in tables.METADATA.sorted_tables:
        assert (
            str(sql.schema.CreateTable(table).compile(dialect=postgresql.dialect())).strip().startswith("CREATE TABLE")
        )


def test_two_processes_make_the_tables_at_once(fresh_home):
    code = "from compression.store.store import Store; Store().revision()"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0] * 3
