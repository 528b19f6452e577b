"""A guess within microseconds of what a setting will measure, for the hollow marker. Torch-free.

Each slider has a rough prior: a formula for its accuracy change, size factor and latency factor. Where
points of its curve have been measured, the prior is corrected by them (interpolated between slider
positions), so that at a measured position the guess equals the measurement. Several sliders combine as if
they were independent: accuracy changes add, factors multiply. A guess is always shown as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from compression.result import Result
from compression.sweeps import FLOAT_BITS, INTEGER_BITS, Budget, Curve, Settings


@dataclass(frozen=True)
class Known:
    """What is known of the uncompressed model; None for what is not measured yet.

    `chance` is the accuracy of guessing: no estimate goes below it.
    """

    accuracy: float | None = None
    stored_bytes: float | None = None
    latency_ms: float | None = None
    chance: float = 0.1


@dataclass(frozen=True)
class Estimate:
    """Guessed numbers; None where even the baseline's is unknown."""

    accuracy: float | None
    stored_bytes: float | None
    latency_ms: float | None


@dataclass(frozen=True)
class Effect:
    """What one slider does to a model: an accuracy change, and factors on size and latency."""

    accuracy_change: float = 0.0
    size_factor: float = 1.0
    latency_factor: float = 1.0


def estimate(settings: Settings, known: Known, measured: Mapping[Curve, Mapping[int, Result]]) -> Estimate:
    """Guess accuracy (0..1), stored bytes and latency in ms.

    `measured` holds the results of the chosen model's and budget's curves by slider position.
    """
    effects = [
        _effect(curve, position, settings.budget, measured.get(curve, {})) for curve, position in _moved(settings)
    ]
    change = sum(effect.accuracy_change for effect in effects)
    size = float(np.prod([effect.size_factor for effect in effects]))
    latency = float(np.prod([effect.latency_factor for effect in effects]))
    return Estimate(
        None if known.accuracy is None else _bounded(known.accuracy + change, known),
        None if known.stored_bytes is None else known.stored_bytes * size,
        None if known.latency_ms is None else known.latency_ms * latency,
    )


def _bounded(accuracy: float, known: Known) -> float:
    return min(1.0, max(min(known.chance, known.accuracy or 0.0), accuracy))


def _moved(settings: Settings) -> list[tuple[Curve, int]]:
    """The sliders that are not neutral, with their positions."""
    moved: list[tuple[Curve, int]] = []
    if settings.student_percent < 100:
        moved.append(("distillation", settings.student_percent))
    if settings.pruning_percent > 0:
        channels = settings.remove == "channels"
        moved.append(("channel_pruning" if channels else "magnitude_pruning", settings.pruning_percent))
    if settings.weight_bits < FLOAT_BITS:
        moved.append(("quantization", settings.weight_bits))
    return moved


_NEUTRAL: dict[Curve, int] = {
    "channel_pruning": 0,
    "magnitude_pruning": 0,
    "quantization": FLOAT_BITS,
    "distillation": 100,
}


def _effect(curve: Curve, position: int, budget: Budget, results: Mapping[int, Result]) -> Effect:
    """The prior at `position`, corrected by what the curve measured."""
    prior = _prior(curve, position, budget)
    known = sorted({_NEUTRAL[curve]: None, **results}.items())
    positions = [at for at, _ in known]
    offsets = [_corrections(_prior(curve, at, budget), result) for at, result in known]
    change, log_size, log_latency = (
        float(np.interp(position, positions, column)) for column in zip(*offsets, strict=True)
    )
    return Effect(
        prior.accuracy_change + change,
        prior.size_factor * float(np.exp(log_size)),
        prior.latency_factor * float(np.exp(log_latency)),
    )


def _corrections(prior: Effect, result: Result | None) -> tuple[float, float, float]:
    """Measured against prior: difference of accuracy changes, logarithms of the factors' quotients."""
    if result is None:
        return 0.0, 0.0, 0.0
    change = result.accuracy - result.baseline.accuracy
    size = result.stored_bytes / result.baseline.stored_bytes
    return (
        change - prior.accuracy_change,
        float(np.log(size / prior.size_factor)),
        float(np.log(result.latency_ratio / prior.latency_factor)),
    )


def _prior(curve: Curve, position: int, budget: Budget) -> Effect:
    trained = budget != "none"
    if curve == "channel_pruning":
        return _channel_prior(position / 100, trained)
    if curve == "magnitude_pruning":
        return _weight_prior(position / 100, trained)
    if curve == "quantization":
        return _bits_prior(position, trained)
    return _student_prior(position / 100)


def _channel_prior(removed: float, trained: bool) -> Effect:
    """Weights fall with the square of the channels, but for the first and last layer; time a bit slower.

    Accuracy follows a small ResNet on MNIST: 13 points at 20 % and half of everything at 50 %.
    """
    loss = 0.3 * removed**3 if trained else 2 * removed**2
    return Effect(-loss, (1 - removed) ** 1.8, 0.15 + 0.85 * (1 - removed) ** 1.5)


def _weight_prior(sparsity: float, trained: bool) -> Effect:
    """Single weights leave harmlessly up to one half; each kept one also costs its position (6 bits)."""
    loss = (0.2 if trained else 0.6) * max(0.0, 2 * sparsity - 1) ** 4
    return Effect(-loss, min(1.0, (1 - sparsity) * 38 / 32), 1.0)


_BITS_LOSS = {1: 0.6, 2: 0.35, 3: 0.05, 4: 0.01, 5: 0.002}
"""Accuracy lost to rounding weights of a small network to so many bits; nothing above 5."""


def _bits_prior(bits: int, trained: bool) -> Effect:
    """Size is the bits plus 2 % for scales and biases; integer kernels gain about a quarter of the time."""
    loss = _BITS_LOSS.get(bits, 0.0) * (0.2 if trained else 1.0)
    size = 1.0 if bits == FLOAT_BITS else bits / FLOAT_BITS + 0.02
    return Effect(-loss, size, 0.75 if bits <= INTEGER_BITS else 1.0)


def _student_prior(width: float) -> Effect:
    """Like removed channels, but trained: a few points at most."""
    return Effect(-0.04 * (1 - width) ** 2, width**1.8, 0.15 + 0.85 * width**1.5)
