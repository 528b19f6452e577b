"""Train a sample model and write its weights, card and picture: `python -m compression.engine.samples.train NAME`."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from compression.engine.network.form import count_costs, weighted_layers
from compression.engine.network.tracing import trace
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.training.loop import Loss, cross_entropy, one_cycle, optimized
from compression.errors import CompressionError
from compression.models.data import Dataset, load_dataset
from compression.recipe.budgets import BATCH_SIZE, steps_of
from compression.watch import Watch
from sample_models.catalogue import MODELS, SampleModel, find_model

SEED = 0
SHOWN, LARGEST = 10, 96
"""Images in a picture, and pixels of its height."""


def correct(network: torch.nn.Module, dataset: Dataset) -> int:
    """Number of test images that the network classifies correctly."""
    with torch.no_grad():
        return sum(
            int((network(torch.from_numpy(x)).argmax(1).numpy() == y).sum()) for x, y in dataset.test.batches(500)
        )


def picture(dataset: Dataset) -> Image.Image:
    """One test image of each of the first classes side by side."""
    firsts = [int(np.argmax(dataset.test.y == label)) for label in np.unique(dataset.test.y)[:SHOWN]]
    strip = np.concatenate([np.asarray(dataset.test.images[i]) for i in firsts], axis=2)
    strip = (strip.astype(np.float32) * (255 / dataset.test.white)).astype(np.uint8)
    shown = Image.fromarray(strip[0] if len(strip) == 1 else strip.transpose(1, 2, 0))
    shown.thumbnail((shown.width, LARGEST))
    return shown


def printing(name: str) -> Watch:
    """Prints how far a training is, at every twentieth of it."""
    started, printed = time.monotonic(), set[int]()

    def report(fraction: float, words: str) -> None:
        if int(20 * fraction) not in printed:
            printed.add(int(20 * fraction))
            print(f"{name}: {words}, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)

    return Watch(report)


def fit(
    network: nn.Module, dataset: Dataset, name: str, *, epochs: float, learning_rate: float, loss: Loss = cross_entropy
) -> float:
    """Train in place with a fixed seed; returns the seconds that took."""
    started = time.monotonic()
    for _ in optimized(
        network,
        dataset,
        steps=steps_of(epochs, len(dataset.train)),
        learning_rate=learning_rate,
        seed=SEED,
        schedule=one_cycle,
        loss=loss,
        max_gradient_norm=math.inf,
        watch=printing(name),
    ):
        pass
    return round(time.monotonic() - started, 1)


def keep(network: nn.Module, path: Path, facts: dict[str, object], seconds: float) -> None:
    """Write the weights, and beside them their card: `facts`, and how they came about."""
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
    card = facts | {
        "seed": SEED,
        "batch_size": BATCH_SIZE,
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "training_seconds": seconds,
        "made_with": f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}",
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def make(entry: SampleModel) -> str:
    """Train from scratch with a fixed seed; writes the three files, and returns what to say of it."""
    dataset = load_dataset(entry.dataset)
    torch.manual_seed(SEED)
    network = entry.build()
    seconds = sum(
        fit(network, dataset, entry.name, epochs=entry.epochs, learning_rate=entry.learning_rate)
        for _ in range(entry.cycles)
    )
    picture(dataset).save(entry.picture_path, optimize=True)
    costs = count_costs(fold_batch_norm(trace(network, dataset.input_shape)))  # as every result counts them
    right = correct(network, dataset)
    facts: dict[str, object] = {
        "origin": f"trained from scratch on the train split of {dataset.name} ({len(dataset.train)} images)",
        "command": f"python -m compression.engine.samples.train {entry.name}",
        "epochs": entry.cycles * entry.epochs,
        "learning_rate": entry.learning_rate,
        "correct": right,
        "n_test": len(dataset.test),
        "accuracy": right / len(dataset.test),
        "params": costs.params,
        "macs": costs.macs,
        "classes": dataset.classes,
        "input_shape": dataset.input_shape,
        "layers": {name: list(layer.weight.shape) for name, layer in weighted_layers(network).items()},
    }
    keep(network, entry.weights_path, facts, seconds)
    return f"{right} of {len(dataset.test)} test images correct, {seconds} s"


def make_named(make: Callable[[SampleModel], str], module: str, about: str | None) -> None:
    """The command line: make what is named."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"one of: {', '.join(MODELS)}")
    try:
        for entry in [find_model(name) for name in parser.parse_args().names]:
            print(f"{entry.name}: {make(entry)}")
    except CompressionError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    make_named(make, "compression.engine.samples.train", __doc__)
