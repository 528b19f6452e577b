"""An engine in memory that measures at once, for tests of pages: made-up numbers, real shapes."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime

from compression.recipe.recipe import Recipe
from compression.recipe.steps import Step
from compression.results.record import Machine, Measures, Preview, Result, SparseTiming
from compression.store.jobs import Job, JobState

MACHINE = Machine(cpu="Test CPU", instruction_sets=("avx2",), threads=1, batch_size=1, versions={"onnxruntime": "1"})
BYTES, MS, ACCURACY, N = 1_700_000, 0.2, 0.99, 1000


def _factors(step: Step) -> tuple[float, float, float]:
    """Accuracy lost, size factor, latency factor: rough, but moving the right way."""
    lost, smaller, faster = -0.002, 1.0, 1.0
    match step.technique:
        case "channel_pruning":
            kept = 1 - step.pruning_ratio
            lost, smaller, faster = 0.3 * step.pruning_ratio**3, kept**1.7, 0.3 + 0.7 * kept
        case "magnitude_pruning" | "second_order_pruning":
            lost, smaller = 0.1 * step.sparsity**6, 1.1 * (1 - step.sparsity) + 0.02
        case "quantization":
            lost = {1: 0.85, 2: 0.3, 3: 0.03}.get(step.weight_bits, 0.001)
            smaller, faster = step.weight_bits / 32 + 0.01, 0.8
        case "weight_sharing":
            lost, smaller = 0.4 / step.clusters**2, (step.clusters - 1).bit_length() / 32 + 0.01
        case "low_rank":
            kept = step.rank_ratio
            lost, smaller, faster = 0.5 * (1 - kept) ** 4, min(1.0, 1.5 * kept), 0.5 + 0.5 * kept
        case "depthwise_separable":
            lost, smaller, faster = 0.6 * step.share, 1 - 0.7 * step.share, 1 - 0.4 * step.share
        case "layer_tying":
            lost, smaller = 0.2, 0.7
        case "distillation" | "slimmable_student":
            kept = step.width_mult
            lost, smaller, faster = 0.02 * (1 - kept), kept**1.7, 0.3 + 0.7 * kept
        case "entropy_coding":
            lost = 0.0
    return lost, smaller, faster


def _divided(total: int, shares: dict[str, float]) -> dict[str, int]:
    """Parts that sum exactly to `total`; the last takes the rest."""
    *first, last = shares
    parts = {part: int(total * shares[part]) for part in first}
    return {**parts, last: total - sum(parts.values())}


STORED_SHARES = {
    "codes": 0.8,
    "positions": 0.08,
    "codebooks": 0.0,
    "scales": 0.04,
    "biases": 0.04,
    "graph": 0.03,
    "header": 0,
}
RUNTIME_SHARES = {
    "weights": 0.6,
    "zeros": 0.2,
    "codebooks": 0.0,
    "scales": 0.06,
    "biases": 0.04,
    "rounding": 0.02,
    "graph": 0,
}


def _sparse(sparsity: float) -> list[SparseTiming]:
    """A layer whose sparse product takes time with the weights that are left; the batch only helps the dense one."""
    return [
        SparseTiming(
            layer="linear1",
            rows=500,
            columns=800,
            sparsity=sparsity,
            batch_size=batch,
            dense_ms=0.05 * batch**0.5,
            sparse_ms=(0.01 + 0.3 * (1 - sparsity)) * batch**0.8,
        )
        for batch in (1, 16)
    ]


def _zeros(recipe: Recipe) -> list[SparseTiming]:
    sparse = [step.sparsity for step in recipe.steps if step.technique in ("magnitude_pruning", "second_order_pruning")]
    return _sparse(sparse[0]) if sparse else []


def _measures(accuracy: float, size: float, ratio: float) -> dict[str, object]:
    return {
        "accuracy": accuracy,
        "accuracy_low": max(0.0, accuracy - 0.012),
        "accuracy_high": min(1.0, accuracy + 0.008),
        "n_test": N,
        "theoretical_bytes": int(size * 0.95),
        "stored_bytes": int(size),
        "onnx_bytes": int(size * 1.05),
        "zipped_bytes": int(size * 0.93),
        "latency_p50_ms": MS * ratio,
        "latency_p95_ms": MS * ratio * 1.3,
        "latency_ratio": ratio,
        "latency_ratio_low": ratio * 0.97,
        "latency_ratio_high": ratio * 1.03,
        "params": int(size / 4),
        "nonzero_params": int(size / 4),
        "macs": 2_293_000,
        "worst_class": {"index": 8, "correct": max(0, round(97 * (accuracy - 0.02))), "n": 97},
        "integer_macs": 2_000_000 if ratio < 1 else 0,
        "weight_bytes": int(size),
        "activation_bytes": 30_000,
        "activation_traffic_bytes": 90_000,
        "process_peak_bytes": 4_000_000,
        "ledger": _divided(int(size), STORED_SHARES),
        "runtime_ledger": _divided(int(size * 1.05), RUNTIME_SHARES),
    }


def fabricate(recipe: Recipe, **changes: object) -> Result:
    """A result of the right shape; `changes` replace its fields."""
    accuracy, size, ratio = ACCURACY, float(BYTES), 1.0
    for step in recipe.steps:
        lost, smaller, faster = _factors(step)
        accuracy, size, ratio = max(0.1, accuracy - lost), size * smaller, ratio * faster
    accuracy = round(accuracy, 3)
    difference = accuracy - ACCURACY
    return Result(
        **(
            _measures(accuracy, size, ratio)
            | {
                "recipe_id": recipe.recipe_id,
                "recipe": recipe.model_dump(mode="json"),
                "baseline": Measures(**_measures(ACCURACY, BYTES, 1.0)),
                "accuracy_difference": difference,
                "accuracy_difference_low": difference - 0.01,
                "accuracy_difference_high": difference + 0.01,
                "p_value": 0.001 if abs(difference) > 0.012 else 0.6,
                "changed_predictions": min(N, round(abs(difference) * N * 1.2)),
                "seconds": 0.5,
                "machine": MACHINE,
                "machine_id": "0" * 16,
                "engine_version": "1",
                "data_version": "1",
                "model_version": "1",
                "created_at": "2026-01-01T00:00:00+00:00",
                "sparse": _zeros(recipe),
                "artifacts": {"stored": "a" * 64, "onnx": "b" * 64, "predictions": "c" * 64},
            }
            | changes
        )
    )


def without_what_came_later(result: Result) -> Result:
    """The same as an older version wrote it: no ledgers, no memory, no worst class, no sparse timings."""
    later = {
        "ledger": {}, "runtime_ledger": {}, "worst_class": None, "process_peak_bytes": None, "weight_bytes": 0,
        "activation_bytes": 0, "activation_traffic_bytes": 0, "integer_macs": 0,
    }  # fmt: skip
    return result.model_copy(update={**later, "sparse": (), "baseline": result.baseline.model_copy(update=later)})


def preview(recipe: Recipe) -> Preview:
    """What is known of `fabricate(recipe)` before its latency is."""
    return Preview(**fabricate(recipe).model_dump(include=set(Preview.model_fields)))


class FakeStore:
    """Results and jobs in two dictionaries."""

    def __init__(self) -> None:
        self.by_id: dict[str, Result] = {}
        self.all_jobs: dict[str, Job] = {}
        self.changes = 0
        self.answers: dict[str, str] = {}
        self.contents: dict[str, bytes] = {}

    def revision(self) -> int:
        return self.changes

    def result(self, recipe: Recipe) -> Result | None:
        return self.by_id.get(recipe.recipe_id)

    def results(self, model: str) -> list[Result]:
        return [result for result in self.by_id.values() if result.recipe["model"] == model]

    def artifact(self, sha256: str) -> bytes | None:
        return self.contents.get(sha256, b"content of " + sha256.encode())

    def answer_name(self, inquiry) -> str | None:
        return self.answers.get(inquiry.inquiry_id)

    def add_answer(self, inquiry, content: bytes) -> None:
        name = self.answers[inquiry.inquiry_id] = hashlib.sha256(content).hexdigest()
        self.contents[name] = content

    def last_asked(self, limit: int) -> list[Job]:
        return [job for job in reversed(self.all_jobs.values()) if not job.background and job.inquiry is None][:limit]

    def jobs(self, group: str | None = None, states=tuple(JobState)) -> list[Job]:
        return [job for job in self.all_jobs.values() if group in (None, job.group) and job.state in states]


class FakeDispatcher:
    """Measures whatever is submitted at once, unless `held`; recipes with a step in `failing` fail."""

    def __init__(self, *, held: bool = False, failing: str = "") -> None:
        self.store = FakeStore()
        self.held, self.failing = held, failing
        self.problem: str | None = None
        self.submitted: list[tuple[str, Recipe]] = []
        self.inquired: list[object] = []
        self.answers = None

    def replace(self, recipes, *, group: str, background: bool = False) -> list[Job]:
        wanted = {recipe.recipe_id for recipe in recipes}
        for job in self.jobs(group):
            if not job.state.is_final and job.recipe.recipe_id not in wanted:
                self._add(job, JobState.CANCELLED)
        return self.submit(recipes, group=group, background=background)

    def submit(self, recipes, *, group: str, background: bool = False) -> list[Job]:
        return [self._submit(recipe, group, background) for recipe in recipes]

    def _submit(self, recipe: Recipe, group: str, background: bool) -> Job:
        self.submitted.append((group, recipe))
        now = datetime.now(UTC)
        job = Job(uuid.uuid4().hex, recipe, group, background, JobState.WAITING, 0.0, "", None, now, None, None)
        if self.store.result(recipe):
            return job
        if self.failing and any(step.technique == self.failing for step in recipe.steps):
            return self._add(job, JobState.FAILED, error=f"{self.failing} went wrong: choose something milder.")
        if not self.held:
            self.store.by_id[recipe.recipe_id] = fabricate(recipe)
        return self._add(job, JobState.WAITING if self.held else JobState.COMPLETE)

    def _add(self, job: Job, state: JobState, error: str | None = None) -> Job:
        from dataclasses import replace

        self.store.changes += 1
        self.store.all_jobs[job.job_id] = replace(job, state=state, error=error)
        return self.store.all_jobs[job.job_id]

    def half_measure(self) -> None:
        """Let everything that waits be at its latency."""
        from dataclasses import replace

        for job in list(self.store.all_jobs.values()):
            if job.state is JobState.WAITING:
                running = self._add(job, JobState.RUNNING)
                self.store.all_jobs[job.job_id] = replace(running, preview=preview(job.recipe))

    def release(self) -> None:
        """Measure everything that waits."""
        self.held = False
        for job in list(self.store.all_jobs.values()):
            if not job.state.is_final:
                if job.inquiry is None:
                    self.store.by_id[job.recipe.recipe_id] = fabricate(job.recipe)
                else:
                    self.answer(job.inquiry)
                self._add(job, JobState.COMPLETE)

    def inquire(self, inquiries, *, group: str) -> list[Job]:
        return [self._inquire(inquiry, group) for inquiry in inquiries]

    def _inquire(self, inquiry, group: str) -> Job:
        self.inquired.append(inquiry)
        now = datetime.now(UTC)
        job = Job(
            uuid.uuid4().hex, inquiry.recipe, group, False, JobState.WAITING, 0.0, "", None, now, None, None,
            inquiry=inquiry,
        )  # fmt: skip
        if self.failing and inquiry.kind == self.failing:
            return self._add(job, JobState.FAILED, error=f"{self.failing} went wrong: choose something milder.")
        if not self.held:
            self.answer(inquiry)
        return self._add(job, JobState.WAITING if self.held else JobState.COMPLETE)

    def retry(self, job: Job) -> Job:
        again = (
            self.inquire([job.inquiry], group=job.group) if job.inquiry else self.submit([job.recipe], group=job.group)
        )
        return again[0]

    def answer(self, inquiry) -> None:
        """What `answers` (a function of the inquiry) makes up. Its recipe and the baseline are measured first."""
        for recipe in (inquiry.recipe.baseline(), inquiry.recipe):
            self.store.by_id.setdefault(recipe.recipe_id, fabricate(recipe))
        self.store.add_answer(inquiry, self.answers(inquiry).model_dump_json().encode())

    def cancel(self, group: str) -> None:
        for job in self.jobs(group):
            if not job.state.is_final:
                self._add(job, JobState.CANCELLED)

    def cancel_jobs(self, job_ids) -> None:
        for job_id in job_ids:
            if not self.store.all_jobs[job_id].state.is_final:
                self._add(self.store.all_jobs[job_id], JobState.CANCELLED)

    def jobs(self, group: str) -> list[Job]:
        return self.store.jobs(group)
