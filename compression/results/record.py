"""One row: what a recipe cost and gained, and where that was measured. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from statistics import median
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from compression.recipe.recipe import Recipe
from compression.recipe.words import recipe_in_words
from compression.results.significance import SIGNIFICANT
from compression.results.timing import SAME_GRAPH, Timing, pooled

STORED_SUFFIX = ".cnet"
"""How the names of stored files end."""

STORED_PARTS = ("codes", "positions", "codebooks", "scales", "biases", "graph", "header")
"""What the bytes of a stored file hold: weights' values or codes, where they are, the values that codes stand
for, grids, biases and batch-norm leftovers, the network's structure, and magic number, version and checksum."""

RUNTIME_PARTS = ("weights", "zeros", "codebooks", "scales", "biases", "rounding", "graph")
"""What the bytes of a runtime file hold: weights that are not zero, zeros kept dense, the values that codes stand
for, grids, biases, the nodes that round activations, and the rest of the network's structure."""


_TABLES = {"ledger", "runtime_ledger", "worst_class"}
"""Fields of `Measures` that are tables of their own."""


class Part(BaseModel):
    """Plain data that does not change; what a later version adds is left out. Every number is one."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Machine(Part):
    """Where and with what a row was measured."""

    cpu: str
    instruction_sets: tuple[str, ...]
    threads: int
    batch_size: int
    versions: dict[str, str]


class SparseTiming(Part):
    """One layer's product with its weights as a sparse matrix against dense, measured (milliseconds, medians)."""

    layer: str
    rows: int
    columns: int
    sparsity: float
    batch_size: int
    dense_ms: float
    sparse_ms: float


Kept = Literal["untrained", "checkpoint", "average"]
"""What a training ended with: the network it was given, its weights after some step, or their running average."""


class Learning(Part):
    """A training under way, of `planned` steps.

    `points` are steps done with the accuracy on validation images (0..1) then. `may_end`: whether a person may end it
    here and keep the best so far.
    """

    planned: int
    points: tuple[tuple[int, float], ...]
    may_end: bool = False


class Training(Part):
    """How one training step of a recipe went.

    Of `planned` steps of the optimizer `steps` were done; fewer where a person ended it there. What was `kept` is the
    network after step `kept_at`. It was chosen on `n_validation` images; `points` are steps done with the accuracy on
    these (0..1) then, the network as it was given first.
    """

    kept: Kept
    kept_at: int
    steps: int
    planned: int
    n_validation: int
    points: tuple[tuple[int, float], ...]

    @property
    def helped(self) -> bool:
        """Whether it ended with something better than it began with."""
        return self.kept != "untrained"

    @property
    def was_ended_early(self) -> bool:
        """Whether a person ended it before its last step."""
        return self.steps < self.planned


class WorstClass(Part):
    """The class with the smallest share of its test images right: `correct` of `n`; `index` counts classes from 0."""

    index: int
    correct: int
    n: int

    @property
    def accuracy(self) -> float:
        """0..1."""
        return self.correct / self.n


class Choosing(Part):
    """What a setting is chosen by: its accuracy on `n` images that no result is reported on, 0..1.

    `difference` is to the baseline's on the same images, -1..1, with its paired 95 % interval. `worst_class` is the one
    with the smallest share of these images right, `worst_class_before` that of the baseline; earlier versions of this
    program wrote neither.
    """

    accuracy: float
    n: int
    difference: float
    difference_low: float
    difference_high: float
    worst_class: WorstClass | None = None
    worst_class_before: WorstClass | None = None


class Preview(Part):
    """What is known of a network before it is timed: accuracy and sizes, measured like all else.

    Fractions lie in 0..1, sizes in bytes. `accuracy_low` and `accuracy_high` are the Wilson 95 % interval.
    """

    accuracy: float
    accuracy_low: float
    accuracy_high: float
    n_test: int
    theoretical_bytes: int
    stored_bytes: int
    onnx_bytes: int
    zipped_bytes: int
    params: int
    nonzero_params: int
    macs: int
    worst_class: WorstClass | None = None


class Underway(Preview):
    """The same while it is being measured: `n_test` of the `n_planned` test images are evaluated.

    The difference to the original's accuracy is that on these images, with its 95 % interval.
    """

    n_planned: int
    accuracy_difference: float
    accuracy_difference_low: float
    accuracy_difference_high: float


class Measures(Preview):
    """The numbers of one network; for a result and, under the same conditions, for its baseline.

    The latency ratio is to the baseline, timed in turns with it (below 1 is faster), with its 95 % interval over
    repetitions at other times. All times of a model have one scale, on which the baseline takes what it took when it
    was measured: `latency_p50_ms` is the ratio times that, and the 95th percentile and `call_ms`, what calling the
    runtime costs of it, are scaled alike. What the clock said is in a result's `timings`. `graph` is equal for networks
    that run the same operations on the same shapes: they are timed as one ('' in results of earlier versions).

    `ledger` says where the bytes of the stored file go (`STORED_PARTS`; sums to `stored_bytes`),
    `runtime_ledger` where those of the runtime file go (`RUNTIME_PARTS`; sums to `onnx_bytes`).
    `integer_macs` of the `macs` are carried out by integer kernels. `peak_memory_bytes` is computed: the
    weights as the runtime holds them (`weight_bytes`) and the most activations that live at one time for
    one image (`activation_bytes`); `activation_traffic_bytes` are all that are written or read meanwhile.
    `process_peak_bytes` is measured: what a process with nothing but ONNX Runtime grows by at most while it
    loads the runtime file and runs one image; None where the system cannot say.
    """

    latency_p50_ms: float
    latency_p95_ms: float
    latency_ratio: float
    latency_ratio_low: float
    latency_ratio_high: float
    call_ms: float = 0.0
    graph: str = ""
    integer_macs: int = 0
    weight_bytes: int = 0
    activation_bytes: int = 0
    activation_traffic_bytes: int = 0
    process_peak_bytes: int | None = None
    ledger: dict[str, int] = {}
    runtime_ledger: dict[str, int] = {}

    @property
    def peak_memory_bytes(self) -> int:
        """Weights and the largest activations that live together, for one image; computed."""
        return self.weight_bytes + self.activation_bytes


