"""Train a sample model for all widths at once: `python -m compression.engine.samples.train_slimmable NAME`.

Universally slimmable training (Yu and Huang, 2019): sandwich rule, in-place distillation, batch-norm
statistics measured anew for each width. It starts from the trained sample model with its channels sorted.
"""

from __future__ import annotations

import math
import time

from compression.engine.network.form import count_costs, trace
from compression.engine.primitives.slimming import order_channels, sandwich_loss, take_width
from compression.engine.samples.train import BATCH_SIZE, SEED, correct, keep, make_named, printing
from compression.engine.techniques.context import fitting_images
from compression.engine.training.loop import train
from compression.models.data import load_dataset
from sample_models import slimmable
from sample_models.catalogue import SampleModel

EPOCHS = 50
LEARNING_RATE = 0.03
"""Below what the models were first trained with: four gradients add up in each step."""

WIDTHS = (0.25, 0.5, 0.75, 1.0)


def make(entry: SampleModel) -> str:
    """Train with a fixed seed; writes the weights and their card, and returns what to say of it."""
    dataset = load_dataset(entry.dataset)
    model = order_channels(trace(entry.load(), dataset.input_shape))
    started = time.monotonic()
    train(
        model, dataset, epochs=EPOCHS, learning_rate=LEARNING_RATE, seed=SEED, batch_size=BATCH_SIZE,
        loss=sandwich_loss(model, SEED), max_gradient_norm=math.inf, watch=printing(entry.name),
    )  # fmt: skip
    students = {f"{width:g}": take_width(model, width, fitting_images(dataset)) for width in WIDTHS}
    facts: dict[str, object] = {
        "origin": f"trained for all widths on the train split of {dataset.name} ({len(dataset.train)} images), "
        f"from the weights of {entry.name}",
        "started_from_sha256": entry.card["weights_sha256"],
        "command": f"python -m compression.engine.samples.train_slimmable {entry.name}",
        "epochs": EPOCHS,
        "learning_rate": LEARNING_RATE,
        "n_test": len(dataset.test),
        "accuracy": {width: correct(one, dataset) / len(dataset.test) for width, one in students.items()},
        "params": {width: count_costs(one).params for width, one in students.items()},
    }
    card = keep(model, slimmable.weights_path(entry.name), facts, started)
    return f"test accuracy by width {card['accuracy']}, {card['training_seconds']} s"


if __name__ == "__main__":
    make_named(make, "compression.engine.samples.train_slimmable", __doc__)
