"""The story of the project: a recipe in, honestly measured numbers out.

Load the model, apply the steps, write the stored file, decode it, and evaluate and time what was decoded.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression import ENGINE_VERSION
from compression.engine.build import build_variant
from compression.engine.files import export, stored_file
from compression.engine.files.ledger import runtime_ledger
from compression.engine.measure import evaluation, memory
from compression.engine.measure.latency import NARROW, graph_key, measure_latency
from compression.engine.measure.process_peak import process_peak, start_helper
from compression.engine.measure.sparse import measure_sparse
from compression.engine.network.form import Costs, count_costs
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.training.allocator import reused_memory
from compression.engine.training.pace import keep_speed
from compression.models.subject import Subject
from compression.recipe.recipe import Recipe
from compression.recipe.steps import Coding, EntropyCoding
from compression.results import machine, significance
from compression.results.predictions import Classes
from compression.results.record import Choosing, Measures, Result, Underway, WorstClass, latencies
from compression.results.timing import Timing
from compression.watch import SILENT, Watch

TELL_S = 1.0
"""How often it is told how accurate a network is as far as it is evaluated."""


@dataclass(frozen=True)
class RunOutput:
    """A result and its artifacts: stored file, runtime file, predicted class of each test and validation image."""

    result: Result
    stored: bytes
    onnx: bytes
    predictions: Classes
    validation: Classes

    def artifacts(self) -> dict[str, bytes]:
        """The files to keep, by the names used in `Result.artifacts`."""
        return _artifacts(self.stored, self.onnx, self.predictions, self.validation)


def _artifacts(stored: bytes, onnx: bytes, predictions: Classes, validation: Classes) -> dict[str, bytes]:
    answers = {"predictions": predictions.tobytes(), "validation": validation.tobytes()}
    return {"stored": stored, "onnx": onnx, **answers}


def run_recipe(
    subject: Subject,
    recipe: Recipe,
    *,
    baseline: RunOutput | None = None,
    watch: Watch = SILENT,
    preview: Callable[[Underway], None] = lambda found: None,
    timed: Callable[[str], tuple[Timing, ...]] = lambda graph: (),
) -> RunOutput:
    """Carry out a recipe of this model and measure the file it leads to.

    `baseline` is the output of `recipe.baseline()`; without it the baseline is run first. `preview` is told
    sizes and accuracy as images are evaluated, every `TELL_S` seconds, and once they all are, before the latency is
    measured. `timed` tells the measurements there
    are of networks with the same graph (see `Measures.graph`): then this one is not timed anew. Where `watch` ends a
    training early, the result is that of the recipe with as many passes as there were. Raises `CompressionError`
    children for whatever a person can do something about, `Cancelled` when `watch` says so.
    """
    started = time.monotonic()
    start_helper()
    if baseline is None and not recipe.is_baseline:
        baseline = run_recipe(subject, recipe.baseline(), watch=watch.part(0, 0.2))
        watch = watch.part(0.2, 1)
    dataset = subject.data.load(watch.part(0, 0.1))
    with reused_memory():  # the steps run whole sets of images through layers
        built = build_variant(subject, recipe, dataset, watch.part(0.1, 0.7))
    model, recipe = built.model, recipe.model_copy(update={"steps": built.steps})

    watch.report(0.7, "writing the stored file")
    folded = fold_batch_norm(model)
    stored = stored_file.encode(export.to_onnx(folded, watch=watch), _coding(recipe), watch=watch)
    decoded, ledger = stored_file.decode_with_ledger(stored, watch=watch)
    onnx = decoded.SerializeToString(deterministic=True)
    sizes = _sizes(count_costs(folded), ledger, onnx)
    told = time.monotonic()

    def tell(classes: Classes) -> None:
        nonlocal told
        if len(classes) == len(dataset.test) or time.monotonic() - told >= TELL_S:
            told = time.monotonic()
            preview(_underway(classes, baseline.predictions if baseline else classes, dataset.test.y, sizes))

    predictions = evaluation.predict(onnx, dataset.test, watch=watch.part(0.75, 0.82), so_far=tell)
    validation = evaluation.predict(onnx, dataset.validation, watch=watch.part(0.82, 0.85))
    reference, graph = baseline.onnx if baseline else onnx, graph_key(onnx)
    timings = timed(graph)
    if baseline and baseline.result.graph == graph:
        timings = baseline.result.timings
    if not timings:
        narrow = NARROW if baseline else math.inf  # there is nothing to tell the baseline from
        watched = watch.part(0.85, 0.97)
        timings = (measure_latency(onnx, reference, dataset.input_shape, narrow=narrow, watch=watched),)
    watch.report(0.97, "measuring memory and sparse products")
    if recipe.is_baseline:  # the first thing that is measured of a model; budgets need it from then on
        keep_speed(subject, model, dataset)
    sparse = measure_sparse(model, watch=watch.part(0.97, 1))

    measures = Measures(
        **_accuracy(predictions, dataset.test.y),
        **sizes,
        **latencies(timings, baseline.result if baseline else None, graph),
        graph=graph,
        process_peak_bytes=process_peak(onnx),
        ledger=ledger,
        runtime_ledger=runtime_ledger(onnx),
        **dataclasses.asdict(memory.runtime_costs(onnx)),
    )
    artifacts = _artifacts(stored, onnx, predictions, validation)
    result = Result(
        **measures.model_dump(),
        **_comparison(measures, predictions, dataset.test.y, baseline),
        **_provenance(subject, recipe),
        seconds=time.monotonic() - started,
        artifacts={name: hashlib.sha256(content).hexdigest() for name, content in artifacts.items()},
        sparse=sparse,
        trainings=built.trainings,
        timings=timings,
        validation=_choosing(validation, baseline.validation if baseline else validation, dataset.validation.y),
    )
    return RunOutput(result, stored, onnx, predictions, validation)


def _coding(recipe: Recipe) -> Coding:
    """How the recipe has the stored file written."""
    last = recipe.steps[-1] if recipe.steps else None
    return last.coding if isinstance(last, EntropyCoding) else "context"


def _sizes(costs: Costs, ledger: dict[str, int], onnx: bytes) -> dict[str, Any]:
    return {
        "stored_bytes": sum(ledger.values()),
        "onnx_bytes": len(onnx),
        "zipped_bytes": stored_file.zipped_size(onnx),
        **dataclasses.asdict(costs),
    }


def _accuracy(classes: Classes, labels: NDArray[np.int64]) -> dict[str, Any]:
    right = classes == labels
    correct, n_test = int(right.sum()), len(right)
    low, high = significance.wilson_interval(correct, n_test)
    return {
        "accuracy": correct / n_test,
        "accuracy_low": low,
        "accuracy_high": high,
        "n_test": n_test,
        "worst_class": _worst_class(right, labels),
    }


def _worst_class(right: NDArray[np.bool_], labels: NDArray[np.int64]) -> WorstClass:
    index, correct, n = significance.worst_class(right, labels)
    return WorstClass(index=index, correct=correct, n=n)


def _underway(classes: Classes, before: Classes, labels: NDArray[np.int64], sizes: dict[str, Any]) -> Underway:
    """What is known once the first images have these classes, of which the original said `before`."""
    done = len(classes)
    paired = significance.paired_difference(classes == labels[:done], before[:done] == labels[:done])
    return Underway(**_accuracy(classes, labels[:done]), **sizes, **_difference(paired), n_planned=len(labels))


def _difference(paired: significance.PairedDifference) -> dict[str, Any]:
    return {
        "accuracy_difference": paired.difference,
        "accuracy_difference_low": paired.low,
        "accuracy_difference_high": paired.high,
    }


def _comparison(
    measures: Measures,
    predictions: Classes,
    labels: NDArray[np.int64],
    baseline: RunOutput | None,
) -> dict[str, Any]:
    """Against the baseline on the same images; the baseline (None) is compared with itself."""
    before, predictions_before = measures, predictions
    if baseline is not None:
        before = Measures(**baseline.result.model_dump(include=set(Measures.model_fields)))
        predictions_before = baseline.predictions
    paired = significance.paired_difference(predictions == labels, predictions_before == labels)
    return {
        "baseline": before,
        **_difference(paired),
        "p_value": paired.p_value,
        "changed_predictions": int((predictions != predictions_before).sum()),
    }


def _choosing(predictions: Classes, before: Classes, labels: NDArray[np.int64]) -> Choosing:
    """Against the baseline's predictions on the same images."""
    right, right_before = predictions == labels, before == labels
    paired = significance.paired_difference(right, right_before)
    return Choosing(
        accuracy=float(right.mean()),
        n=len(labels),
        difference=paired.difference,
        difference_low=paired.low,
        difference_high=paired.high,
        worst_class=_worst_class(right, labels),
        worst_class_before=_worst_class(right_before, labels),
    )


def _provenance(subject: Subject, recipe: Recipe) -> dict[str, Any]:
    """What was measured, where, when and with what."""
    return {
        "recipe_id": recipe.recipe_id,
        "recipe": recipe.model_dump(mode="json"),
        "machine": machine.describe_machine(),
        "machine_id": machine.machine_id(),
        "engine_version": ENGINE_VERSION,
        "data_version": subject.data.version,
        "model_version": subject.version,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
