"""Train a sample model and write its weights, card and picture: `python -m compression.engine.samples.train NAME`."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
import sys
import time

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from compression.engine.network.form import count_costs, trace, weighted_layers
from compression.engine.training.loop import train
from compression.errors import CompressionError
from compression.models.data import Dataset, load_dataset
from compression.watch import Watch
from sample_models.catalogue import MODELS, SampleModel, find_model

SEED = 0
BATCH_SIZE = 64


def correct(network: torch.nn.Module, dataset: Dataset) -> int:
    """Number of test images that the network classifies correctly."""
    with torch.no_grad():
        return sum(
            int((network(torch.from_numpy(x)).argmax(1).numpy() == y).sum()) for x, y in dataset.test.batches(500)
        )


def picture(dataset: Dataset) -> Image.Image:
    """One test image of each class side by side, on white as on paper where the images are grey."""
    firsts = [int(np.argmax(dataset.test.y == label)) for label in range(len(dataset.classes))]
    strip = np.concatenate([np.asarray(dataset.test.images[i]) for i in firsts], axis=2)
    strip = (strip.astype(np.float32) * (255 / dataset.test.white)).astype(np.uint8)
    return Image.fromarray(strip[0] if len(strip) == 1 else strip.transpose(1, 2, 0))


def make(entry: SampleModel) -> dict[str, object]:
    """Train from scratch with a fixed seed; writes the three files and returns the card."""
    dataset = load_dataset(entry.dataset)
    torch.manual_seed(SEED)
    network = entry.build()
    started = time.monotonic()

    def report(fraction: float, words: str) -> None:
        if words.rsplit(" ", 3)[1].endswith("00") or fraction == 1:
            print(f"{entry.name}: {words}, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)

    train(
        network, dataset, epochs=entry.epochs, learning_rate=entry.learning_rate,
        seed=SEED, batch_size=BATCH_SIZE, max_gradient_norm=math.inf, watch=Watch(report),
    )  # fmt: skip
    seconds = time.monotonic() - started
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, entry.weights_path)
    picture(dataset).save(entry.picture_path, optimize=True)
    costs = count_costs(trace(network, dataset.input_shape))
    right = correct(network, dataset)
    card: dict[str, object] = {
        "origin": f"trained from scratch on the train split of {dataset.name} ({len(dataset.train)} images)",
        "command": f"python -m compression.engine.samples.train {entry.name}",
        "seed": SEED,
        "epochs": entry.epochs,
        "batch_size": BATCH_SIZE,
        "learning_rate": entry.learning_rate,
        "correct": right,
        "n_test": len(dataset.test),
        "accuracy": right / len(dataset.test),
        "params": costs.params,
        "macs": costs.macs,
        "classes": dataset.classes,
        "input_shape": dataset.input_shape,
        "layers": {name: list(layer.weight.shape) for name, layer in weighted_layers(network).items()},
        "batch_norms": sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()),
        "weights_sha256": hashlib.sha256(entry.weights_path.read_bytes()).hexdigest(),
        "training_seconds": round(seconds, 1),
        "made_with": f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}",
    }
    path = entry.weights_path.with_suffix(".json")
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def main() -> None:
    """Train the named models, or all."""
    parser = argparse.ArgumentParser(prog="python -m compression.engine.samples.train", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"one of: {', '.join(MODELS)}")
    try:
        for entry in [find_model(name) for name in parser.parse_args().names]:
            card = make(entry)
            print(
                f"{entry.name}: {card['correct']} of {card['n_test']} test images correct, {card['training_seconds']} s"
            )
    except CompressionError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
