"""Stored bytes at equal accuracy: this program's file against zstd and against nncodec, on three sample models.

    python -m benchmarks.storage [--nncodec PYTHON] [MODEL ...]

zstd (level 19) packs the runtime .onnx and the plainly packed codes of the very same network; the smaller counts.
nncodec is Fraunhofer's implementation of ISO/IEC 15938-17 (DeepCABAC and dependent quantization). It needs an
older NumPy than this project, so it runs in a virtual environment of its own, named by --nncodec or
COMPRESSION_NNCODEC_PYTHON:

    python -m venv nncodec-venv && nncodec-venv/bin/pip install nncodec==2.1.3
    COMPRESSION_NNCODEC_PYTHON=nncodec-venv/bin/python python -m benchmarks.storage

It gets the float weights after folding batch norm, as quantization here does, and tries each of its step sizes
with and without dependent quantization, with steps optimised for each tensor, and with coarse biases. Its decoded
weights are evaluated by the same runtime on the same images. Its bitstream does not hold the network's graph; the
stored file does. Here weights are quantized to 4 or 6 bits without training and rounded for rate, for which 1,024
training images serve; nncodec sees no images.

"Equal" is told in three ways, for each the smallest file of each side counts:

    test        as accurate on the test images, which also choose the file: with some 80 files on each side, the
                luckiest may even be more accurate than the network that it is made from
    validation  as accurate on the validation images; the accuracy on the test images is only reported
    answers     so many of the test images get the answer that the given network gives, right or wrong: there is
                least luck in this
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from compression.engine.build import load_network
from compression.engine.files import stored_file
from compression.engine.files.export import to_onnx
from compression.engine.measure.evaluation import predict
from compression.engine.network.form import clone
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.techniques import Context, apply_step
from compression.models.data import Dataset, load_dataset
from compression.models.subject import subject_of
from compression.recipe.steps import EntropyCoding, Quantization
from sample_models.catalogue import find_model

MODELS = ("lenet300-mnist5k", "lenet5-mnist5k", "resnet8-mnist5k")
LOSSES = (0.0, 0.002, 0.005, 0.01, 0.02)
"""Losses of accuracy at which files are compared; 0.002 are two of the 1,000 test images, one of 500 for validation."""
CHANGES = (0.002, 0.005, 0.01, 0.02)
"""Shares of the test images that may get another answer."""
WEIGHT_BITS = (4, 6)
RATE_WEIGHTS = tuple(round(0.025 * number, 3) for number in range(41))
"""Together 82 files, nncodec has 85: a test of 1,000 images favours whoever tries more."""
STEP_SIZES = range(-36, 13, 3)
"""nncodec's qp: every 4 double the step, up to one that no network here survives, as the coarsest of ours."""
NNCODEC_OPTIONS = (
    {"use_dq": True},
    {"use_dq": True, "nonweight_qp": -40},
    {"use_dq": True, "opt_qp": True, "nonweight_qp": -40},
    {"use_dq": False, "nonweight_qp": -40},
    {"use_dq": False, "opt_qp": True, "nonweight_qp": -40},
)

WORKER = """
import contextlib, io, json, pathlib, sys
import numpy as np
from nncodec import nn
folder = pathlib.Path(sys.argv[1])
arrays = dict(np.load(folder / "weights.npz"))
for number, options in enumerate(json.loads((folder / "options.json").read_text())):
    options |= {"verbose": False, "results": str(folder)}
    with contextlib.redirect_stdout(io.StringIO()):
        stream = nn.encode({name: array.copy() for name, array in arrays.items()}, options)
        decoded = nn.decode(stream, options)
    np.savez(folder / f"{number}.npz", **decoded)
    (folder / f"{number}.size").write_text(str(len(stream)))
"""
"""What runs in nncodec's own environment: weights in, for each set of options the decoded weights and bytes out."""


Answers = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Measured:
    """How a network does: accuracy on test and validation images, and its answers to the test images."""

    test: float
    validation: float
    answers: Answers

    def changed(self, other: Measured) -> float:
        """Share of the test images with different answers."""
        return float((self.answers != other.answers).mean())


@dataclass(frozen=True)
class File:
    """A compressed network: bytes, what it does, and how it was made."""

    size: int
    measured: Measured
    how: str


Sides = tuple[Sequence[File], Sequence[File], Sequence[File]]
"""Files of this program, of zstd, and of nncodec."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Stored bytes at equal accuracy, against zstd and nncodec.")
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL")
    parser.add_argument("--nncodec", default=os.environ.get("COMPRESSION_NNCODEC_PYTHON"), metavar="PYTHON")
    options = parser.parse_args(arguments)
    zstandard()
    if options.nncodec is None:
        print("nncodec: not installed. How to: python -m benchmarks.storage --help", file=sys.stderr)
    for name in options.models:
        compare(name, options.nncodec)


def compare(name: str, nncodec: str | None) -> None:
    """Print one model's table."""
    dataset, model = load_dataset(find_model(name).dataset), load_network(subject_of(name))
    baseline, plain = measure(model, dataset), stored_file.encode(to_onnx(model))
    print(
        f"\n{name}: {100 * baseline.test:.1f} % of {len(dataset.test):,} test images, "
        f"{100 * baseline.validation:.1f} % of {len(dataset.validation):,} for validation, "
        f"{len(plain):,} bytes as stored floats"
    )
    ours = list(own_files(model, dataset))
    theirs = [] if nncodec is None else list(nncodec_files(model, dataset, nncodec))
    print(
        f"{'equal by':>10} {'':>12} {'stored file':>12} {'zstd -19':>12} {'nncodec':>12}  smaller by  [test accuracy]"
    )
    for line in lines((ours, zstd_files(ours), theirs), baseline):
        print(line, flush=True)


