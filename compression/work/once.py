"""Each recipe is measured once and each inquiry made once: from the store, or now, by one process at a time."""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from compression import RUN, environment
from compression.errors import CorruptFile, OutOfMemory, StorageFailed
from compression.inquiries import Answer, Inquiry
from compression.inquiries.retiming import Retimed
from compression.models.subject import Subject, subject_of
from compression.recipe.recipe import Recipe
from compression.results import conditions
from compression.results.predictions import classes_from
from compression.results.record import Result, Underway
from compression.store.store import Store
from compression.watch import SILENT, Watch

if TYPE_CHECKING:
    from compression.engine.run import RunOutput

Tell = Callable[[Underway], None]

TURN_S = 0.01
"""How often a job looks whether another one that measures the same recipe is through."""

BASELINE_SHARE = 0.3
"""Share of the progress bar for the baseline, where it has to be measured first."""

MEASURING_SHARE = 0.3
"""Share of an inquiry's progress bar for measuring its recipe; mostly that was done before."""

_log = logging.getLogger(__name__)


def measure(
    recipe: Recipe,
    store: Store,
    *,
    watch: Watch = SILENT,
    preview: Tell = lambda found: None,
    run: str = RUN,
) -> tuple[Result, dict[str, bytes]]:
    """The result of `recipe` with its artifacts (`stored`, `onnx`, `predictions`), from the store or measured now.

    What is measured is stored, and so is the baseline where that had to be measured first. When another
    process on this machine measures the same recipe already, this one waits and takes its result.
    `preview` is told what is known before the measurement is through. Raises what `run_recipe` raises,
    `StorageFailed`, and `Cancelled` when `watch` does.
    """
    found = _stored(store, recipe)
    if found:
        return found
    subject = subject_of(recipe.model)
    with _alone(conditions.result_key(subject, recipe, workspace=store.workspace), watch):
        return _stored(store, recipe) or _measured(subject, recipe, store, watch=watch, preview=preview, run=run)


def _measured(
    subject: Subject, recipe: Recipe, store: Store, *, watch: Watch, preview: Tell, run: str
) -> tuple[Result, dict[str, bytes]]:
    """Measured now, after the baseline where that was not done, and stored."""
    name, _, function = run.partition(":")  # see `compression.RUN`
    module: Any = importlib.import_module(name)
    baseline = None
    if not recipe.is_baseline:
        found = _stored(store, recipe.baseline())
        if found is None:
            first = watch.part(0, BASELINE_SHARE, "uncompressed model: ")
            found = measure(recipe.baseline(), store, watch=first, run=run)
            watch = watch.part(BASELINE_SHARE, 1)
        baseline = _output(found, run)
    timed = functools.partial(store.timings, recipe.model)
    with _told_of_memory():
        output = getattr(module, function)(
            subject, recipe, baseline=baseline, watch=watch, preview=preview, timed=timed
        )
    store.add_result(output.result, output.artifacts())
    return output.result, output.artifacts()


def inquire(inquiry: Inquiry, store: Store, *, watch: Watch = SILENT, run: str = RUN) -> Answer:
    """The answer to `inquiry`, from the store or found out now; its recipe is measured first where that was not done.

    When another process on this machine makes the same inquiry already, this one waits and takes its answer.
    Raises what `measure` raises, and whatever the laboratory cannot do.
    """
    found = _answered(store, inquiry)
    if found:
        return found
    subject = subject_of(inquiry.recipe.model)
    with _alone(inquiry.answer_key(conditions.result_key(subject, inquiry.recipe)), watch):
        return _answered(store, inquiry) or _found_out(subject, inquiry, store, watch, run)


def _answered(store: Store, inquiry: Inquiry) -> Answer | None:
    """What the store holds; a damaged answer is forgotten, so that it is found out again."""
    try:
        content = store.answer(inquiry)
        return None if content is None else inquiry.ANSWER.model_validate_json(content)
    except (CorruptFile, ValueError) as error:
        _log.warning("%s", error)
        store.forget_answer(inquiry)
        return None


def _found_out(subject: Subject, inquiry: Inquiry, store: Store, watch: Watch, run: str) -> Answer:
    """Found out now, on the measured recipe and its baseline, and stored."""
    from compression.engine import laboratory  # like the engine itself: not in the process of pages

    first = watch.part(0, MEASURING_SHARE, "measuring first: ")
    variant, baseline = (
        _output(measure(recipe, store, watch=first, run=run), run)
        for recipe in (inquiry.recipe, inquiry.recipe.baseline())
    )
    with _told_of_memory():
        found = laboratory.answer(inquiry, laboratory.Bench(subject, variant, baseline, watch.part(MEASURING_SHARE, 1)))
    content = found.model_dump_json().encode()
    inquiry.ANSWER.model_validate_json(content)  # what nobody could read is not kept
    store.add_answer(inquiry, variant.result, content)
    if isinstance(found, Retimed):
        store.add_timing(variant.result, found.timing)
    return found


def _output(found: tuple[Result, dict[str, bytes]], run: str) -> RunOutput:
    """A result with its artifacts, as what carries recipes out returns it."""
    result, contents = found
    module: Any = importlib.import_module(run.partition(":")[0])
    images = {"predictions": result.n_test, "validation": result.choosing.n}
    answers = (classes_from(contents[name], count) for name, count in images.items())
    output: RunOutput = module.RunOutput(result, contents["stored"], contents["onnx"], *answers)
    return output


def _stored(store: Store, recipe: Recipe) -> tuple[Result, dict[str, bytes]] | None:
    """What the store holds of `recipe`; None where a file is gone or damaged, so that it is made again."""
    result = store.result(recipe)
    if result is None:
        return None
    try:
        found = {role: store.artifact(name) for role, name in result.artifacts.items()}
    except CorruptFile as error:
        _log.warning("%s", error)
        return None
    contents = {role: content for role, content in found.items() if content is not None}
    return (result, contents) if len(contents) == len(found) else None


_NO_MEMORY = ("can't allocate memory", "not enough memory", "bad_alloc", "bad allocation", "failed to allocate memory")
"""How torch, ONNX Runtime and C++ say it, each with an error of its own; Python and numpy raise MemoryError."""


@contextlib.contextmanager
def _told_of_memory() -> Iterator[None]:
    """Inside, a lack of memory is `OutOfMemory`, however it is raised."""
    try:
        yield
    except Exception as error:
        if isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _NO_MEMORY):
            raise OutOfMemory(
                "The memory did not suffice. Close other programs, or take a smaller model, student or batch."
            ) from error
        raise


@contextlib.contextmanager
def _alone(key: str, watch: Watch) -> Iterator[None]:
    """Inside, no other process on this machine measures the same thing. A dead process holds nothing."""
    path = environment.home() / "locks" / key[:16]

    def go_on_waiting() -> bool:
        watch.report(0, "waiting for the same recipe in another job")
        watch.check()
        return False

    try:
        lock = FileLock(path).acquire(poll_interval=TURN_S, cancel_check=go_on_waiting)
    except OSError as error:
        raise StorageFailed(
            f"Cannot write to {path.parent}: {error.strerror or error}. Free some space, check your rights, "
            "or set COMPRESSION_HOME to another folder."
        ) from error
    with lock:
        yield
