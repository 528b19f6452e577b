"""What people do today instead: Torch-Pruning, torch.onnx.export, onnxruntime.quantization and loops around them.

    python -m benchmarks.notebook [--model resnet8-mnist5k] [--ratios 0 50 ...] [--json OUT.json]

Measures 19 points of a sample model as a competent notebook does: pruning ratios 0, 10, ..., 90 %, each as float and
with weights and activations in 8 bits, but for the unchanged network itself. Every tool is used as its documentation
says, and nothing is done twice that need not be: both points of a ratio share the pruned network and its export, the
0 % point takes the file that was exported for the baseline, and the baseline's session and batches stay in memory.
Torch and ONNX Runtime have as many threads as they choose, but for latency, which is that of one thread.

Channels are removed as Torch-Pruning does by default: exactly the ratio, which is best for accuracy. --round-to 4 has
it keep multiples of four, always fewer channels, which ONNX Runtime computes faster; but in a layer that would keep
fewer than four, version 1.6.1 then removes none at all.

`torch-pruning` and `onnxscript` (which `torch.onnx.export` needs) are in this project's extra `bench`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import tempfile
import time
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from rich.console import Console
from rich.table import Table
from torch import nn

from compression.models.data import Dataset, load_dataset
from compression.results.machine import describe_machine
from sample_models.catalogue import MODELS, SampleModel, find_model

MODEL = "resnet8-mnist5k"
PERCENTS = tuple(range(0, 100, 10))
NORM_IMAGES = 1024
"""Training images from which batch norm gets its statistics anew: without that, little is left after pruning."""
CALIBRATION_IMAGES = 256
"""Training images that say how far activations reach; more change the ranges of so small a network little."""
TORCH_BATCH = 128
EVALUATION_BATCH = 250
VNNI = {"avx512_vnni", "avx_vnni", "neon"}
"""Instruction sets with exact sums of 8-bit products; without them weights in 7 bits are recommended."""
WARM_UP_RUNS = 20
RUNS = 200


@dataclass(frozen=True)
class Point:
    """One measured network: accuracy (0 to 1), file sizes (bytes), median latencies (milliseconds).

    `stages` says how many seconds each part of the work took.
    """

    percent: int
    bits: int
    accuracy: float
    onnx_bytes: int
    zipped_bytes: int
    latency_ms: float
    baseline_ms: float
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Everything that was done for this point."""
        return sum(self.stages.values())

    @property
    def latency_ratio(self) -> float:
        """Below 1 is faster than the baseline."""
        return self.latency_ms / self.baseline_ms


class Stopwatch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add what is done inside to a stage."""
        started = time.perf_counter()
        yield
        self.stages[name] = self.stages.get(name, 0.0) + time.perf_counter() - started


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """Batches of preprocessed images for `quantize_static`."""

    def __init__(self, images: NDArray[np.float32], input_name: str) -> None:
        self._batches = ({input_name: batch} for batch in np.array_split(images, len(images) // TORCH_BATCH or 1))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next batch, None behind the last."""
        return next(self._batches, None)


class Notebook:
    """The notebook after its first cells: data loaded, the baseline exported and its session open."""

    def __init__(self, model: str, folder: Path, *, runs: int = RUNS, round_to: int | None = None) -> None:
        self._entry: SampleModel = find_model(model)
        self._data: Dataset = load_dataset(self._entry.dataset)
        self._folder, self._runs, self._round_to = folder, runs, round_to
        self._test = self._data.test.x
        self._fitting = self._data.train.head(NORM_IMAGES).x
        self._image = self._test[:1]
        self.baseline_file = folder / "baseline.onnx"
        export(self._load(), self._image, self.baseline_file)
        self._baseline = open_session(self.baseline_file, threads=1)

    def points(self, percent: int) -> Iterator[Point]:
        """The float and the 8-bit point of a pruning ratio; only the latter of 0 %."""
        watch = Stopwatch()
        exported = self._exported(percent, watch)
        if percent:
            yield self._measure(exported, percent, 32, watch)
            watch = Stopwatch()
        yield self._measure(self._quantized(exported, watch), percent, 8, watch)

    def _exported(self, percent: int, watch: Stopwatch) -> Path:
        """The file of the pruned network."""
        if not percent:
            return self.baseline_file
        with watch.stage("load"):
            model = self._load()
        with watch.stage("prune"):
            prune(model, torch.from_numpy(self._image), percent / 100, self._round_to)
        with watch.stage("recalibrate"):
            recalibrate(model, torch.from_numpy(self._fitting))
        path = self._folder / f"pruned{percent}.onnx"
        with watch.stage("export"):
            export(model, self._image, path)
        return path

    def _quantized(self, exported: Path, watch: Stopwatch) -> Path:
        """The same network in 8 bits."""
        path = exported.with_suffix(".int8.onnx")
        with watch.stage("quantize"):
            quantize(exported, path, self._fitting[:CALIBRATION_IMAGES])
        return path

    def _measure(self, path: Path, percent: int, bits: int, watch: Stopwatch) -> Point:
        with watch.stage("sizes"):
            size, zipped = path.stat().st_size, zipped_bytes(path)
        with watch.stage("evaluate"):
            accuracy = evaluate(path, self._test, self._data.test.y)
        with watch.stage("latency"):
            variant = latency_ms(open_session(path, threads=1), self._image, self._runs)
            baseline = latency_ms(self._baseline, self._image, self._runs)
        return Point(percent, bits, accuracy, size, zipped, variant, baseline, dict(watch.stages))

    def _load(self) -> nn.Module:
        return self._entry.load()


