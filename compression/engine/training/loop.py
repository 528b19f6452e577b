"""One training loop for everything that trains: sample models, fine-tuning, distillation."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from compression.engine.network.form import restricted
from compression.engine.training.allocator import reused_memory
from compression.engine.training.device import CPU, resident, training_device
from compression.engine.training.speed import PLAIN, Mode, training_mode
from compression.errors import Diverged
from compression.models.data import Augmentation, Dataset, Split
from compression.watch import SILENT, Watch

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(logits N x classes, images, labels) to a scalar."""


MAX_GRADIENT_NORM = 5.0
"""Longer gradients are shortened to this (Pascanu et al., 2013): the first steps of a network that was just cut,
rounded or asked to copy soft predictions are ten times steeper than usual, and some runs never recovered from them.
With 3 and with 10, 2-bit ResNet-8 reached 98 % after one epoch, against 15 to 94 % from seed to seed without; of
the two, distilled students preferred 10. This lies between."""


def augmented(x: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Randomly changed images, N x C x H x W to the same shape."""
    if how == Augmentation():
        return x
    n = len(x)

    def uniform(limit: float) -> Tensor:
        return (torch.rand(n, generator=generator) * 2 - 1) * limit

    angle = uniform(math.radians(how.rotate))
    zoom_x, zoom_y = 1 + uniform(how.scale), 1 + uniform(how.scale)
    if how.flip:
        zoom_x = zoom_x * (torch.randint(0, 2, (n,), generator=generator) * 2 - 1)
    shear, shift_x, shift_y = uniform(how.shear), uniform(2 * how.shift), uniform(2 * how.shift)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = (
        torch.stack([cos * zoom_x, -sin * zoom_y + shear, shift_x], 1),
        torch.stack([sin * zoom_x, cos * zoom_y, shift_y], 1),
    )
    grid = functional.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def cross_entropy(logits: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Mean cross entropy of logits (N x classes) with labels (N); the images are not used."""
    return functional.cross_entropy(logits, y)


def train(
    model: nn.Module,
    dataset: Dataset,
    *,
    epochs: float,
    learning_rate: float,
    seed: int,
    loss: Loss = cross_entropy,
    penalty: Callable[[], Tensor] | None = None,
    batch_size: int = 64,
    weight_decay: float = 5e-4,
    learn_scales: bool = False,
    max_gradient_norm: float = MAX_GRADIENT_NORM,
    device: torch.device | None = None,
    on_step: Callable[[int, int], None] = lambda step, steps: None,
    watch: Watch = SILENT,
) -> None:
    """Train `model` in place on `dataset.train`, keeping every layer's `WeightFormat`.

    SGD with Nesterov momentum and a one-cycle cosine schedule (Smith and Topin, 2019) over `epochs` passes; a
    fraction of an epoch is allowed. Gradients of `loss` longer than `max_gradient_norm` are shortened; those of
    `penalty`, a scalar that depends on the weights alone, are added as they are, so that neither cuts the other
    short. With `learn_scales` the scales of quantized weights and activations are trained too (LSQ; Esser et al.,
    2020). `on_step(step, steps)` is called after each step of the optimizer, from 1 to `steps`, while the
    gradients are still there.

    Trains on `device`, by default the machine's accelerator if it has one, and gives the model back on the CPU. Images
    and labels that `loss` gets are there, the logits are float32. On the CPU a step is computed in the
    mode that `training_mode` chose for such networks on this machine; what is restricted to a grid is float32 in each.
    Raises `Diverged` when the loss is no longer finite.
    """
    split = dataset.train
    batch_size = min(batch_size, len(split))
    steps = round(epochs * len(split) / batch_size)
    if steps < 1:
        return
    device = device or training_device()
    generator = torch.Generator().manual_seed(seed)
    with resident(model, device), restricted(model, learn_scales), reused_memory(), _training(model):
        mode = training_mode(model, *_tensors(split.head(batch_size)), steps) if device == CPU else PLAIN
        optimizer = torch.optim.SGD(
            _decay_groups(model, weight_decay), lr=learning_rate, momentum=0.9, nesterov=True, fused=True
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _one_cycle((step + 1) / steps))
        for step, (x, y) in enumerate(_batches(split, batch_size, steps, generator)):
            watch.check()
            optimizer.zero_grad()
            value = _loss(model, loss, augmented(x, dataset.augmentation, generator).to(device), y.to(device), mode)
            if not torch.isfinite(value):
                raise Diverged(
                    f"Training diverged at step {step + 1} of {steps} (loss {value.item()}). "
                    f"Try a learning rate below {learning_rate:g}, or milder compression."
                )
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), max_gradient_norm)
            if penalty is not None:
                penalty().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            on_step(step + 1, steps)
            if step % 10 == 9 or step + 1 == steps:
                watch.report((step + 1) / steps, f"training: step {step + 1} of {steps}")


@contextlib.contextmanager
def _training(model: nn.Module) -> Iterator[None]:
    """Inside, batch norms use each batch's statistics."""
    model.train()
    try:
        yield
    finally:
        model.eval()


def _loss(model: nn.Module, loss: Loss, x: Tensor, y: Tensor, mode: Mode) -> Tensor:
    """The loss of one batch; teachers that `loss` asks compute in the same mode."""
    x = mode.images(x)
    with mode.arithmetic():
        return loss(model(x).float(), x, y)


def _one_cycle(fraction: float, warm_up: float = 0.2, floor: float = 0.002) -> float:
    """Factor on the learning rate: linear up, cosine down."""
    if fraction < warm_up:
        return floor + (1 - floor) * fraction / warm_up
    progress = (fraction - warm_up) / (1 - warm_up)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


def _decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for weights only, not for biases and batch norm."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]


def _batches(split: Split, size: int, steps: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """`steps` shuffled batches, passing over the split as often as needed."""
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < size:
            order = torch.cat([order, torch.randperm(len(split), generator=generator)])
        index, order = order[:size].numpy(), order[size:]
        yield _tensors(split, index)


def _tensors(split: Split, index: slice | NDArray[np.int64] = slice(None)) -> tuple[Tensor, Tensor]:
    """Preprocessed images (N x C x H x W) and labels (N)."""
    images, labels = np.asarray(split.images[index]), np.array(split.y[index])
    return torch.from_numpy(split.preprocess(images)), torch.from_numpy(labels)
