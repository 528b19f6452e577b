"""The story of the project: a recipe in, honestly measured numbers out.

Load the model, apply the steps, write the stored file, decode it, and evaluate and time what was decoded.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import fx

from compression import ENGINE_VERSION, evaluation, export, machine, measurement, memory, statistics, storage
from compression.data import Dataset, data_version, load_dataset
from compression.errors import NotApplicable
from compression.keys import model_version
from compression.ledger import runtime_ledger
from compression.multiples import KERNEL_CHANNELS
from compression.network import Costs, count_costs, trace
from compression.primitives.batch_norm import fold_batch_norm
from compression.primitives.dead_units import remove_dead_units
from compression.process_peak import process_peak, start_helper
from compression.recipe import Distillation, EntropyCoding, Recipe
from compression.result import Measures, Result
from compression.sparse_inference import measure_sparse
from compression.storage import Coding
from compression.techniques import Context, apply_step
from sample_models import slimmable, students
from sample_models.catalogue import MODELS, SampleModel, find_model

Report = Callable[[float, str], None]
Check = Callable[[], None]


@dataclass(frozen=True)
class RunOutput:
    """A result and its artifacts: stored file, runtime file, predicted class of each test image (uint8)."""

    result: Result
    stored: bytes
    onnx: bytes
    predictions: NDArray[np.uint8]

    def artifacts(self) -> dict[str, bytes]:
        """The files to keep, by the names used in `Result.artifacts`."""
        return _artifacts(self.stored, self.onnx, self.predictions)


def _artifacts(stored: bytes, onnx: bytes, predictions: NDArray[np.uint8]) -> dict[str, bytes]:
    return {"stored": stored, "onnx": onnx, "predictions": predictions.tobytes()}


def run_recipe(
    recipe: Recipe,
    *,
    baseline: RunOutput | None = None,
    report: Report = lambda fraction, words: None,
    check_cancelled: Check = lambda: None,
) -> RunOutput:
    """Carry out `recipe` and measure the file it leads to.

    `baseline` is the output of `recipe.baseline()`; without it the baseline is run first. Raises
    `CompressionError` children for whatever a person can do something about, `Cancelled` when
    `check_cancelled` says so.
    """
    started = time.monotonic()
    start_helper()
    entry = find_model(recipe.model)
    if baseline is None and not recipe.is_baseline:
        baseline = run_recipe(recipe.baseline(), report=_part(report, 0, 0.2), check_cancelled=check_cancelled)
        report = _part(report, 0.2, 1)
    dataset = load_dataset(entry.dataset, progress=_part(report, 0, 0.1))
    model = build_variant(recipe, entry, dataset, _part(report, 0.1, 0.7), check_cancelled)

    report(0.7, "writing the stored file")
    stored = storage.encode(export.to_onnx(model), _coding(recipe))
    onnx = storage.decode(stored).SerializeToString(deterministic=True)
    predictions = evaluation.predict(
        onnx, dataset.test, report=_part(report, 0.75, 0.85), check_cancelled=check_cancelled
    )
    latency = measurement.measure_latency(
        onnx, baseline.onnx if baseline else onnx, dataset.input_shape,
        report=_part(report, 0.85, 0.97), check_cancelled=check_cancelled,
    )  # fmt: skip
    report(0.97, "measuring memory and sparse products")
    sparse = measure_sparse(model, check_cancelled=check_cancelled)

    costs = count_costs(fold_batch_norm(model))
    measures = _measures(predictions == dataset.test.y, costs, stored, onnx, latency)
    artifacts = _artifacts(stored, onnx, predictions)
    result = Result(
        **measures.model_dump(),
        **_comparison(measures, predictions, dataset.test.y, baseline, latency),
        **_provenance(recipe, entry),
        seconds=time.monotonic() - started,
        artifacts={name: hashlib.sha256(content).hexdigest() for name, content in artifacts.items()},
        sparse=sparse,
    )
    return RunOutput(result, stored, onnx, predictions)


def build_variant(
    recipe: Recipe,
    entry: SampleModel,
    dataset: Dataset,
    report: Report = lambda fraction, words: None,
    check_cancelled: Check = lambda: None,
) -> fx.GraphModule:
    """The compressed network before it is written to a file, without the channels that its zeros have killed."""
    model = load_network(entry.name)
    for number, step in enumerate(recipe.steps):
        check_cancelled()
        share = (number / len(recipe.steps), (number + 1) / len(recipe.steps))
        step_report = _part(report, *share)
        step_report(0, step.technique.replace("_", " "))
        context = Context(
            dataset=dataset,
            teacher=load_network(entry.name),
            build_student=functools.partial(build_student, entry, dataset),
            seed=recipe.seed,
            load_teacher=functools.partial(load_teacher, entry),
            load_slimmable=functools.partial(load_slimmable, entry),
            report=step_report,
            check_cancelled=check_cancelled,
        )
        model = apply_step(model, step, context)
    check_cancelled()
    return remove_dead_units(model, KERNEL_CHANNELS) if recipe.steps else model


def build_student(entry: SampleModel, dataset: Dataset, step: Distillation) -> fx.GraphModule:
    """The untrained student that `step` asks for: of the model's own family, or of another one."""
    if step.student == "same":
        return trace(entry.build(step.width_mult), dataset.input_shape)
    network = students.build_student(
        step.student,
        width_mult=step.width_mult,
        depth_mult=step.depth_mult,
        resolution=step.resolution,
        input_shape=dataset.input_shape,
        classes=len(dataset.classes),
    )
    return trace(network, dataset.input_shape)


