"""Train the compressed network on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx

from compression.network import clone
from compression.primitives.distillation_losses import distillation_loss
from compression.primitives.rate import description_length
from compression.recipe import FineTuning
from compression.techniques.context import Context
from compression.training import Loss, cross_entropy, train


def fine_tuning(model: fx.GraphModule, step: FineTuning, context: Context) -> fx.GraphModule:
    """Train for `step.epochs` passes; zero epochs change nothing.

    The loss is the cross entropy with the labels. With `alpha` the network also learns the predictions of the
    original one, weighted alpha against the labels: self-distillation as recovery (Hinton et al., 2015; Mishra
    and Marr, "Apprentice", 2018). With `entropy_penalty` the length of the weights' code is added, so that
    weights gather on few values; at 1 network and labels together have the shortest description.

    Masks, grids and shapes stay: masked weights remain zero, quantized ones move from code to code with
    a straight-through estimator (quantization-aware training; Jacob et al., 2018), shared values move as they
    are (Han et al., 2016). Scales of weights and activations stay too, unless `learn_scales` (LSQ; Esser et
    al., 2020). Raises `Diverged` when the loss stops being finite.
    """
    tuned = clone(model)
    train(
        tuned, context.dataset, epochs=step.epochs, learning_rate=step.learning_rate, seed=context.seed,
        loss=_taught(step, context) if step.alpha > 0 else cross_entropy,
        penalty=_penalty(tuned, step, context), learn_scales=step.learn_scales,
        report=context.report, check_cancelled=context.check_cancelled,
    )  # fmt: skip
    return tuned


def _penalty(model: fx.GraphModule, step: FineTuning, context: Context) -> Callable[[], Tensor] | None:
    """The length of the weights' code, if it is to count."""
    if step.entropy_penalty == 0:
        return None
    n_images = len(context.dataset.train)
    return lambda: step.entropy_penalty * description_length(model, n_images)


def _taught(step: FineTuning, context: Context) -> Loss:
    def loss(logits: Tensor, x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            original = context.teacher(x)
        return distillation_loss(logits, original, y, temperature=step.temperature, alpha=step.alpha)

    return loss
