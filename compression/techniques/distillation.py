"""Train a smaller student of the same family on the teacher's predictions."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from compression.network import clone
from compression.primitives.channels import OUT, Unit, channel_groups, remove_units
from compression.primitives.distillation_losses import distillation_loss
from compression.primitives.importance import least_important
from compression.primitives.reconstruction import reconstruct
from compression.recipe import Distillation
from compression.techniques.context import Context, fitting_images
from compression.training import train


def distillation(model: fx.GraphModule, step: Distillation, context: Context) -> fx.GraphModule:
    """Train a student of `step.width_mult` times the channels (Hinton et al., 2015).

    The student starts as the most important channels of `model`, fitted without training; then it is
    trained for `step.epochs` passes on the teacher's softened predictions, weighted by `alpha` against the labels.
    `alpha=0` is plain training with the same start and budget: the control that shows what the teacher
    brought. At full width the student starts as a copy of `model`, so that zero epochs change nothing.
    """
    context.check_cancelled()
    student = clone(model) if step.width_mult == 1 else _narrow(model, step, context)

    def loss(logits: Tensor, x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            taught = context.teacher(x)
        return distillation_loss(logits, taught, y, temperature=step.temperature, alpha=step.alpha)

    train(
        student, context.dataset, epochs=step.epochs, learning_rate=step.learning_rate, seed=context.seed,
        loss=loss, report=context.report, check_cancelled=context.check_cancelled,
    )  # fmt: skip
    return student


def _narrow(model: fx.GraphModule, step: Distillation, context: Context) -> fx.GraphModule:
    """The model's most important channels, as many as an untrained student has."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed)
        student = context.build_student(step.width_mult)
    doomed = [unit for group in channel_groups(model) for unit in _surplus(model, group, student, context.seed)]
    narrow, kept = remove_units(model, doomed)
    if _shapes(narrow) != _shapes(student):  # this family does not only change in width
        return student
    reconstruct(model, narrow, kept, fitting_images(context.dataset), check_cancelled=context.check_cancelled)
    return narrow


def _surplus(model: fx.GraphModule, group: list[Unit], student: fx.GraphModule, seed: int) -> list[Unit]:
    """The units of a group that the student has no room for."""
    name, per_unit = next((p.layer, sum(q[:2] == p[:2] for q in group[0])) for p in group[0] if p.dim == OUT)
    count = student.get_parameter(f"{name}.weight").shape[0] // per_unit
    return least_important(model, group, count, "l2", seed)


def _shapes(model: fx.GraphModule) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in model.state_dict().items()}
