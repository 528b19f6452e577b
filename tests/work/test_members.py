"""Workers as plain rows."""

import os
import platform

from compression.work import members
from compression.work.members import facts, job_of, member, task_name

ENTRY = {
    "name": "1",
    "host": "10.0.0.7",
    "nthreads": 1,
    "memory_limit": 2_000,
    "resources": {"background": 1.0},
    "metrics": {"memory": 500, "cpu": 42.0, members.FACTS: {"pid": 7, "host": "node-7", "niceness": 10}},
}


def test_what_a_worker_tells_of_itself():
    assert facts() == {
        "pid": os.getpid(),
        "host": platform.node(),
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
    }


def test_what_the_scheduler_knows_becomes_a_row():
    found = member("tcp://10.0.0.7:1", ENTRY, [task_name("abc", "claim"), "other-task"], takes_background=True)
    assert (found.name, found.host, found.pid, found.niceness) == ("1", "node-7", 7, 10)
    assert (found.memory_bytes, found.memory_limit_bytes, found.cpu_percent) == (500, 2000, 42.0)
    assert found.job_ids == ("abc",)


def test_a_worker_that_has_not_told_anything_yet():
    found = member("tcp://10.0.0.7:1", {"name": "1", "host": "10.0.0.7", "metrics": {}}, [], takes_background=False)
    assert (found.host, found.memory_bytes) == ("10.0.0.7", 0)
    assert found.pid is found.cpu_percent is found.niceness is None


def test_names_of_tasks_say_the_job():
    assert job_of(task_name("abc", "def")) == "abc"
    assert job_of("other-abc-def") == ""
    assert job_of("job") == ""
