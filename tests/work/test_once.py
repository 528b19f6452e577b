"""Each recipe is measured once, each inquiry made once, whoever asks at the same time."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from compression import environment
from compression.engine import laboratory
from compression.errors import Cancelled, OutOfMemory, StorageFailed
from compression.inquiries.outcomes import OutcomeInquiry, Outcomes
from compression.models.subject import subject_of
from compression.recipe.recipe import make_recipe
from compression.results import conditions
from compression.store import artifacts
from compression.watch import Watch
from compression.work import once
from compression.work.once import measure
from tests.support import fake_run
from tests.support.fake_run import MODEL, RUN, SLOW, output, recipe, runs_of
from tests.support.made_up_results import files_of, keep


def test_the_baseline_is_measured_once(store):
    measure(recipe(seed=1), store, run=RUN)
    measure(recipe(seed=2), store, run=RUN)
    assert runs_of(recipe().baseline()) == 1


def test_a_measured_recipe_is_not_run_again(store):
    kept = keep(store, recipe())
    result, files = measure(recipe(), store, run=RUN)
    assert (result, files) == (kept, files_of(recipe()))
    assert runs_of(recipe()) == 0


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("compression.results.conditions.ENGINE_VERSION", "changed techniques"),
        ("compression.models.subject.Subject.version", property(lambda subject: "trained again")),
        ("compression.models.data.SampleData.version", property(lambda facts: "other images")),
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


def test_the_same_recipe_at_the_same_time_is_run_once(store, fresh_home):
    (fresh_home / "go").touch()
    threads = [threading.Thread(target=measure, args=(recipe(SLOW), store), kwargs={"run": RUN}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runs_of(recipe(SLOW)) == 1
    assert runs_of(recipe().baseline()) == 1


def test_waiting_for_another_process_can_be_cancelled_and_ends_with_it(store):
    def cancelled():
        raise Cancelled("enough")

    messages = []
    code = (
        "import sys; from compression.watch import SILENT; from compression.work import once\n"
        "with once._alone(sys.argv[1], SILENT): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, conditions.result_key(subject_of(MODEL), recipe())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Cancelled):
            measure(recipe(), store, run=RUN, watch=Watch(lambda fraction, words: messages.append(words), cancelled))
        other.kill()
    assert messages == ["waiting for the same recipe in another job"]
    measure(recipe(), store, run=RUN)
    assert runs_of(recipe()) == 1


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"rubbish")])
def test_a_lost_or_damaged_file_is_made_again(store, damage):
    result, files = measure(recipe(), store, run=RUN)
    damage(artifacts.path_of(result.artifacts["onnx"]))
    again, files_again = measure(recipe(), store, run=RUN)
    assert (again, files_again) == (result, files)
    assert artifacts.read(result.artifacts["onnx"]) == files["onnx"]
    assert runs_of(recipe()) == 2


def test_the_baseline_is_handed_on_as_it_was_stored(store):
    measure(recipe().baseline(), store, run=RUN)
    seen = []

    def look(subject, recipe, *, baseline=None, watch, preview, timed):
        seen.append(baseline)
        return output(recipe)

    fake_run.run_look = look
    measure(recipe(), store, run="tests.support.fake_run:run_look")
    expected = output(recipe().baseline())
    assert seen[0].result == expected.result
    assert (seen[0].stored, seen[0].onnx) == (expected.stored, expected.onnx)
    np.testing.assert_array_equal(seen[0].predictions, expected.predictions)


def test_progress_includes_the_baseline(store):
    seen = []
    watch = Watch(lambda fraction, words: seen.append((round(fraction, 3), words)))
    measure(recipe(), store, run=RUN, watch=watch)
    assert seen == [(0.15, "uncompressed model: half way"), (0.65, "half way")]


def test_a_home_without_room_for_locks(store):
    home = environment.home()
    (home / "locks").write_text("in the way")
    with pytest.raises(StorageFailed, match="COMPRESSION_HOME"):
        measure(recipe(), store, run=RUN)


class TestInquiries:
    INQUIRY = OutcomeInquiry(recipe=make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 8}]))

    def test_the_recipe_is_measured_first_and_the_answer_kept(self, store):
        said = []
        watch = Watch(lambda fraction, words: said.append((fraction, words)))
        found = once.inquire(self.INQUIRY, store, watch=watch)
        assert found.probabilities.shape == (500, 10)
        assert store.result(self.INQUIRY.recipe) is not None
        assert said[0][1].startswith("measuring first: ")
        assert said[-1][0] == pytest.approx(1)
        assert Outcomes.model_validate_json(store.answer(self.INQUIRY)).labels.tolist() == found.labels.tolist()

    def test_what_was_found_out_is_not_asked_again(self, store, monkeypatch):
        first = once.inquire(self.INQUIRY, store)
        monkeypatch.setattr(laboratory, "answer", lambda inquiry, bench: pytest.fail("asked again"))
        assert once.inquire(self.INQUIRY, store).labels.tolist() == first.labels.tolist()


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: torch.empty(10**15),
        lambda: np.empty(10**15),
        lambda: bytearray(10**15),
        lambda: _raise(RuntimeError("BFCArena: Failed to allocate memory for requested buffer of size 9")),
        lambda: _raise(RuntimeError("std::bad_alloc")),
    ],
)
def test_a_lack_of_memory_is_told_however_it_is_raised(store, allocate, monkeypatch):
    monkeypatch.setattr(fake_run, "run_recipe", lambda *what, **how: allocate())
    with pytest.raises(OutOfMemory, match="take a smaller model"):
        measure(recipe().baseline(), store, run=RUN)


def test_another_error_stays_what_it_is(store, monkeypatch):
    monkeypatch.setattr(fake_run, "run_recipe", lambda *what, **how: _raise(RuntimeError("shapes do not fit")))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        measure(recipe().baseline(), store, run=RUN)


def _raise(error):
    raise error
