"""Train a sample model for all widths at once: `python -m compression.engine.samples.train_slimmable NAME`.

Universally slimmable training (Yu and Huang, 2019): sandwich rule, in-place distillation, batch-norm
statistics measured anew for each width. It starts from the trained sample model with its channels sorted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
import sys
import time

import torch
from safetensors.torch import save_file

from compression.engine.network.form import count_costs, trace
from compression.engine.primitives.slimming import order_channels, sandwich_loss, take_width
from compression.engine.samples.train import BATCH_SIZE, SEED, correct
from compression.engine.techniques.context import fitting_images
from compression.engine.training.loop import train
from compression.errors import CompressionError
from compression.models.data import load_dataset
from compression.watch import Watch
from sample_models import slimmable
from sample_models.catalogue import MODELS, SampleModel, find_model

EPOCHS = 50
LEARNING_RATE = 0.03
"""Below what the models were first trained with: four gradients add up in each step."""

WIDTHS = (0.25, 0.5, 0.75, 1.0)


def make(entry: SampleModel) -> dict[str, object]:
    """Train with a fixed seed; writes the weights and their card, and returns the card."""
    dataset = load_dataset(entry.dataset)
    model = order_channels(trace(entry.load(), dataset.input_shape))
    started = time.monotonic()

    def report(fraction: float, words: str) -> None:
        if round(fraction * 1000) % 50 == 0:
            print(f"{entry.name}: {words}, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)

    train(
        model, dataset, epochs=EPOCHS, learning_rate=LEARNING_RATE, seed=SEED, batch_size=BATCH_SIZE,
        loss=sandwich_loss(model, SEED), max_gradient_norm=math.inf, watch=Watch(report),
    )  # fmt: skip
    seconds = time.monotonic() - started
    path = slimmable.weights_path(entry.name)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
    students = {width: take_width(model, width, fitting_images(dataset)) for width in WIDTHS}
    card: dict[str, object] = {
        "origin": f"trained for all widths on the train split of {dataset.name} ({len(dataset.train)} images), "
        f"from the weights of {entry.name}",
        "started_from_sha256": entry.card["weights_sha256"],
        "command": f"python -m compression.engine.samples.train_slimmable {entry.name}",
        "seed": SEED,
        "epochs": EPOCHS,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
        "n_test": len(dataset.test),
        "accuracy": {f"{width:g}": correct(one, dataset) / len(dataset.test) for width, one in students.items()},
        "params": {f"{width:g}": count_costs(one).params for width, one in students.items()},
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "training_seconds": round(seconds, 1),
        "made_with": f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}",
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def main() -> None:
    """Train the named models."""
    parser = argparse.ArgumentParser(prog="python -m compression.engine.samples.train_slimmable", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"one of: {', '.join(MODELS)}")
    try:
        for entry in [find_model(name) for name in parser.parse_args().names]:
            card = make(entry)
            print(f"{entry.name}: test accuracy by width {card['accuracy']}, {card['training_seconds']} s")
    except CompressionError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
