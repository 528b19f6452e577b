"""Results with made-up numbers in real shapes, comparable with what is measured on this machine."""

from __future__ import annotations

from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.recipe.steps import Step
from compression.results.conditions import conditions, conditions_of, key
from compression.results.record import Machine, Measures, Result, SparseTiming, Underway
from compression.results.timing import Timing
from compression.store.artifacts import sha256
from compression.store.store import Store

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
    size = max(size, 100.0)  # no file is smaller
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


def timing(ratio: float, *, before_ms: float = MS, load: float = 0.1, at: str = "2026-01-01T00:00:00") -> Timing:
    """A measurement whose rounds all found this ratio."""
    return Timing(
        created_at=at,
        p50_ms=before_ms * ratio,
        p95_ms=before_ms * ratio * 1.2,
        baseline_p50_ms=before_ms,
        baseline_p95_ms=before_ms * 1.2,
        call_ms=before_ms * 0.05,
        ratios=(ratio,) * 10,
        load=load,
    )


def files_of(recipe: Recipe) -> dict[str, bytes]:
    """Stored file, runtime file and predictions: small, and different for each recipe."""
    return {role: f"{role} of {recipe.recipe_id}".encode() for role in ("stored", "onnx", "predictions", "validation")}


def fabricate(recipe: Recipe, **changes: object) -> Result:
    """A result of the right shape, as if measured here and now; `changes` replace its fields."""
    accuracy, size, ratio = ACCURACY, float(BYTES), 1.0
    for step in recipe.steps:
        lost, smaller, faster = _factors(step)
        accuracy, size, ratio = max(0.1, accuracy - lost), size * smaller, ratio * faster
    accuracy = round(accuracy, 3)
    difference = accuracy - ACCURACY
    now = conditions(subject_of(recipe.model))
    if "latency_ratio" in changes:
        changes = {"latency_p50_ms": MS * float(str(changes["latency_ratio"]))} | changes
    return Result(
        **(
            _measures(accuracy, size, ratio)
            | {
                "recipe_id": recipe.recipe_id,
                "recipe": recipe.model_dump(mode="json"),
                "baseline": Measures(**_measures(ACCURACY, BYTES, 1.0)),
                "accuracy_difference": difference,
                "accuracy_difference_low": difference - 0.006,
                "accuracy_difference_high": difference + 0.006,
                "p_value": 0.001 if abs(difference) > 0.012 else 0.6,
                "changed_predictions": min(N, round(abs(difference) * N * 1.2)),
                "seconds": 0.5,
                "machine": MACHINE,
                "machine_id": now.machine_id,
                "engine_version": now.engine_version,
                "data_version": now.data_version,
                "model_version": now.model_version,
                "created_at": "2026-01-01T00:00:00+00:00",
                "sparse": _zeros(recipe),
                "timings": [timing(ratio)],
                "graph": recipe.recipe_id,
                "artifacts": {role: sha256(content) for role, content in files_of(recipe).items()},
            }
            | changes
        )
    )


def without_what_came_later(result: Result) -> Result:
    """The same as an older version wrote it: no ledgers, no memory, no worst class, no sparse timings."""
    counts = ("weight_bytes", "activation_bytes", "activation_traffic_bytes", "integer_macs")
    later = dict.fromkeys(counts, 0) | {"ledger": {}, "runtime_ledger": {}}
    later |= {"worst_class": None, "process_peak_bytes": None}
    return result.model_copy(
        update={**later, "sparse": (), "timings": (), "baseline": result.baseline.model_copy(update=later)}
    )


def preview(recipe: Recipe) -> Underway:
    """What is known of `fabricate(recipe)` before its latency is."""
    made_up = fabricate(recipe)
    known = made_up.model_dump(include=set(Underway.model_fields))
    return Underway(**known, n_planned=made_up.n_test)


def keep(store: Store, recipe: Recipe, **changes: object) -> Result:
    """Have `fabricate(recipe, **changes)` and its files in a store."""
    result = fabricate(recipe, **changes)
    store.add_result(result, files_of(recipe))
    return result


def key_of(result: Result) -> str:
    """Under which key the store has it."""
    return key(result.recipe_id, conditions_of(result))
