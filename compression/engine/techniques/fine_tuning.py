"""Train the compressed network on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx

from compression.engine.network.form import clone, ending_in_logits, weight_format, weighted_layers
from compression.engine.primitives.distillation_losses import distillation_loss
from compression.engine.primitives.rate import description_length, layer_bits
from compression.engine.techniques.context import Context
from compression.engine.training.device import following
from compression.engine.training.loop import Loss, cross_entropy, train
from compression.recipe.steps import FineTuning

LEARNING_RATES = {False: (0.01, 0.03), True: (0.003, 0.01)}
"""Where little was lost and elsewhere; of layers that are free to move, and of those on grids of 8 bits or fewer.

What compression left right, large steps spoil first: 120 steps with 0.03 left 97.6 % of 2-bit ResNet-8's 98.6 on
validation images, with 0.003 98.2. What was cut needs them: of ResNet-20 with 90 % zeros 60 steps with 0.01 brought
the cross entropy from 0.242 to 0.236, with 0.03 to 0.230; of ResNet-8 with 97 % zeros (80.6 %) 150 steps brought 83.6
and 85.0 %."""

GATHERING_RATE = 0.02
"""With an entropy penalty: of each tensor's size, a step. What a bit is worth to a weight is a hundredth of what its
first gradients are: by steps in proportion to the gradient hardly any weight would ever get to another code."""

AGREEMENT = 0.97
"""Share of the original's predictions from which on little was lost."""

COARSE_BITS = 8
"""Grids of so many bits hold weights back: they move by whole codes."""


def fine_tuning(model: fx.GraphModule, step: FineTuning, context: Context) -> fx.GraphModule:
    """Train for `step.epochs` passes; zero epochs change nothing.

    The network learns the predictions of the original one, weighted `alpha` against the cross entropy with the labels:
    self-distillation as recovery (Hinton et al., 2015; Mishra and Marr, "Apprentice", 2018); 0 is plain training. With
    `entropy_penalty` the length of the weights' code is added, so that weights gather on few values; at 1 network and
    labels together have the shortest description.

    Masks, grids and shapes stay: masked weights remain zero, quantized ones move from code to code with a
    straight-through estimator (quantization-aware training; Jacob et al., 2018), shared values move as they are (Han et
    al., 2016). Scales of weights and activations stay too, unless `learn_scales` (LSQ; Esser et al., 2020). Without a
    `learning_rate` it is one of `LEARNING_RATES`: the smaller where `AGREEMENT` of the predictions on calibration
    images are still those of the original. What it ends with is chosen: see `train`; where nothing is better, that is
    the given network. With a penalty it is what the training comes to. Raises `Diverged` when the loss stops being
    finite.
    """
    tuned = clone(model)
    penalty = _penalty(tuned, step, context)
    training = train(
        tuned,
        context.dataset,
        epochs=step.epochs,
        learning_rate=step.learning_rate or (GATHERING_RATE if penalty else _learning_rate(model, context)),
        seed=context.seed,
        loss=taught(context, alpha=step.alpha, temperature=step.temperature),
        penalty=penalty,
        learn_scales=step.learn_scales,
        unfinished=float(penalty is not None),  # accuracy is not all that this is for
        watch=context.watch,
    )
    if training is not None:
        context.trained(training)
    return tuned


def _learning_rate(model: fx.GraphModule, context: Context) -> float:
    """The smaller one where little was lost."""
    on_grids = any(weight_format(layer).bits <= COARSE_BITS for layer in weighted_layers(model).values())
    gentle, usual = LEARNING_RATES[on_grids]
    x = torch.from_numpy(context.dataset.calibration.x)
    with torch.no_grad():
        agreed = (model(x).argmax(1) == context.teacher(x).argmax(1)).float().mean()
    return gentle if agreed >= AGREEMENT else usual


def _penalty(model: fx.GraphModule, step: FineTuning, context: Context) -> Callable[[], Tensor] | None:
    """The length of the weights' code, if it is to count and some weights can have a shorter one."""
    if step.entropy_penalty == 0 or not any(layer_bits(one).requires_grad for one in weighted_layers(model).values()):
        return None
    n_images = len(context.dataset.train)
    return lambda: step.entropy_penalty * description_length(model, n_images)


def taught(context: Context, *, alpha: float, temperature: float) -> Loss:
    """A loss against the original network's predictions, weighted alpha, and the labels."""
    if alpha == 0:
        return cross_entropy
    teacher = following(ending_in_logits(context.teacher))

    def loss(logits: Tensor, x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            original = teacher(x).float()
        return distillation_loss(logits, original, y, temperature=temperature, alpha=alpha)

    return loss
