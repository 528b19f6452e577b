"""One row: what a recipe cost and gained, and where that was measured. Torch-free."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

STORED_SUFFIX = ".cnet"
"""How the names of stored files end."""


class Machine(BaseModel):
    """Where and with what a row was measured."""

    model_config = ConfigDict(frozen=True)

    cpu: str
    instruction_sets: tuple[str, ...]
    threads: int
    batch_size: int
    versions: dict[str, str]


class Measures(BaseModel):
    """The numbers of one network; for a result and, under the same conditions, for its baseline.

    Fractions lie in 0..1, times in milliseconds, sizes in bytes. `accuracy_low` and `accuracy_high` are
    the Wilson 95 % interval; the latency ratio is to the interleaved baseline (below 1 is faster) with
    its 95 % bootstrap interval.
    """

    model_config = ConfigDict(frozen=True)

    accuracy: float
    accuracy_low: float
    accuracy_high: float
    n_test: int
    theoretical_bytes: int
    stored_bytes: int
    onnx_bytes: int
    zipped_bytes: int
    latency_p50_ms: float
    latency_p95_ms: float
    latency_ratio: float
    latency_ratio_low: float
    latency_ratio_high: float
    params: int
    nonzero_params: int
    macs: int


class Result(Measures):
    """A measured recipe. Immutable once stored.

    `accuracy_difference` is accuracy minus the baseline's on the same images, with its 95 % interval and
    the exact McNemar p value; `changed_predictions` counts the images whose predicted class changed.
    `artifacts` maps `stored`, `onnx` and `predictions` to SHA-256 names in the artifact folder.
    """

    recipe_id: str
    recipe: dict[str, Any]
    baseline: Measures
    accuracy_difference: float
    accuracy_difference_low: float
    accuracy_difference_high: float
    p_value: float
    changed_predictions: int
    seconds: float
    machine: Machine
    machine_id: str
    engine_version: str
    data_version: str
    model_version: str
    created_at: str
    artifacts: dict[str, str]

    @property
    def size_ratio(self) -> float:
        """How many times smaller the stored file is than the baseline's."""
        return self.baseline.stored_bytes / self.stored_bytes

    @property
    def is_different(self) -> bool:
        """Whether the accuracy differs measurably from the baseline's (exact McNemar test, 5 %)."""
        return self.p_value < 0.05

    def flat(self) -> dict[str, Any]:
        """One flat row for tables and CSV: scalars only, the baseline's with a prefix."""
        row: dict[str, Any] = {}
        for key, value in self.model_dump(mode="json").items():
            if isinstance(value, str | int | float):
                row[key] = value
        row |= {f"baseline_{key}": value for key, value in self.baseline.model_dump().items()}
        row |= {"cpu": self.machine.cpu, "threads": self.machine.threads, "size_ratio": self.size_ratio}
        row["recipe"] = self.recipe
        return row
