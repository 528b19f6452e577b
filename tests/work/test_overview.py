"""What all jobs are doing, over every database there is."""

import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sql

from compression.inquiries.outcomes import OutcomeInquiry
from compression.recipe.recipe import make_recipe
from compression.search.limits import Limits
from compression.search.wish import Wish
from compression.store import tables
from compression.store.job_queue import Owner
from compression.store.jobs import Job, JobState
from compression.store.store import Store
from compression.work import overview
from tests.support.fake_dispatcher import ME
from tests.support.fake_run import MODEL, recipe


@pytest.fixture
def store(any_store):
    return any_store


def add(store, group="g", background=False, n=1, first=0):
    works = [recipe(seed=first + seed) for seed in range(n)]
    return store.add_jobs(works, group=group, background=background, owner=ME)


def begin(store, job):
    claim = uuid.uuid4().hex
    store.queue.start_job(job.job_id, claim, ME.dispatcher_id)
    return claim


def end(store, job, state=JobState.COMPLETE, error=None):
    store.queue.finish_job(job.job_id, begin(store, job), state, error)


def set_times(store, job, started, finished):
    with store.database.write() as connection:
        which = tables.JOBS.c.job_id == job.job_id
        connection.execute(tables.JOBS.update().where(which).values(started_at=started, finished_at=finished))


def ids(jobs):
    return [job.job_id for job in jobs]


class TestLook:
    def test_nothing(self, store):
        seen = overview.look(store)
        assert seen.is_quiet
        assert (seen.running, seen.groups, seen.failed, seen.over) == ((), (), (), ())
        assert set(seen.counts.values()) == {0}

    def test_each_job_is_in_its_place(self, store):
        waiting, running, failed, done, given_up = add(store, n=5)
        begin(store, running)
        end(store, failed, JobState.FAILED, "why")
        end(store, done)
        store.queue.request_cancel([given_up.job_id])
        seen = overview.look(store)
        assert [row.job.job_id for row in seen.running] == [running.job_id]
        assert ids(seen.groups[0].first) == [waiting.job_id]
        assert (seen.groups[0].waiting, seen.groups[0].running) == (1, 1)
        assert [(job.job_id, job.error) for job in seen.failed] == [(failed.job_id, "why")]
        assert set(ids(seen.over)) == {failed.job_id, done.job_id, given_up.job_id}
        assert seen.counts == dict.fromkeys(JobState, 1)
        assert not seen.is_quiet
        assert seen.revision == store.revision()

    def test_what_ended_last_comes_first(self, store):
        first, second = add(store, n=2)
        end(store, second)
        end(store, first)
        set_times(store, first, 0, 20)
        set_times(store, second, 0, 10)
        assert ids(overview.look(store).over) == [first.job_id, second.job_id]

    def test_people_come_first_and_then_the_group_asked_last(self, store):
        add(store, "sweep-old", background=True)
        add(store, "sweep-new", background=True)
        add(store, "explore-a")
        assert [group.name for group in overview.look(store).groups] == ["explore-a", "sweep-new", "sweep-old"]

    def test_only_a_screenful_is_read_and_the_counts_say_the_rest(self, store):
        add(store, "many", n=overview.MAX_WAITING + 5)
        for number in range(overview.MAX_GROUPS):
            add(store, f"group-{number}")
        seen = overview.look(store)
        assert len(seen.groups) == overview.MAX_GROUPS
        assert seen.groups_total == overview.MAX_GROUPS + 1
        (many,) = [group for group in seen.groups if group.name == "many"]
        assert (len(many.first), many.waiting) == (overview.MAX_WAITING, overview.MAX_WAITING + 5)

    def test_a_failure_that_was_tried_again_is_not_listed(self, store):
        (job,) = add(store)
        end(store, job, JobState.FAILED, "once")
        (again,) = add(store, "another group")
        assert overview.look(store).failed_total == 0
        end(store, again, JobState.FAILED, "twice")
        seen = overview.look(store)
        assert [job.error for job in seen.failed] == ["twice"]
        assert seen.failed_total == 1

    def test_a_failure_that_was_tried_again_and_given_up_is_listed(self, store):
        (job,) = add(store)
        end(store, job, JobState.FAILED, "once")
        (again,) = add(store)
        store.queue.request_cancel([again.job_id])
        assert [job.error for job in overview.look(store).failed] == ["once"]

    def test_a_failed_inquiry_is_not_mended_by_measuring_its_recipe(self, store):
        (job,) = store.add_jobs([OutcomeInquiry(recipe=recipe())], group="inquiry-a", owner=ME)
        end(store, job, JobState.FAILED, "why")
        (measured,) = add(store)
        end(store, measured)
        assert ids(overview.look(store).failed) == [job.job_id]

    def test_jobs_of_another_version_are_counted_and_break_nothing(self, store):
        strange, fine = add(store, n=2)
        with store.database.write() as connection:
            which = tables.JOBS.c.job_id == strange.job_id
            connection.execute(tables.JOBS.update().where(which).values(inquiry='{"kind": "of the future"}'))
        seen = overview.look(store)
        assert ids(seen.groups[0].first) == [fine.job_id]
        assert (seen.unreadable, seen.groups[0].waiting) == (1, 2)


