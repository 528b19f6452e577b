"""What a job did when, as its worker collects it and the store keeps it."""

import json
import logging
import threading

import sqlalchemy as sql

from compression.store import logs, tables
from compression.store.jobs import JobState
from compression.store.logs import Journal, Line
from compression.work.worker import LOG_S, JobWatch, Order, execute
from tests.support.fake_dispatcher import ME
from tests.support.fake_run import BROKEN, FAILING, QUICK, RUN, recipe


def texts(lines):
    return [line.text for line in lines]


def run(store, order):
    (job,) = store.add_jobs([recipe(order)], group="g", owner=ME)
    execute(Order(job.job_id, "claim", ME.dispatcher_id, store.place, RUN))
    return store.job(job.job_id), logs.log_of(store.database, job.job_id)


def name(number):
    """A different one for each number, without digits."""
    return "step " + "".join(chr(ord("a") + int(digit)) for digit in str(number))


class TestJournal:
    def test_it_keeps_each_thing_once(self):
        journal = Journal()
        for text in ("pruning", "pruning", "timing", "pruning"):
            journal.say(text)
        assert texts(journal.lines) == ["pruning", "timing", "pruning"]
        assert journal.lines[0].at <= journal.lines[-1].at

    def test_of_lines_that_only_count_it_keeps_the_first_and_the_last(self):
        journal = Journal()
        for text in ("pruning", *(f"step {n} of 1,000" for n in range(1, 1001)), "timing: 0.5 s", "done"):
            journal.say(text)
        assert texts(journal.lines) == ["pruning", "step 1 of 1,000", "step 1000 of 1,000", "timing: 0.5 s", "done"]
        journal.say("step 1")
        journal.say("step 2")
        assert texts(journal.lines)[-2:] == ["step 1", "step 2"]

    def test_errors_that_differ_in_numbers_are_all_kept(self):
        journal = Journal()
        for line in (10, 20, 30):
            journal.say(f"it broke in line {line}", "error")
        assert len(journal.lines) == 3

    def test_of_many_lines_it_keeps_the_first_and_the_last_and_says_so(self):
        journal = Journal()
        for n in range(1000):
            journal.say(name(n))
        kept = texts(journal.lines)
        left_out = 1000 - logs.FIRST_LINES - logs.LAST_LINES
        assert kept[logs.FIRST_LINES - 1 : logs.FIRST_LINES + 2] == [
            name(logs.FIRST_LINES - 1),
            f"… {left_out} lines left out …",
            name(1000 - logs.LAST_LINES),
        ]
        assert kept[-1] == name(999)

    def test_it_never_gets_large(self):
        journal = Journal()
        for n in range(400):
            journal.say(f"{n} " + "x" * 50_000, "error")
        assert len(journal.to_json()) <= logs.MAX_CHARACTERS + logs.FIRST_LINES * (logs.MAX_TEXT["error"] + 100)
        assert journal.lines[-1].text.startswith("399 ")
        assert len(journal.lines[-1].text) < logs.MAX_TEXT["error"] + 10

    def test_it_goes_on_where_an_earlier_attempt_ended(self):
        journal = Journal([Line(1.0, "step", "before")])
        journal.say("after")
        assert texts(journal.lines) == ["before", "after"]

    def test_it_hears_warnings_of_its_own_thread_only_and_only_meanwhile(self):
        journal, log = Journal(), logging.getLogger("compression.anything")
        other = threading.Thread(target=log.warning, args=("from another job",))
        log.warning("too early")
        with logs.listening(journal):
            log.warning("a file is %s", "damaged")
            log.info("no matter")
            other.start()
            other.join()
        log.warning("too late")
        assert [(line.kind, line.text) for line in journal.lines] == [("warning", "a file is damaged")]


class TestLogsOfJobs:
    def test_a_job_says_what_it_did(self, store):
        job, lines = run(store, QUICK)
        assert job.state is JobState.COMPLETE
        assert texts(lines)[1:] == ["uncompressed model: half way", "half way", "complete"]
        assert texts(lines)[0].startswith("begun in process ")
        assert job.started_at.timestamp() - 0.01 <= lines[0].at <= lines[-1].at <= job.finished_at.timestamp() + 0.01

    def test_a_failure_says_why(self, store):
        job, lines = run(store, FAILING)
        assert (lines[-1].kind, lines[-1].text) == ("error", f"failed: {job.error}")

    def test_an_unforeseen_failure_has_its_traceback(self, store):
        job, lines = run(store, BROKEN)
        (trace,) = [line.text for line in lines if "Traceback" in line.text]
        assert "_stumble" in trace
        assert "ZeroDivisionError: nobody thought of this" in trace
        assert "the job's log" in job.error

    def test_a_worker_that_dies_leaves_what_it_said_so_far(self, store, monkeypatch):
        (job,) = store.add_jobs([recipe()], group="g", owner=ME)
        store.queue.start_job(job.job_id, "first", ME.dispatcher_id)
        JobWatch(store, job.job_id, "first").report(0.3, "pruning")
        assert texts(logs.log_of(store.database, job.job_id)) == ["pruning"]
        store.queue.requeue(ME, [job.job_id])
        execute(Order(job.job_id, "second", ME.dispatcher_id, store.place, RUN))
        found = texts(logs.log_of(store.database, job.job_id))
        assert found[0] == "pruning"
        assert found[1].startswith("begun again, since the process before was stopped or died")
        assert found[-1] == "complete"

    def test_a_log_costs_no_write_of_its_own(self, store):
        (job,) = store.add_jobs([recipe()], group="g", owner=ME)
        store.queue.start_job(job.job_id, "claim", ME.dispatcher_id)
        watch, before = JobWatch(store, job.job_id, "claim"), store.revision()
        for n in range(500):
            watch.report(0.5, f"step {n}")
        assert store.revision() - before <= 1 + LOG_S / 0.2
        assert store.job(job.job_id).message.startswith("step ")

    def test_who_lost_the_claim_writes_no_log(self, store):
        (job,) = store.add_jobs([recipe()], group="g", owner=ME)
        store.queue.start_job(job.job_id, "claim", ME.dispatcher_id)
        store.queue.set_progress(job.job_id, "another", 0.5, "no", "[]")
        store.queue.finish_job(job.job_id, "another", JobState.COMPLETE, None, "[]")
        with store.database.read() as connection:
            assert connection.scalar(sql.select(sql.func.count()).select_from(tables.LOGS)) == 0

    def test_a_log_goes_with_its_job(self, store):
        job, lines = run(store, QUICK)
        assert lines
        with store.database.write() as connection:
            connection.execute(tables.JOBS.delete())
        assert logs.log_of(store.database, job.job_id) == []

    def test_it_is_plain_data(self, store):
        _, lines = run(store, QUICK)
        with store.database.read() as connection:
            text = connection.scalar(sql.select(tables.LOGS.c.lines))
        assert [tuple(parts) for parts in json.loads(text)] == [(line.at, line.kind, line.text) for line in lines]
