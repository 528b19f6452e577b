"""How long jobs will still take, from their progress and from how long such jobs take."""

from datetime import UTC, datetime, timedelta

import pytest

from compression.store.jobs import Job, JobState
from compression.work.overview import time_left
from tests.support import fake_run

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(seconds=20)


def running(started, progress=0.0):
    begun = START + timedelta(seconds=started)
    return Job("id", fake_run.recipe(), "g", False, JobState.RUNNING, START, begun, progress=progress)


def test_nothing_takes_no_time():
    assert time_left([], 0, None, NOW) == 0


def test_unknown_until_something_is_known():
    assert time_left([running(18)], 1, None, NOW) is None
    assert time_left([running(18)], 0, None, NOW) is None


def test_from_how_long_such_jobs_take():
    assert time_left([running(15)], 3, 15, NOW) == pytest.approx(10 + 3 * 15)


def test_workers_share_the_work():
    assert time_left([running(20)] * 2, 4, 10, NOW) == pytest.approx(30)


def test_from_the_progress_of_running_jobs():
    assert time_left([running(10, 0.25)], 0, None, NOW) == pytest.approx(30)
    assert time_left([running(10, 0.25)], 1, 40, NOW) == pytest.approx(70)