class TestTimeLeft:
    NOW = datetime(2026, 1, 1, tzinfo=UTC)

    def test_what_such_jobs_took_says_how_long_others_take(self, store):
        done, running, *_ = add(store, n=4)
        end(store, done)
        begin(store, running)
        start = self.NOW.timestamp()
        set_times(store, done, start - 100, start - 90)
        set_times(store, running, start - 4, None)
        seen = overview.look(store, self.NOW)
        assert seen.running[0].seconds_left == pytest.approx(6)
        assert seen.groups[0].seconds_left == pytest.approx(6 + 2 * 10)

    def test_progress_says_it_better(self, store):
        (running,) = add(store)
        claim = begin(store, running)
        store.queue.set_progress(running.job_id, claim, 0.25, "a quarter")
        set_times(store, running, self.NOW.timestamp() - 3, None)
        assert overview.look(store, self.NOW).running[0].seconds_left == pytest.approx(9)

    def test_at_first_nobody_knows(self, store):
        running, _ = add(store, n=2)
        begin(store, running)
        seen = overview.look(store)
        assert seen.running[0].seconds_left is None
        assert seen.groups[0].seconds_left is None


class TestForgetting:
    def test_only_what_ended_so_goes(self, store):
        waiting, failed, done = add(store, n=3)
        end(store, failed, JobState.FAILED, "why")
        end(store, done)
        before = store.revision()
        assert store.queue.forget([JobState.FAILED]) == 1
        assert ids(store.jobs()) == [waiting.job_id, done.job_id]
        assert store.revision() > before

    def test_unfinished_jobs_are_never_forgotten(self, store):
        with pytest.raises(AssertionError):
            store.queue.forget([JobState.WAITING])


class TestCancelling:
    def test_all_of_everybody(self, store):
        mine, yours, running = *add(store, "a"), *add(store, "b"), *add(store, "c")
        claim = begin(store, running)
        store.queue.request_cancel()
        assert [store.job(job.job_id).state for job in (mine, yours)] == [JobState.CANCELLED] * 2
        assert not store.queue.is_wanted(running.job_id, claim)

    def test_a_group_of_thousands(self, store):
        with store.database.write() as connection:
            add_row(connection)
        store.queue.request_cancel(group="huge")
        assert overview.look(store).counts[JobState.CANCELLED] == 40_000


def add_row(connection, n=40_000, group="huge"):
    row = {
        "recipe": recipe().to_json(),
        "recipe_id": recipe().recipe_id,
        "job_group": group,
        "background": True,
        "state": "waiting",
        "progress": 0.0,
        "message": "",
        "attempts": 0,
        "created_at": time.time(),
    }
    connection.execute(tables.JOBS.insert(), [row | {"job_id": f"{group}{number:020d}"} for number in range(n)])