def lines(sides: Sides, baseline: Measured) -> Iterator[str]:
    """The table's rows, by the three measures of what is equal."""
    for loss in LOSSES:
        yield row("test", baseline.test - loss, sides, lambda found: found.test)
    for loss in LOSSES:
        yield row("validation", baseline.validation - loss, sides, lambda found: found.validation)
    for share in CHANGES:
        yield row("answers", 1 - share, sides, lambda found: 1 - found.changed(baseline))


def row(kind: str, least: float, sides: Sides, quality: Callable[[Measured], float]) -> str:
    """One line: the smallest file of each side of at least some quality (0 to 1)."""
    stored, packed, other = (
        smallest(file for file in files if quality(file.measured) >= least - _ROUNDING) for files in sides
    )
    sizes = " ".join(f"{file.size:>12,}" if file else f"{'-':>12}" for file in (stored, packed, other))
    less = f"{100 * (1 - stored.size / other.size):.0f} %" if stored and other else "-"
    how = " ".join(f"[{file.how}: {100 * file.measured.test:.1f} %]" for file in (stored, other) if file)
    return f"{kind:>10} {100 * least:>10.1f} % {sizes}  {less:>10}  {how}"


_ROUNDING = 1e-9
"""Shares of images are fractions that floats do not hold exactly."""


def smallest(files: Iterable[File]) -> File | None:
    """The smallest of some files, if there are any."""
    return min(files, key=lambda file: file.size, default=None)


def measure(model: fx.GraphModule, dataset: Dataset) -> Measured:
    """What the exported network does."""
    return _measure(to_onnx(model).SerializeToString(deterministic=True), dataset)


def _measure(runtime_file: bytes, dataset: Dataset) -> Measured:
    answers, other = (predict(runtime_file, split) for split in (dataset.test, dataset.validation))
    return Measured(float((answers == dataset.test.y).mean()), float((other == dataset.validation.y).mean()), answers)


# --- this program's file, and zstd on the same networks ----------------------------------------------------------


@dataclass(frozen=True)
class OwnFile(File):
    """With zstd's size for the same network."""

    zstd: int


def own_files(model: fx.GraphModule, dataset: Dataset) -> Iterator[OwnFile]:
    """The network on grids of 4 and 6 bits, rounded for rate more and more."""
    context = Context(dataset, model, lambda step: model, 0)
    for bits, weight in itertools.product(WEIGHT_BITS, RATE_WEIGHTS):
        quantized = apply_step(model, Quantization.model_validate({"weight_bits": bits}), context)
        exported = to_onnx(apply_step(quantized, EntropyCoding.model_validate({"rate_weight": weight}), context))
        stored = stored_file.encode(exported)
        runtime_file = stored_file.decode(stored).SerializeToString(deterministic=True)
        packed = stored_file.encode(exported, "packed")
        yield OwnFile(
            len(stored),
            _measure(runtime_file, dataset),
            f"W{bits}, rate {weight}",
            zstd=min(map(zstd, (runtime_file, packed))),
        )


def zstd_files(files: Sequence[OwnFile]) -> list[File]:
    return [File(file.zstd, file.measured, file.how) for file in files]


def zstandard() -> Any:  # noqa: ANN401  (a module that comes with the extra `bench` alone)
    """The package; ends the program with what to do where it is missing."""
    try:
        return importlib.import_module("zstandard")
    except ImportError:
        sys.exit('This needs the package zstandard: pip install -e ".[bench]"')


def zstd(data: bytes) -> int:
    """Bytes that zstd makes of some data at level 19."""
    return len(zstandard().ZstdCompressor(level=19).compress(data))


# --- nncodec -----------------------------------------------------------------------------------------------------


def nncodec_files(model: fx.GraphModule, dataset: Dataset, python: str) -> Iterator[File]:
    """What nncodec makes of the folded float weights, for each of its step sizes and options."""
    folded = fold_batch_norm(model)
    weights = {name: value.numpy() for name, value in folded.state_dict().items()}
    tried: list[dict[str, object]] = [{"qp": size, **options} for size in STEP_SIZES for options in NNCODEC_OPTIONS]
    with tempfile.TemporaryDirectory() as folder:
        run_nncodec(python, Path(folder), weights, tried)
        for number, options in enumerate(tried):
            size = int((Path(folder) / f"{number}.size").read_text())
            decoded = dict(np.load(Path(folder) / f"{number}.npz"))
            how = ", ".join(f"{name} {value}" for name, value in options.items())
            yield File(size, measure(with_weights(folded, decoded), dataset), how)


def run_nncodec(
    python: str, folder: Path, weights: dict[str, NDArray[np.float32]], tried: list[dict[str, object]]
) -> None:
    """Leave `0.npz`, `0.size`, ... in the folder, one pair for each set of options."""
    np.savez(folder / "weights.npz", **weights)  # type: ignore[arg-type]  # its names are the arrays'
    (folder / "options.json").write_text(json.dumps(tried))
    done = subprocess.run([python, "-c", WORKER, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"nncodec failed in {python}:\n{done.stderr[-2000:]}")


def with_weights(model: fx.GraphModule, weights: dict[str, NDArray[np.float32]]) -> fx.GraphModule:
    """The network with other weights."""
    changed = clone(model)
    with torch.no_grad():
        for name, tensor in changed.state_dict().items():
            tensor.copy_(torch.from_numpy(weights[name]).reshape(tensor.shape))
    return changed


if __name__ == "__main__":
    main()