def latencies(timings: Sequence[Timing], baseline: Measures | None, graph: str) -> dict[str, Any]:
    """The fields of `Measures` that tell of time, from measurements of a network; None is the baseline itself.

    On the baseline's scale; on its own, which the first measurement makes.
    """
    before_ms = baseline.latency_p50_ms if baseline else timings[0].baseline_p50_ms
    is_same = baseline is None or bool(graph and graph == baseline.graph)
    ratio = SAME_GRAPH if is_same else pooled([timing.ratios for timing in timings])

    def scaled(read: Callable[[Timing], float]) -> float:
        return before_ms * median(read(timing) / timing.baseline_p50_ms for timing in timings)

    return {
        "latency_p50_ms": before_ms * ratio.at,
        "latency_p95_ms": scaled(lambda timing: timing.p95_ms),
        "latency_ratio": ratio.at,
        "latency_ratio_low": ratio.low,
        "latency_ratio_high": ratio.high,
        "call_ms": scaled(lambda timing: timing.call_ms),
    }


class Result(Measures):
    """A measured recipe. Immutable once stored.

    `accuracy_difference` is accuracy minus the baseline's on the same images, with its 95 % interval and
    the exact McNemar p value; `changed_predictions` counts the images whose predicted class changed.
    `artifacts` maps `stored`, `onnx` and `predictions` to SHA-256 names in the artifact folder. `sparse` holds
    timings of the layers whose weights were made sparse, at batch sizes 1 and 16. `trainings` has one entry for
    each step of the recipe that trained, in order; earlier versions of this program wrote none. `timings` are the
    measurements that the latency rests on; more come when it is timed again, or another network with the same graph is.

    `validation` has what the validation images say, which settings are chosen by: a setting that is the best of many
    on some images is a little worse on all others. None in results of earlier versions.
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
    sparse: tuple[SparseTiming, ...] = ()
    trainings: tuple[Training, ...] = ()
    timings: tuple[Timing, ...] = ()
    validation: Choosing | None = None

    def __hash__(self) -> int:
        return hash((self.recipe_id, self.created_at))

    @cached_property
    def parsed_recipe(self) -> Recipe:
        """The recipe, checked; raises ValueError where another version of this program wrote it."""
        return Recipe.model_validate(self.recipe)

    @cached_property
    def words(self) -> str:
        """The recipe in words."""
        return recipe_in_words(self.parsed_recipe)

    @property
    def model(self) -> str:
        """The model that its recipe starts from."""
        return str(self.recipe["model"])

    @property
    def has_same_graph(self) -> bool:
        """Whether it runs the same operations on the same shapes as its baseline, and so takes as long."""
        return self.is_baseline or bool(self.graph and self.graph == self.baseline.graph)

    @property
    def is_baseline(self) -> bool:
        """Whether it is the uncompressed model."""
        return not self.recipe["steps"]

    @property
    def choosing(self) -> Choosing:
        """What it is chosen by: the validation images, or the test images where an earlier version measured it."""
        return self.validation or Choosing(
            accuracy=self.accuracy,
            n=self.n_test,
            difference=self.accuracy_difference,
            difference_low=self.accuracy_difference_low,
            difference_high=self.accuracy_difference_high,
        )

    @property
    def size_ratio(self) -> float:
        """How many times smaller the stored file is than the baseline's."""
        return self.baseline.stored_bytes / self.stored_bytes

    def timed(self, timings: tuple[Timing, ...]) -> Result:
        """The same result with its latency from these measurements (one or more)."""
        return self.model_copy(update={"timings": timings, **latencies(timings, self.baseline, self.graph)})

    @property
    def is_different(self) -> bool:
        """Whether the accuracy differs measurably from the baseline's (exact McNemar test, 5 %)."""
        return self.p_value < SIGNIFICANT

    def flat(self) -> dict[str, Any]:
        """One flat row for tables and CSV: scalars only, the baseline's with a prefix."""
        row: dict[str, Any] = {}
        for key, value in self.model_dump(mode="json").items():
            if value is None or isinstance(value, str | int | float):
                row[key] = value
        row |= {f"baseline_{key}": value for key, value in self.baseline.model_dump().items() if key not in _TABLES}
        for prefix, measures in (("", self), ("baseline_", self.baseline)):
            if measures.worst_class:
                row[f"{prefix}worst_class"] = measures.worst_class.index
                row[f"{prefix}worst_class_accuracy"] = measures.worst_class.accuracy
        row["trainings_kept"] = ", ".join(training.kept for training in self.trainings)
        if self.timings:
            row |= {"timed": len(self.timings), "load": self.timings[-1].load}
        row |= {"cpu": self.machine.cpu, "threads": self.machine.threads, "size_ratio": self.size_ratio}
        row["recipe"] = self.recipe
        return row
