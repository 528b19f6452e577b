"""One training loop for everything that trains: sample models, fine-tuning, distillation."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from compression.engine.network.form import ending_in_logits, restricted
from compression.engine.training.allocator import reused_memory
from compression.engine.training.best import Best
from compression.engine.training.device import CPU, resident, training_device
from compression.engine.training.speed import PLAIN, Mode, training_mode
from compression.errors import Diverged
from compression.models.data import Augmentation, Dataset, Split
from compression.recipe.budgets import BATCH_SIZE, steps_of
from compression.results.record import Training
from compression.watch import SILENT, Watch

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(logits N x classes, images, labels) to a scalar."""


WARM_UP = 20
"""Steps over which the learning rate rises to its full size: the first gradients are steep, and momentum settles."""

WEIGHT_DECAY = 5e-4

SMALLEST_SIZE = 1e-3
"""A tensor's size is taken to be at least this: biases may begin at zero."""

MAX_GRADIENT_NORM = 5.0
"""Longer gradients are shortened to this (Pascanu et al., 2013): the first steps of a network that was just cut,
rounded or asked to copy soft predictions are ten times steeper than usual, and some runs never recovered from them.
With 3 and with 10, 2-bit ResNet-8 reached 98 % after one epoch, against 15 to 94 % from seed to seed without; of
the two, distilled students preferred 10. This lies between."""


