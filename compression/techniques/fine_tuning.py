"""Train the compressed network on."""

from __future__ import annotations

from torch import fx

from compression.network import clone
from compression.recipe import FineTuning
from compression.techniques.context import Context
from compression.training import train


def fine_tuning(model: fx.GraphModule, step: FineTuning, context: Context) -> fx.GraphModule:
    """Train for `step.epochs` passes with plain cross entropy; zero epochs change nothing.

    Masks, grids and shapes stay: masked weights remain zero, quantized ones move from code to code with
    a straight-through estimator (quantization-aware training; Jacob et al., 2018), and activation ranges
    are kept. Raises `Diverged` when the loss stops being finite.
    """
    tuned = clone(model)
    train(
        tuned,
        context.dataset,
        epochs=step.epochs,
        learning_rate=step.learning_rate,
        seed=context.seed,
        report=context.report,
        check_cancelled=context.check_cancelled,
    )
    return tuned
