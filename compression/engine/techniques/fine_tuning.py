"""Train the compressed network on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx

from compression.engine.network.form import clone
from compression.engine.primitives.distillation_losses import distillation_loss
from compression.engine.primitives.rate import description_length
from compression.engine.techniques.context import Context
from compression.engine.training.device import following
from compression.engine.training.loop import Loss, cross_entropy, train
from compression.recipe.steps import FineTuning

GENTLE_LEARNING_RATE = 0.003
LEARNING_RATE = 0.01
"""What compression without training left right, large steps spoil first: of 2-bit ResNet-8's 98.6 % on validation
images one epoch with 0.01 left 97.1, with 0.003 98.5, with 0.001 98.7; after 60 % of channels had gone (92.2 %) 95.4,
95.3 and 94.4; after 80 % (57.0 %) 84.8 and 76.1 with the first two. Eight epochs agree."""

AGREEMENT = 0.95
"""Share of the original's predictions from which on training is gentle."""


def fine_tuning(model: fx.GraphModule, step: FineTuning, context: Context) -> fx.GraphModule:
    """Train for `step.epochs` passes; zero epochs change nothing.

    The loss is the cross entropy with the labels. With `alpha` the network also learns the predictions of the
    original one, weighted alpha against the labels: self-distillation as recovery (Hinton et al., 2015; Mishra
    and Marr, "Apprentice", 2018). With `entropy_penalty` the length of the weights' code is added, so that
    weights gather on few values; at 1 network and labels together have the shortest description.

    Masks, grids and shapes stay: masked weights remain zero, quantized ones move from code to code with
    a straight-through estimator (quantization-aware training; Jacob et al., 2018), shared values move as they
    are (Han et al., 2016). Scales of weights and activations stay too, unless `learn_scales` (LSQ; Esser et
    al., 2020). Without a `learning_rate` it is the smaller one where `AGREEMENT` of the predictions on calibration
    images are still those of the original. Raises `Diverged` when the loss stops being finite.
    """
    tuned = clone(model)
    train(
        tuned,
        context.dataset,
        epochs=step.epochs,
        learning_rate=step.learning_rate or _learning_rate(model, step, context),
        seed=context.seed,
        loss=_taught(step, context) if step.alpha > 0 else cross_entropy,
        penalty=_penalty(tuned, step, context),
        learn_scales=step.learn_scales,
        watch=context.watch,
    )
    return tuned


def _learning_rate(model: fx.GraphModule, step: FineTuning, context: Context) -> float:
    """The smaller one where little was lost, unless weights are to go a long way to cheap values."""
    if step.entropy_penalty > 0:
        return LEARNING_RATE
    x = torch.from_numpy(context.dataset.calibration.x)
    with torch.no_grad():
        agreed = (model(x).argmax(1) == context.teacher(x).argmax(1)).float().mean()
    return GENTLE_LEARNING_RATE if agreed >= AGREEMENT else LEARNING_RATE


def _penalty(model: fx.GraphModule, step: FineTuning, context: Context) -> Callable[[], Tensor] | None:
    """The length of the weights' code, if it is to count."""
    if step.entropy_penalty == 0:
        return None
    n_images = len(context.dataset.train)
    return lambda: step.entropy_penalty * description_length(model, n_images)


def _taught(step: FineTuning, context: Context) -> Loss:
    teacher = following(context.teacher)

    def loss(logits: Tensor, x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            original = teacher(x).float()
        return distillation_loss(logits, original, y, temperature=step.temperature, alpha=step.alpha)

    return loss
