"""LeNet-300-100 and LeNet-5 on MNIST, as few bytes as the papers' or fewer: table 1 of "Deep Compression" and after.

    python -m benchmarks.tables.deep_compression --data mnist.npz
    python -m benchmarks.tables.deep_compression --data mnist.npz --rows "LeNet-5, 8-16-48" --seeds 0 1 2 3 4

Ours are bytes of the stored file, header, graph and biases and all. The file is written to `--folder`, read again,
decoded, and what was decoded is evaluated by ONNX Runtime on the 10,000 test images. Each run gives one file, and these
images choose nothing in it. The papers' ratios count different things; see the column. Rows are appended to a file, and
those that stand there are not made again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import fx, nn

from benchmarks.tables import mnist
from compression import ENGINE_VERSION
from compression.engine.files import export, stored_file
from compression.engine.measure.evaluation import predict
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.dead_units import remove_dead_units
from compression.engine.techniques import Context, apply_step
from compression.models.data import Dataset, Split
from compression.recipe.recipe import make_recipe
from compression.recipe.steps import Distillation
from compression.results.machine import describe_machine
from sample_models.lenet import lenet5
from sample_models.mlp import lenet300

Row = dict[str, Any]
Raw = dict[str, Any]


@dataclass(frozen=True)
class Published:
    """A paper's number: test error in percent, ratio, and what the ratio counts."""

    network: str
    method: str
    error: float
    ratio: float
    counts: str


PUBLISHED = (
    Published("LeNet-300-100", "Deep Compression (Han et al., 2016)", 1.58, 40, "bytes with codebook and index"),
    Published("LeNet-300-100", "Soft weight sharing (Ullrich et al., 2017)", 1.94, 64, "bytes, in Han's format"),
    Published("LeNet-300-100", "Sparse variational dropout (Molchanov et al., 2017)", 1.92, 68, "weights left"),
    Published("LeNet-5", "Deep Compression (Han et al., 2016)", 0.74, 39, "bytes with codebook and index"),
    Published("LeNet-5", "Soft weight sharing (Ullrich et al., 2017)", 0.97, 162, "bytes, in Han's format"),
    Published("LeNet-5", "Sparse variational dropout (Molchanov et al., 2017)", 0.75, 280, "weights left"),
    Published("LeNet-5", "Bayesian compression (Louizos et al., 2017)", 1.0, 419, "bits of the weights left"),
    Published("LeNet-5", "MIRACLE (Havasi et al., 2019), 3.03 kB", 0.69, 555, "bytes of a random code"),
    Published("LeNet-5", "MIRACLE (Havasi et al., 2019), 1.52 kB", 0.96, 1110, "bytes of a random code"),
)


@dataclass(frozen=True)
class Network:
    """What is compressed. It is trained first, on jittered digits."""

    name: str
    build: Callable[[], nn.Module]
    epochs: float

    @property
    def float_bytes(self) -> int:
        """Of its parameters at 32 bits: what ratios are to."""
        return 4 * sum(parameter.numel() for parameter in self.build().parameters())


LENET_300 = Network("LeNet-300-100", lenet300, 25)
LENET_5 = Network("LeNet-5", lenet5, 20)


@dataclass(frozen=True)
class Setting:
    """A row of ours: a recipe's steps."""

    name: str
    network: Network
    steps: Sequence[Raw]


TAUGHT: Raw = {"technique": "fine_tuning", "alpha": 0.7, "temperature": 2}
"""Learning from the uncompressed network's answers."""


def cheapened(epochs: float, price: float) -> list[Raw]:
    """Four bits, one scale a layer; then training with the length of the code as a penalty, and rounding for it."""
    return [
        {"technique": "quantization", "weight_bits": 4, "granularity": "tensor"},
        {**TAUGHT, "epochs": epochs, "entropy_penalty": price, "learn_scales": True},
        {"technique": "entropy_coding", "rate_weight": 0.05},
    ]


def slimmed(epochs: float, **kept: int) -> list[Raw]:
    """LeNet-5 with so many channels, trained on: what is gone costs nothing to describe."""
    whole = {"conv1": 20, "conv2": 50, "hidden": 500}
    levels = [(layer, round(1 - count / whole[layer], 3)) for layer, count in kept.items()]
    removal = {"technique": "channel_pruning", "pruning_ratio": 0, "round_to": 1, "levels": levels}
    return [removal, {**TAUGHT, "epochs": epochs}]