def load_teacher(entry: SampleModel, name: str) -> fx.GraphModule:
    """Another sample model on the same data as `entry`; raises `NotApplicable` with the names there are."""
    fitting = [other.name for other in MODELS.values() if other.dataset == entry.dataset]
    if name not in fitting:
        reason = f"was trained on other data than {entry.name}" if name in MODELS else "is no sample model"
        raise NotApplicable(f"The teacher {name!r} {reason}. Teachers to choose from: {', '.join(fitting)}.")
    return load_network(name)


@functools.lru_cache(maxsize=4)
def load_slimmable(entry: SampleModel) -> fx.GraphModule:
    """The full slimmable network; shared, so never changed. Raises `NotApplicable` where there is none."""
    shape = entry.card["input_shape"]
    return trace(slimmable.load(entry.name), (shape[0], shape[1], shape[2]))


@functools.lru_cache(maxsize=4)
def load_network(name: str) -> fx.GraphModule:
    """The trained sample model as a graph; shared, so never changed."""
    entry = find_model(name)
    shape = entry.card["input_shape"]
    return trace(entry.load(), (shape[0], shape[1], shape[2]))


def _coding(recipe: Recipe) -> Coding:
    """How the recipe has the stored file written."""
    last = recipe.steps[-1] if recipe.steps else None
    return last.coding if isinstance(last, EntropyCoding) else "context"


def _part(report: Report, start: float, stop: float) -> Report:
    return lambda fraction, words: report(start + (stop - start) * fraction, words)


def _measures(
    right: NDArray[np.bool_], costs: Costs, stored: bytes, onnx: bytes, latency: measurement.Latency
) -> Measures:
    correct, n_test = int(right.sum()), len(right)
    low, high = statistics.wilson_interval(correct, n_test)
    return Measures(
        accuracy=correct / n_test, accuracy_low=low, accuracy_high=high, n_test=n_test,
        stored_bytes=len(stored), onnx_bytes=len(onnx), zipped_bytes=storage.zipped_size(onnx),
        latency_p50_ms=latency.p50_ms, latency_p95_ms=latency.p95_ms,
        latency_ratio=latency.ratio, latency_ratio_low=latency.ratio_low, latency_ratio_high=latency.ratio_high,
        **dataclasses.asdict(costs), **dataclasses.asdict(memory.runtime_costs(onnx)),
        process_peak_bytes=process_peak(onnx),
        ledger=storage.ledger(stored), runtime_ledger=runtime_ledger(onnx),
    )  # fmt: skip


def _comparison(
    measures: Measures,
    predictions: NDArray[np.uint8],
    labels: NDArray[np.int64],
    baseline: RunOutput | None,
    latency: measurement.Latency,
) -> dict[str, Any]:
    """Against the baseline: on the same images, and with its latency from between this variant's runs.

    The baseline (None) is compared with itself.
    """
    before, predictions_before = measures, predictions
    if baseline is not None:
        times = {"latency_p50_ms": latency.baseline_p50_ms, "latency_p95_ms": latency.baseline_p95_ms}
        before = Measures(**baseline.result.model_dump(include=set(Measures.model_fields)) | times)
        predictions_before = baseline.predictions
    paired = statistics.paired_difference(predictions == labels, predictions_before == labels)
    return {
        "baseline": before,
        "accuracy_difference": paired.difference,
        "accuracy_difference_low": paired.low,
        "accuracy_difference_high": paired.high,
        "p_value": paired.p_value,
        "changed_predictions": int((predictions != predictions_before).sum()),
    }


def _provenance(recipe: Recipe, entry: SampleModel) -> dict[str, Any]:
    """What was measured, where, when and with what."""
    return {
        "recipe_id": recipe.recipe_id,
        "recipe": recipe.model_dump(mode="json"),
        "machine": machine.describe_machine(),
        "machine_id": machine.machine_id(),
        "engine_version": ENGINE_VERSION,
        "data_version": data_version(entry.dataset),
        "model_version": model_version(entry.name),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
