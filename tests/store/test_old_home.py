"""A home that commit 9cc6861 made, and what that commit read in it: all of it must read the same with today's code.

`tests/data/home-of-9cc6861/home.zip` holds the database and the files, `read.json` what that commit's own store,
history and logs said of them, `links.json` addresses its pages wrote (see `tests/pages/test_old_links.py`). Made by a
script that had its workers measure nine recipes and answer twelve inquiries, and left jobs in every state behind; the
files of one large baseline were removed.
"""

import json
import shutil
import time
from dataclasses import asdict

import pytest

from compression import ENGINE_VERSION
from compression.engine.files import stored_file
from compression.inquiries import parse_inquiry
from compression.inquiries.outcomes import OutcomeInquiry
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.results import conditions, machine, predictions
from compression.store import history, logs
from compression.store.job_queue import STALE_AFTER_S
from compression.store.jobs import JobState
from compression.store.store import Store
from compression.work import once, worker
from tests.support.fake_dispatcher import ME
from tests.support.old_home import OLD_HOME, READ

METRIC_OF = {
    "accuracy": "accuracy",
    "accuracy_difference": "difference",
    "stored_bytes": "stored",
    "size_ratio": "size_ratio",
    "latency_ms": "latency",
    "latency_ratio": "ratio",
}
"""What an entry of the history calls its numbers today."""


@pytest.fixture
def store(fresh_home, monkeypatch):
    """The store of a copy of the old home, on the machine that made it, as if the engine were still the same."""
    monkeypatch.setattr(conditions, "ENGINE_VERSION", READ["conditions"][0]["engine_version"])
    shutil.unpack_archive(OLD_HOME / "home.zip", fresh_home)
    monkeypatch.setattr(machine, "machine_id", lambda: READ["machine_id"])
    return Store()


def as_then(now, then):
    """What is asked of `now`: where `then` is a mapping, only its keys, since later versions may know more."""
    if isinstance(then, dict):
        return {key: as_then(now.get(key), value) for key, value in then.items()}
    if isinstance(then, list) and isinstance(now, list | tuple) and len(now) == len(then):
        return [as_then(*pair) for pair in zip(now, then, strict=True)]
    return now


def rounded(data):
    """As JSON has it, up to the last digits, which depend on the order in which factors are multiplied."""
    return json.loads(json.dumps(data), parse_float=lambda text: round(float(text), 12))


def recipes():
    return {name: Recipe.model_validate(result["recipe"]) for name, result in READ["results"].items()}


NO_LONGER_ASKED = {"sensitivity"}
"""Kinds of inquiries that others have taken the place of: their answers and jobs stay where they are, unread."""
ANSWERS = [answer for answer in READ["answers"] if answer["inquiry"]["kind"] not in NO_LONGER_ASKED]
JOBS = [job for job in READ["jobs"] if not job["inquiry"] or job["inquiry"]["kind"] not in NO_LONGER_ASKED]


def inquiries():
    return [parse_inquiry(json.dumps(answer["inquiry"])) for answer in ANSWERS]


def test_models_and_data_are_still_those_of_its_results(monkeypatch):
    for then in READ["conditions"]:
        monkeypatch.setattr(conditions, "ENGINE_VERSION", then["engine_version"])
        assert asdict(conditions.conditions(subject_of(then["model"]), READ["machine_id"])) == then


def test_every_result_reads_as_it_did(store):
    found = {result.recipe_id: result for then in READ["conditions"] for result in store.results(then["model"])}
    assert set(found) == set(READ["results"])
    for name, recipe in recipes().items():
        assert recipe.recipe_id == name
        assert store.result(recipe) == found[name]
        then = READ["results"][name]
        assert as_then(found[name].model_dump(mode="json"), then) == then


def test_every_answer_reads_as_it_did(store):
    for then, inquiry in zip(ANSWERS, inquiries(), strict=True):
        assert store.answer_name(inquiry) == then["file"]
        content = json.loads(store.answer(inquiry))
        answer = inquiry.ANSWER.model_validate(content)
        assert as_then(json.loads(answer.model_dump_json()), content) == content


