"""A stand-in for `compression.engine.run` that workers of the tests load, and recipes that tell it what to do.

A recipe's number of fine-tuning epochs is its order: see `BEHAVIOUR`. No network is touched.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compression.errors import Diverged
from compression.recipe.recipe import Recipe
from compression.recipe.steps import FineTuning
from compression.results.record import Result
from compression.watch import SILENT
from tests.support import made_up_results
from tests.support.made_up_results import fabricate, files_of

MODEL = "mlp-digits"
RUN = "tests.support.fake_run:run_recipe"
QUICK, SLOW, FAILING, BROKEN, KILLER, STUBBORN, KILLER_ONCE, HUNGRY = range(8)


@dataclass(frozen=True)
class RunOutput:
    result: Result
    stored: bytes
    onnx: bytes
    predictions: np.ndarray
    validation: np.ndarray

    def artifacts(self):
        answers = {"predictions": self.predictions.tobytes(), "validation": self.validation.tobytes()}
        return {"stored": self.stored, "onnx": self.onnx, **answers}


def recipe(order: int = QUICK, seed: int = 0) -> Recipe:
    return Recipe(model=MODEL, steps=(FineTuning(epochs=order),), seed=seed)


def run_recipe(subject, recipe, *, baseline=None, watch=SILENT, preview=lambda found: None, timed=lambda graph: ()):
    order = int(getattr(recipe.steps[0], "epochs", QUICK)) if recipe.steps else QUICK
    _count(recipe)
    watch.report(0.5, "half way")
    BEHAVIOUR[order](watch)
    assert recipe.is_baseline or baseline.result.recipe_id == recipe.baseline().recipe_id
    preview(made_up_results.preview(recipe))
    return output(recipe)


def output(recipe: Recipe) -> RunOutput:
    """A made-up result with its files."""
    stored, onnx, *answers = files_of(recipe).values()
    return RunOutput(fabricate(recipe), stored, onnx, *(np.frombuffer(answer, np.uint8) for answer in answers))


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
