"""A stand-in for `compression.engine.run` that workers of the tests load, and recipes that tell it what to do.

A recipe's number of fine-tuning epochs is its order: see `BEHAVIOUR`. No network is touched.
"""

import hashlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compression.errors import Diverged
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.recipe.steps import FineTuning
from compression.results import conditions, machine
from compression.results.record import Measures, Preview, Result
from compression.watch import SILENT

MODEL = "mlp-digits"
RUN = "tests.support.jobs_support:run_recipe"
QUICK, SLOW, FAILING, BROKEN, KILLER, STUBBORN, KILLER_ONCE, HUNGRY = range(8)


@dataclass(frozen=True)
class RunOutput:
    result: Result
    stored: bytes
    onnx: bytes
    predictions: np.ndarray

    def artifacts(self):
        return contents(self)


def recipe(order: int = QUICK, seed: int = 0) -> Recipe:
    return Recipe(model=MODEL, steps=(FineTuning(epochs=order),), seed=seed)


def run_recipe(subject, recipe, *, baseline=None, watch=SILENT, preview=lambda found: None):
    order = int(recipe.steps[0].epochs) if recipe.steps else QUICK
    _count(recipe)
    watch.report(0.5, "half way")
    BEHAVIOUR[order](watch)
    assert recipe.is_baseline or baseline.result.recipe_id == recipe.baseline().recipe_id
    done = output(recipe)
    preview(Preview(**done.result.model_dump(include=set(Preview.model_fields))))
    return done


def runs_of(recipe) -> int:
    """How often a recipe was run in this home: each run leaves one byte."""
    path = _log_of(recipe)
    return path.stat().st_size if path.exists() else 0


def _log_of(recipe) -> Path:
    return Path(os.environ["COMPRESSION_HOME"]) / f"ran-{recipe.recipe_id}"


def _count(recipe) -> None:
    with open(_log_of(recipe), "ab") as file:
        file.write(b".")


def _work_on(watch) -> None:
    while not (Path(os.environ["COMPRESSION_HOME"]) / "go").exists():
        watch.report(0.6, "working")
        watch.check()
        time.sleep(0.02)


def _diverge(watch) -> None:
    raise Diverged("The loss is not finite. Try a smaller learning rate.")


def _stumble(watch) -> None:
    raise ZeroDivisionError("nobody thought of this")


def _die(watch) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _ignore_everything(watch) -> None:
    time.sleep(600)


def _die_once(watch) -> None:
    mark = Path(os.environ["COMPRESSION_HOME"]) / "died-once"
    if not mark.exists():
        mark.touch()
        _die(watch)


def _run_out_of_memory(watch) -> None:
    raise MemoryError


BEHAVIOUR = {
    QUICK: lambda watch: None,
    SLOW: _work_on,
    FAILING: _diverge,
    BROKEN: _stumble,
    KILLER: _die,
    STUBBORN: _ignore_everything,
    KILLER_ONCE: _die_once,
    HUNGRY: _run_out_of_memory,
}


def output(recipe: Recipe, **changes) -> RunOutput:
    """A result with invented numbers and small artifacts."""
    contents = {role: f"{role} of {recipe.recipe_id}".encode() for role in ("stored", "onnx", "predictions")}
    measures = Measures(
        accuracy=0.9, accuracy_low=0.85, accuracy_high=0.95, n_test=500, theoretical_bytes=50, stored_bytes=60,
        onnx_bytes=100, zipped_bytes=80, latency_p50_ms=1.0, latency_p95_ms=1.5, latency_ratio=1.0,
        latency_ratio_low=0.9, latency_ratio_high=1.1, params=10, nonzero_params=10, macs=10,
    )  # fmt: skip
    now = conditions.conditions(subject_of(recipe.model))
    values = dict(
        **measures.model_dump(), baseline=measures, recipe_id=recipe.recipe_id, recipe=recipe.model_dump(mode="json"),
        accuracy_difference=0.0, accuracy_difference_low=-0.01, accuracy_difference_high=0.01, p_value=1.0,
        changed_predictions=0, seconds=1.0, machine=machine.describe_machine(), machine_id=now.machine_id,
        engine_version=now.engine_version, data_version=now.data_version, model_version=now.model_version,
        created_at="2026-01-01T00:00:00+00:00",
        artifacts={role: hashlib.sha256(content).hexdigest() for role, content in contents.items()},
    )  # fmt: skip
    result = Result(**(values | changes))
    predictions = np.frombuffer(contents["predictions"], dtype=np.uint8)
    return RunOutput(result, contents["stored"], contents["onnx"], predictions)


def contents(done: RunOutput) -> dict[str, bytes]:
    return {"stored": done.stored, "onnx": done.onnx, "predictions": done.predictions.tobytes()}