def test_predicted_classes_read_as_they_did(store):
    asked = [inquiry for inquiry in inquiries() if isinstance(inquiry, OutcomeInquiry)]
    assert asked
    for inquiry in asked:
        outcomes = inquiry.ANSWER.model_validate_json(store.answer(inquiry))
        measured = store.artifact(store.result(inquiry.recipe).artifacts["predictions"])
        found = predictions.answers(outcomes.probabilities, outcomes.labels, measured)
        assert "".join(map(str, found.predictions)) == READ["predictions"][inquiry.recipe.recipe_id]


def test_history_lists_and_finds_them_with_their_notes(store):
    every, notes, here = history.entries(store), history.notes(store), history.present(store)
    now = [
        asdict(entry)
        | {"title": entry.title, "recipe": entry.recipe.to_json()}
        | {name: entry.numbers[metric] for name, metric in METRIC_OF.items()}
        for entry in every
    ]
    then = [
        entry | ({"latency_ratio": 1.0} if '"steps":[]' in entry["recipe"] else {})  # a model takes its own time
        for entry in READ["entries"]
    ]
    assert as_then(rounded(now), rounded(then)) == rounded(then)
    assert {entry.key: history.origin(entry, here) for entry in every} == READ["origins"]
    assert json.loads(json.dumps({key: asdict(note) for key, note in notes.items()})) == READ["notes"]
    for then in READ["searches"]:
        asked = {key: tuple(value) if isinstance(value, list) else value for key, value in then.items()}
        found = asked.pop("found")
        assert tuple(entry.key for entry in history.find(every, notes, history.Search(**asked), here)) == found


def test_every_job_and_log_reads_as_it_did(store):
    def told(job):
        times = {name: getattr(job, name) for name in ("created_at", "started_at", "finished_at")}
        plain = ("job_id", "group", "background", "progress", "message", "error", "attempts", "is_cancel_requested")
        return {
            **{name: getattr(job, name) for name in plain},
            **{name: moment and moment.isoformat() for name, moment in times.items()},
            "recipe": job.recipe.to_json(),
            "recipe_id": job.recipe.recipe_id,
            "state": job.state.value,
            "preview": job.preview and job.preview.model_dump(mode="json"),
            "inquiry": job.inquiry and json.loads(job.inquiry.to_json()),
            "log": [[line.at, line.kind, line.text] for line in logs.log_of(store.database, job.job_id)],
        }

    then = [job | {"preview": None} for job in JOBS]  # those of earlier versions said less, and are told anew
    assert as_then([told(job) for job in store.jobs()], then) == then
    assert {job["state"] for job in READ["jobs"]} == {state.value for state in JobState}


def test_results_are_served_and_their_files_decode(store):
    """Nothing is measured anew: there is nothing to measure with. Only where files were removed it would be."""
    for recipe in recipes().values():
        result = store.result(recipe)
        if store.artifact(result.artifacts["stored"]) is None:
            continue
        served, files = once.measure(recipe, store, run="nowhere:run")
        assert served == result
        assert stored_file.decode(files["stored"]).SerializeToString(deterministic=True) == files["onnx"]


def test_a_job_of_a_process_that_is_gone_is_adopted_and_run(store, monkeypatch):
    monkeypatch.setattr(conditions, "ENGINE_VERSION", ENGINE_VERSION)
    ((gone, beat),) = store.queue.dispatchers()
    assert beat < time.time() - STALE_AFTER_S
    store.queue.sign_off([gone.dispatcher_id])
    unfinished = [job["job_id"] for job in READ["jobs"] if job["state"] in ("waiting", "running")]
    assert store.queue.take_over(ME) == len(unfinished)
    job = store.queue.next_jobs(ME.dispatcher_id, background=False, limit=1)[0]
    assert job.job_id in unfinished
    worker.execute(worker.Order(job.job_id, "claim", ME.dispatcher_id, store.place))
    assert store.job(job.job_id).state is JobState.COMPLETE
    assert store.result(job.recipe)
    assert len(store.results(job.recipe.model)) == 2  # and the baseline, by this engine