def test_of_ten_thousand_failed_jobs_the_latest_are_listed(any_store):
    with any_store.database.write() as connection:
        add_row(connection, 10_000, "over")
        table = tables.JOBS
        values = {"state": "failed", "error": "why", "started_at": 1.0, "finished_at": 2.0}
        connection.execute(table.update().values(values | {"recipe_id": sql.cast(table.c.sequence, sql.String)}))
    seen = overview.look(any_store)
    assert (seen.failed_total, len(seen.failed), len(seen.over)) == (10_000, overview.MAX_FAILED, overview.MAX_OVER)


class TestWords:
    @pytest.mark.parametrize(
        ("group", "words"),
        [
            ("explore-me", "Explore: the setting shown (this browser window)"),
            ("sweep-you", "Explore: the curves (another browser window)"),
            ("timing-me", "Explore: timed again, to be surer of the time (this browser window)"),
            ("inquiry-you", "A page that looks into a result (another browser window)"),
            ("study-me", "A page that looks into a result (this browser window)"),
            ("something else", "Somebody else"),
            ("learn-me", "Learn: the course (this browser window)"),
        ],
    )
    def test_who_asked(self, group, words):
        assert overview.asker(group, "me") == words

    def test_a_search_is_called_by_its_wish(self, fresh_home):
        searches = Store().searches
        wish = Wish(Limits(drop_points=0.5), "smallest", 5)
        group = searches.begin(MODEL, wish.to_json(), wish.minutes).group
        assert (
            overview.asker(group, "me", searches) == "Search: the smallest file (at most 0.5 points lost), in 5 minutes"
        )
        assert overview.asker("search-none", "me", searches) == "A search that is gone"
        assert overview.asker("explore-me", "me", searches) == "Explore: the setting shown (this browser window)"

    def test_what_for(self):
        wanted = make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 4}])
        now = datetime.now(UTC)
        job = Job("id", wanted, "g", False, JobState.WAITING, now)
        assert overview.purpose(job) == "Measure: 4-bit weights"
        asked = replace(job, inquiry=OutcomeInquiry(recipe=wanted))
        assert overview.purpose(asked) == "Asking the network about every test image: 4-bit weights"

    def test_how_long(self):
        start = datetime(2026, 1, 1, tzinfo=UTC)

        def job(started, finished):
            return Job("id", recipe(), "g", False, JobState.RUNNING, start, started, finished)

        later = start + timedelta(seconds=5)
        assert overview.seconds_taken(job(None, None)) is None
        assert overview.seconds_taken(job(start, None), later) == 5
        assert overview.seconds_taken(job(start, later), later + timedelta(hours=1)) == 5


class TestTimeLeftOfJobs:
    """From the progress of jobs, and from how long such jobs take."""

    START = datetime(2026, 1, 1, tzinfo=UTC)

    def left(self, running, waiting, typical):
        return overview.time_left(running, waiting, typical, self.START + timedelta(seconds=20))

    def running(self, started, progress=0.0):
        begun = self.START + timedelta(seconds=started)
        return Job("id", recipe(), "g", False, JobState.RUNNING, self.START, begun, progress=progress)

    def test_nothing_takes_no_time(self):
        assert self.left([], 0, None) == 0

    def test_unknown_until_something_is_known(self):
        assert self.left([self.running(18)], 1, None) is None
        assert self.left([self.running(18)], 0, None) is None

    def test_from_how_long_such_jobs_take(self):
        assert self.left([self.running(15)], 3, 15) == pytest.approx(10 + 3 * 15)

    def test_workers_share_the_work(self):
        assert self.left([self.running(20)] * 2, 4, 10) == pytest.approx(30)

    def test_from_the_progress_of_running_jobs(self):
        assert self.left([self.running(10, 0.25)], 0, None) == pytest.approx(30)
        assert self.left([self.running(10, 0.25)], 1, 40) == pytest.approx(70)


def test_who_uses_the_store(any_store):
    any_store.queue.heartbeat(Owner("a", "host-a", 7, 0.0))
    assert overview.servers(any_store) == ["host-a, process 7"]
    assert overview.servers(any_store, fresh_s=-1) == []