SETTINGS = (
    Setting("LeNet-5, 8-16-48", LENET_5, [*slimmed(3, conv1=8, conv2=16, hidden=48), *cheapened(20, 1)]),
    Setting("LeNet-5, 5-10-25", LENET_5, [*slimmed(3, conv1=5, conv2=10, hidden=25), *cheapened(20, 1)]),
    Setting("LeNet-300-100, price 0.5", LENET_300, cheapened(20, 0.5)),
    Setting("LeNet-300-100, price 1", LENET_300, cheapened(20, 1)),
)


# --- making ------------------------------------------------------------------------------------------------------


def made(setting: Setting, dataset: Dataset, seed: int, folder: Path) -> Row:
    """Carry a recipe out, write the file, and measure what is read from it."""
    network = setting.network
    original = mnist.trained(network.build, network.name, dataset, network.epochs, folder)
    started = time.monotonic()
    model = carried_out(setting, original, dataset, seed)
    seconds = time.monotonic() - started
    path = folder / f"{setting.name}-seed-{seed}.stored".replace(", ", "-")
    path.write_bytes(stored_file.encode(export.to_onnx(remove_dead_units(fold_batch_norm(model)))))
    stored = path.read_bytes()
    decoded = stored_file.decode(stored).SerializeToString(deterministic=True)
    return {
        "setting": setting.name,
        "network": network.name,
        "seed": seed,
        "engine": ENGINE_VERSION,
        "bytes": len(stored),
        "ratio": network.float_bytes / len(stored),
        "error": errors(decoded, dataset.test),
        "error_before": errors(export.to_onnx(original).SerializeToString(deterministic=True), dataset.test),
        "validation_error": errors(decoded, dataset.validation),
        "minutes": seconds / 60,
        "file": path.name,
        "machine": describe_machine().cpu,
    }


def carried_out(setting: Setting, original: fx.GraphModule, dataset: Dataset, seed: int) -> fx.GraphModule:
    """The compressed network; whatever learns does so from `original`."""
    model = original
    for step in make_recipe("mnist", setting.steps).steps:
        started = time.monotonic()
        model = apply_step(model, step, Context(dataset, original, build_student=no_student, seed=seed))
        words = f"{setting.name}, seed {seed}: {step.technique}, {time.monotonic() - started:.0f} s"
        print(words, file=sys.stderr, flush=True)
    return model


def no_student(step: Distillation) -> fx.GraphModule:
    """No recipe here asks for one."""
    raise NotImplementedError


def errors(onnx: bytes, split: Split) -> float:
    """Percent of the images that ONNX Runtime gets wrong."""
    return 100 * float((predict(onnx, split) != split.y).mean())


# --- telling -----------------------------------------------------------------------------------------------------


def table(rows: Sequence[Row]) -> str:
    """Ours beside what was published, by network and then by ratio, as Markdown."""
    head = ("network", "method", "test error", "bytes", "ratio", "what the ratio counts")
    lines = [(one.network, one.ratio, _published_cells(one)) for one in PUBLISHED]
    lines += [(row["network"], row["ratio"], _own_cells(row)) for row in rows]
    ordered = [cells for _, _, cells in sorted(lines, key=lambda line: line[:2])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *ordered)) + "\n"


def _published_cells(one: Published) -> tuple[str, ...]:
    return one.network, one.method, f"{one.error:.2f} %", "", f"{one.ratio:g}x", one.counts


def _own_cells(row: Row) -> tuple[str, ...]:
    how = f"**ours**, {row['setting'].partition(', ')[2] or 'all units'}, seed {row['seed']} ({row['minutes']:.0f} min)"
    counts = f"the whole file (before: {row['error_before']:.2f} %)"
    return row["network"], how, f"{row['error']:.2f} %", f"{row['bytes']:,}", f"{row['ratio']:.0f}x", counts


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="LeNet-300-100 and LeNet-5 on MNIST against the published tables.")
    parser.add_argument("--data", type=Path, required=True, metavar="MNIST.npz", help="all 70,000 images")
    parser.add_argument("--rows", nargs="+", choices=[one.name for one in SETTINGS], metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--folder", type=Path, default=Path("tables"), help="of files, networks and rows (tables)")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    kept = options.folder / "deep-compression.jsonl"
    dataset = mnist.load(options.data)
    for setting in (one for one in SETTINGS if not options.rows or one.name in options.rows):
        for seed in options.seeds:
            if not any((row["setting"], row["seed"]) == (setting.name, seed) for row in known(kept)):
                row = made(setting, dataset, seed, options.folder)
                with open(kept, "a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
    print(table(known(kept)))


def known(path: Path) -> list[Row]:
    """Rows of this engine that are there already."""
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["engine"] == ENGINE_VERSION]


if __name__ == "__main__":
    main()