def augmented(x: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Randomly changed images, N x C x H x W to the same shape; shifted by whole pixels where that is all.

    Others lie between pixels, which blurs: learned from such images, photos of 32 pixels came out a point worse.
    """
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
    if not (how.rotate or how.scale or how.shear):
        shift_x, shift_y = (_whole(shift, size) for shift, size in ((shift_x, x.shape[3]), (shift_y, x.shape[2])))
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = (
        torch.stack([cos * zoom_x, -sin * zoom_y + shear, shift_x], 1),
        torch.stack([sin * zoom_x, cos * zoom_y, shift_y], 1),
    )
    grid = functional.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _whole(shift: Tensor, size: int) -> Tensor:
    """Shifts in halves of an image of `size` pixels, rounded to whole pixels."""
    return torch.round(shift * size / 2) * 2 / size


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
    learn_scales: bool = False,
    on_step: Callable[[int, int], None] = lambda step, steps: None,
    from_scratch: bool = False,
    unfinished: float = 0.0,
    device: torch.device | None = None,
    watch: Watch = SILENT,
) -> Training | None:
    """Train `model` in place on `dataset.train`, and end with the best of it; None where `epochs` are too few to train.

    What it ends with is chosen on validation images: see `Best`. More training therefore never makes a network worse,
    as far as those images can tell. After a short warm-up the learning rate stays, so that what a training has come to
    after some steps does not depend on how many were to follow: a training that the watch ends early is the same
    as one of fewer epochs, and longer ones pass through what shorter ones reach.

    `on_step(step, steps)` is called after each step of the optimizer, from 1 to `steps`, while the gradients are still
    there. A network that is trained `from_scratch` was nothing to end with before. For one that is being made
    meanwhile, `unfinished` is the share of the training before which it is none to end with: then what it was before is
    no candidate either, and the training cannot be ended early; at 1 the learning rate goes up and down once. The other
    settings are those of `optimized`, which also says what is raised.
    """
    steps = steps_of(epochs, len(dataset.train))
    if steps == 0:
        return None
    device = device or training_device()
    optimizing = optimized(
        model,
        dataset,
        steps=steps,
        learning_rate=learning_rate,
        seed=seed,
        schedule=one_cycle if unfinished == 1 else steady,
        loss=loss,
        penalty=penalty,
        learn_scales=learn_scales,
        device=device,
        watch=watch,
    )
    since = math.ceil(unfinished * steps)
    best = Best(model, dataset, steps, device, since=since, from_scratch=from_scratch, watch=watch)
    with contextlib.closing(optimizing):  # leaves what the generator has entered, also where it was not run to its end
        for step in optimizing:
            if step > 0:
                on_step(step, steps)
            is_over = step == steps or (best.may_end(step) and watch.is_enough())
            best.look(step, is_over)
            if is_over:
                return best.settle()
    raise AssertionError("the last step ends a training")


def optimized(
    model: nn.Module,
    dataset: Dataset,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    schedule: Callable[[int, int], float],
    loss: Loss = cross_entropy,
    penalty: Callable[[], Tensor] | None = None,
    learn_scales: bool = False,
    max_gradient_norm: float = MAX_GRADIENT_NORM,
    device: torch.device | None = None,
    watch: Watch = SILENT,
) -> Generator[int]:
    """Train `model` in place on `dataset.train`, keeping every layer's `WeightFormat`; ends with the last weights.

    Gives 0 before the first of `steps` steps of the optimizer and then each step's number, while the gradients are
    still there. Whoever takes these may look at the network, change it, or close the generator: then it is left
    as it is.

    SGD with Nesterov momentum; `schedule(step, steps)` is the factor on the learning rate at a step, from 1. Gradients
    of `loss` longer than `max_gradient_norm` are shortened; those of `penalty`, a scalar that depends on the weights
    alone, are added as they are, so that neither cuts the other short. What a penalty asks of a weight is small and
    always the same, so with one the optimizer is Adam, and `learning_rate` a share of each tensor's size. With
    `learn_scales` the scales of quantized weights and activations are trained too (LSQ; Esser et al., 2020).

    Trains on `device`, by default the machine's accelerator if it has one, and gives the model back on the CPU. Images
    and labels that `loss` gets are there, the logits are float32. On the CPU a step is computed in the
    mode that `training_mode` chose for such networks on this machine; what is restricted to a grid is float32 in each.
    Raises `Diverged` when the loss is no longer finite.
    """
    split = dataset.train
    batch_size = min(BATCH_SIZE, len(split))
    device = device or training_device()
    generator = torch.Generator().manual_seed(seed)
    with resident(model, device), restricted(model, learn_scales), reused_memory(), _training(model):
        answering = ending_in_logits(model)
        mode = training_mode(model, *_tensors(split.head(batch_size)), steps) if device == CPU else PLAIN
        optimizer = _descent(model, learning_rate) if penalty is None else _relative_steps(model, learning_rate)
        factors = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: schedule(done + 1, steps))
        yield 0
        for step, (x, y) in enumerate(_batches(split, batch_size, steps, generator), 1):
            watch.check()
            optimizer.zero_grad()
            value = _loss(answering, loss, augmented(x, dataset.augmentation, generator).to(device), y.to(device), mode)
            if not torch.isfinite(value):
                raise Diverged(
                    f"Training diverged at step {step} of {steps} (loss {value.item()}). "
                    f"Try a learning rate below {learning_rate:g}, or milder compression."
                )
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), max_gradient_norm)
            if penalty is not None:
                penalty().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            factors.step()
            if step % 10 == 0 or step == steps:
                watch.report(step / steps, f"training: step {step:,} of {steps:,}")
            yield step


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


def steady(step: int, steps: int) -> float:
    """Factor on the learning rate: linear up over the first `WARM_UP` steps, and then 1 however many follow.

    The average of the last steps does what a fall at the end would do: with one over the last fifth, a long training
    of 1-bit ResNet-8 ended at 98.5 instead of 98.2 %, with 95 % zeros at 97.3 both times, and short ones lost a point.
    """
    return min(1.0, step / WARM_UP)


def one_cycle(step: int, steps: int, warm_up: float = 0.2, floor: float = 0.002) -> float:
    """Factor on the learning rate: linear up, cosine down (Smith and Topin, 2019); for networks that start anew."""
    fraction = step / steps
    if fraction < warm_up:
        return floor + (1 - floor) * fraction / warm_up
    progress = (fraction - warm_up) / (1 - warm_up)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


def _descent(model: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum."""
    return torch.optim.SGD(_decay_groups(model), lr=learning_rate, momentum=0.9, nesterov=True, fused=True)


def _relative_steps(model: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba, 2015), each tensor's steps a share of its size (Shazeer and Stern, "Adafactor", 2018)."""
    sizes = [(p, float(p.detach().square().mean().sqrt())) for p in model.parameters()]
    groups = [{"params": [p], "lr": learning_rate * max(SMALLEST_SIZE, size)} for p, size in sizes]
    return torch.optim.Adam(groups, fused=True)


def _decay_groups(model: nn.Module) -> list[dict[str, object]]:
    """Weight decay for weights only, not for biases and batch norm."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": WEIGHT_DECAY},
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
