"""Train a sample model for all widths at once: `python -m compression.engine.samples.train_slimmable NAME`.

Universally slimmable training (Yu and Huang, 2019): sandwich rule, in-place distillation, batch-norm
statistics measured anew for each width. It starts from the trained sample model with its channels sorted.
"""

from __future__ import annotations

from compression.engine.network.form import count_costs
from compression.engine.network.tracing import trace
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.slimming import order_channels, sandwich_loss, take_width
from compression.engine.samples.train import SEED, correct, fit, keep, make_named
from compression.engine.techniques.context import fitting_images
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
    loss = sandwich_loss(model, SEED)
    seconds = fit(model, dataset, entry.name, epochs=EPOCHS, learning_rate=LEARNING_RATE, loss=loss)
    students = {f"{width:g}": take_width(model, width, fitting_images(dataset)) for width in WIDTHS}
    accuracies = {width: correct(one, dataset) / len(dataset.test) for width, one in students.items()}
    facts: dict[str, object] = {
        "origin": f"trained for all widths on the train split of {dataset.name} ({len(dataset.train)} images), "
        f"from the weights of {entry.name}",
        "started_from_sha256": entry.card["weights_sha256"],
        "command": f"python -m compression.engine.samples.train_slimmable {entry.name}",
        "epochs": EPOCHS,
        "learning_rate": LEARNING_RATE,
        "n_test": len(dataset.test),
        "accuracy": accuracies,
        "params": {width: count_costs(fold_batch_norm(one)).params for width, one in students.items()},
    }
    keep(model, slimmable.weights_path(entry.name), facts, seconds)
    return f"test accuracy by width {accuracies}, {seconds} s"


if __name__ == "__main__":
    make_named(make, "compression.engine.samples.train_slimmable", __doc__)