# --- the cells ---------------------------------------------------------------------------------------------------


def prune(model: nn.Module, example: torch.Tensor, ratio: float, round_to: int | None = None) -> None:
    """Remove a share of every layer's channels, those of least magnitude, in place; the classes stay."""
    import torch_pruning  # type: ignore[import-untyped]

    classifier = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    pruner = torch_pruning.pruner.BasePruner(
        model,
        example,
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=ratio,
        ignored_layers=[classifier],
        round_to=round_to,
    )
    pruner.step()


def recalibrate(model: nn.Module, images: torch.Tensor) -> None:
    """Give batch norm the mean and variance of these images, without training."""
    norms = [layer for layer in model.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    if norms:
        model.train()
        with torch.no_grad():
            for start in range(0, len(images), TORCH_BATCH):
                model(images[start : start + TORCH_BATCH])
    model.eval()


def export(model: nn.Module, image: NDArray[np.float32], path: Path) -> None:
    """Write an .onnx file with torch's own exporter; the number of images stays free."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(),
            (torch.from_numpy(np.repeat(image, 2, axis=0)),),  # of a batch of one it would make a constant
            path,
            input_names=["x"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )


def quantize(source: Path, target: Path, images: NDArray[np.float32]) -> None:
    """Weights and activations in 8 bits, weights with a scale for each channel, as its documentation recommends."""
    prepared = source.with_suffix(".prepared.onnx")
    quant_pre_process(source, prepared)
    quantize_static(
        prepared,
        target,
        Reader(images, "x"),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        reduce_range=not VNNI & set(describe_machine().instruction_sets),
    )


def open_session(path: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """A session with so many threads; 0 is ONNX Runtime's own choice."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def evaluate(path: Path, images: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Share of the images that get their label."""
    session = open_session(path)
    batches = (images[start : start + EVALUATION_BATCH] for start in range(0, len(images), EVALUATION_BATCH))
    answers = np.concatenate([session.run(None, {"x": batch})[0].argmax(axis=1) for batch in batches])
    return float((answers == labels).mean())


def latency_ms(session: onnxruntime.InferenceSession, image: NDArray[np.float32], runs: int) -> float:
    """Median time of one image."""
    for _ in range(WARM_UP_RUNS):
        session.run(None, {"x": image})
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        session.run(None, {"x": image})
        times.append(time.perf_counter() - started)
    return 1000 * median(times)


def zipped_bytes(path: Path) -> int:
    """Size of the file in a zip archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(path, path.name)
    return len(archive.getvalue())


# --- alone -------------------------------------------------------------------------------------------------------


def table(points: Sequence[Point]) -> Table:
    """One line a point, with its stages."""
    stages = list(dict.fromkeys(itertools.chain.from_iterable(point.stages for point in points)))
    shown = Table("pruned", "bits", "accuracy", ".onnx", "zipped", "latency ratio", "seconds", *stages, box=None)
    for point in points:
        shown.add_row(
            f"{point.percent} %",
            str(point.bits),
            f"{100 * point.accuracy:.1f} %",
            f"{point.onnx_bytes:,}",
            f"{point.zipped_bytes:,}",
            f"{point.latency_ratio:.2f}",
            f"{point.seconds:.2f}",
            *(f"{point.stages.get(stage, 0):.2f}" for stage in stages),
        )
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--model", choices=tuple(MODELS), default=MODEL, metavar="MODEL")
    parser.add_argument("--ratios", nargs="+", type=int, choices=range(0, 96), default=PERCENTS, metavar="PERCENT")
    parser.add_argument("--round-to", type=int, metavar="CHANNELS", help="keep a multiple of so many channels")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write the points here too")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        notebook = Notebook(options.model, Path(folder), round_to=options.round_to)
        points = [point for percent in options.ratios for point in notebook.points(percent)]
    Console(width=None if Console().is_terminal else 160).print(table(points))
    print(f"{sum(point.seconds for point in points) / len(points):.2f} s a point, {len(points)} points")
    if options.json:
        options.json.write_text(json.dumps([asdict(point) for point in points], indent=1))


if __name__ == "__main__":
    main()
