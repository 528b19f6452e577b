"""What settings do to a network before anything of it is measured: rough formulas, for `estimate`. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compression.recipe.settings import FLOAT_BITS, INTEGER_BITS, Settings
from compression.recipe.steps import LayerTying, Step


@dataclass(frozen=True)
class Effect:
    """What one slider does to a model: an accuracy change, and factors on size and latency.

    `doubt` is how far the logarithm of the accuracy lost may be off.
    """

    accuracy_change: float = 0.0
    size_factor: float = 1.0
    latency_factor: float = 1.0
    doubt: float = 1.0


# Of a curve's position, and whether there is a training budget.


def channels(percent: int, trained: bool) -> Effect:
    """Weights fall with the square of the channels, but for the first and last layer; time a bit slower.

    Accuracy follows a small ResNet on MNIST: 13 points at 20 % and half of everything at 50 %.
    """
    removed = percent / 100
    loss = 0.3 * removed**3 if trained else 2 * removed**2
    return Effect(-loss, (1 - removed) ** 1.8, 0.15 + 0.85 * (1 - removed) ** 1.5)


def weights(worst: float) -> Callable[[int, bool], Effect]:
    """Single weights leave harmlessly up to one half, and cost `worst` if all go; positions cost 6 bits each."""

    def prior(percent: int, trained: bool) -> Effect:
        sparsity = percent / 100
        loss = (0.2 if trained else worst) * max(0.0, 2 * sparsity - 1) ** 4
        return Effect(-loss, min(1.0, (1 - sparsity) * 38 / 32), 1.0)

    return prior


_BITS_LOSS = {1: 0.6, 2: 0.35, 3: 0.05, 4: 0.01, 5: 0.002}
"""Accuracy lost to rounding weights of a small network to so many bits; nothing above 5."""


def bits(at: int, trained: bool) -> Effect:
    """Size is the bits plus 2 % for scales and biases; integer kernels gain about a quarter of the time."""
    loss = _BITS_LOSS.get(at, 0.0) * (0.2 if trained else 1.0)
    size = 1.0 if at == FLOAT_BITS else at / FLOAT_BITS + 0.02
    return Effect(-loss, size, 0.75 if at <= INTEGER_BITS else 1.0)


def codebook(at: int, trained: bool) -> Effect:
    """Shared values fit the weights better than a grid of as many; the runtime gets floats back, no faster."""
    if at == FLOAT_BITS:
        return Effect()
    return Effect(-_BITS_LOSS.get(at + 1, 0.0) * (0.2 if trained else 1.0), at / FLOAT_BITS + 0.02, 1.0)


def rank(percent: int, trained: bool) -> Effect:
    """Two thin layers of rank r have about 2 r / n of the weights, so that halves of all ranks save little."""
    kept = percent / 100
    loss = (0.03 if trained else 0.15) * (1 - kept) ** 8
    return Effect(-loss, min(1.0, 1.6 * kept + 0.05), min(1.0, 1.4 * kept + 0.2))


def separable(percent: int, trained: bool) -> Effect:
    """A k x k convolution becomes k x k + 1 x 1: hardly a ninth of its weights; the fit makes up for most of it."""
    share = percent / 100
    return Effect(-(0.007 if trained else 0.015) * share, 1 - 0.8 * share, 1 - 0.5 * share)


def student(percent: int, trained: bool) -> Effect:
    """Like removed channels, but trained: a few points at most."""
    width = percent / 100
    return Effect(-0.04 * (1 - width) ** 2, width**1.8, 0.15 + 0.85 * width**1.5)


def gathering(strength: float) -> Effect:
    """Training with the length of the weights' code as a penalty (above 0, to 1)."""
    return Effect(-0.01 * strength, 0.35 * strength**-0.27 if strength > _WEAK else 1.0)


_WEAK = 0.02
"""Such a penalty hardly changes anything."""


def without_curve(settings: Settings) -> list[Effect]:
    """Priors of settings that no curve measures."""
    effects = []
    if settings.student in _FAMILIES:
        effects.append(_family_prior(settings.student, settings.student_percent / 100, settings.depth_percent / 100))
    if settings.integer_activations is not None and settings.integer_activations < INTEGER_BITS:
        effects.append(Effect(-0.005 * (INTEGER_BITS - settings.integer_activations) ** 2))
    if settings.coding != "context":
        effects.append(Effect(size_factor=_CODING_FACTOR[settings.coding]))
    if settings.rate_weight > 0 and settings.has_grid:
        effects.append(Effect(-0.01 * settings.rate_weight, 1 - 0.3 * settings.rate_weight))
    if settings.entropy_penalty > 0 and settings.has_grid and settings.budget != "none":
        effects.append(gathering(settings.entropy_penalty))
    return effects


def structure(step: Step, trained: bool) -> Effect:
    """A step of a technique that has a slider and no curve; nothing where nobody knows what it does."""
    if isinstance(step, LayerTying):
        return Effect(-0.02 if trained else -0.4, 1 - 0.5 * (1 - 1 / step.blocks))
    return Effect()


_FAMILIES = {"mobilenet_v3_small": (4.0, 2.0), "efficientnet_b0": (10.0, 5.0), "squeezenet": (2.0, 2.0)}
"""Sizes and latencies of the full families in those of a small sample model, which they mostly exceed."""

_CODING_FACTOR = {"huffman": 1.03, "packed": 1.15}
"""What Huffman codes and plain bits cost against adaptive arithmetic coding of the same weights."""


def _family_prior(family: str, width: float, depth: float) -> Effect:
    """Weights grow with the square of the width and with the depth; trained, so a few points are lost at most."""
    size, latency = _FAMILIES[family]
    return Effect(-0.02 - 0.04 * (1 - width) ** 2, size * width**1.8 * depth, latency * (0.3 + 0.7 * width) * depth)
