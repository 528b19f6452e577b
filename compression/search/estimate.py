"""A guess within microseconds of what a setting will measure, for the hollow marker. Torch-free.

Each slider has a rough prior: a formula for its accuracy change, size factor and latency factor. Between
measured points of its curve the guess goes from one to the other, as fast as the prior does; beyond the last one it
goes on as the prior does. So at a measured position it equals the measurement, and it never passes a neighbour. Losses
of accuracy go by their logarithm: one bad point must not drag good ones down. Nothing is expected to gain accuracy.
What has no curve (another
family's student, tied layers, few bits for activations, how the file is written) keeps its prior. Several
settings combine at first as if they were independent: accuracy changes add, factors multiply. They are not (what
rounding gains is less of a pruned network's time), so measured combinations near by correct that. A guess is
always shown as one, and that of the accuracy with a range: `Estimate.accuracy_range`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from compression.models.subject import Subject
from compression.recipe.budgets import Budget
from compression.recipe.settings import FLOAT_BITS, UNMOVED, Settings, recipe_of, settings_of
from compression.recipe.steps import STEP_TYPES
from compression.recipe.words import kind_of
from compression.results.metrics import Metric
from compression.results.record import Result
from compression.search.curves import CURVES
from compression.search.priors import Effect, structure, without_curve

Measured = Mapping[str, Mapping[int, Result]]
"""What was measured of the chosen model's and budget's curves, by slider position."""


@dataclass(frozen=True)
class Known:
    """What is known of the uncompressed model; None for what is not measured yet."""

    subject: Subject
    accuracy: float | None = None
    stored_bytes: float | None = None
    latency_ms: float | None = None

    @property
    def chance(self) -> float:
        """The accuracy of guessing: no estimate goes below it."""
        return 1 / len(self.subject.data.classes)


@dataclass(frozen=True)
class Estimate:
    """Guessed numbers; None where even the baseline's is unknown. `others` are metrics that were asked for, by key.

    `loss` is the logarithm of the accuracy lost (plus `LEAST`), and `doubt` how far that may be off, for measured
    points to scale: see `track_record.width`. `accuracy_range` should hold the accuracy in nine of ten cases.
    """

    accuracy: float | None
    stored_bytes: float | None
    latency_ms: float | None
    others: Mapping[str, float] = field(default_factory=dict)
    accuracy_range: tuple[float, float] | None = None
    loss: float = 0.0
    doubt: float = 0.0

    def of(self, metric: Metric) -> float | None:
        """What a metric is expected to be; None where nobody knows."""
        rough = {"accuracy": self.accuracy, "stored": self.stored_bytes, "latency": self.latency_ms}
        return rough.get(metric.key) or self.others.get(metric.key)


Spot = tuple[tuple[object, ...], tuple[float, ...]]
"""What must be the same for one setting to teach another, and how far each moved slider is."""


@dataclass(frozen=True)
class Lesson:
    """How a measured combination of settings differs from its estimate by each of them alone.

    `spot` is where it stands. `loss`, `size` and `latency` are logarithms of measured over estimated; a loss is that of
    accuracy, plus `LEAST`.
    """

    settings: Settings
    spot: Spot
    loss: float
    size: float
    latency: float


WIDTH = 1.5
"""Of ranges, in doubts, until a model's own misses tell (`track_record.width`): as they are with the sample models."""
_EXACT, _BEYOND = 0.25, 1.0
"""Doubts about what was measured, so that another setting beside it changes it, and beyond measured points: a factor of
2.7 in the accuracy lost."""

HAVE_PRIORS = ("accuracy", "stored", "latency")
"""Metrics that an estimate has without being asked, as each slider has a prior for them."""
LEAST = 0.005
"""Share of the images: losses below it are not told apart."""
_NEAR, _FAR = 0.1, 0.5
"""Distances in whole lengths of a slider: combinations nearer than the one teach alike, and those farther than the
other less than it is trusted that settings are independent."""


def estimate(
    settings: Settings,
    known: Known,
    measured: Measured,
    asked: Iterable[Metric] = (),
    lessons: Sequence[Lesson] = (),
    *,
    width: float = WIDTH,
) -> Estimate:
    """Guess accuracy (0..1), stored bytes and latency in ms, and what of the metrics `asked` for curves tell.

    `lessons` are from measured combinations of the same model, and `width` from how far its estimates were off.
    """
    moved, rest = _moved(settings), _unmeasured(settings)
    effects = [
        *(_effect(curve, position, settings.budget, measured.get(curve, {})) for curve, position in moved),
        *rest,
    ]
    others = {
        metric.key: value
        for metric in asked
        if not rest and metric.key not in HAVE_PRIORS and (value := _read_off(metric, moved, measured)) is not None
    }
    lost = sum(_lost(effect) for effect in effects)
    doubt = math.sqrt(sum(effect.doubt**2 for effect in effects))
    size = math.prod(effect.size_factor for effect in effects)
    latency = math.prod(effect.latency_factor for effect in effects)
    loss_by, size_by, latency_by = _learned(known.subject, settings, lessons) if len(effects) > 1 else (0.0, 0.0, 0.0)
    loss = math.log(lost + LEAST) + loss_by
    accuracy, accuracy_range = accuracy_after(loss, width * doubt, known)
    return Estimate(
        accuracy,
        None if known.stored_bytes is None else known.stored_bytes * size * math.exp(size_by),
        None if known.latency_ms is None else known.latency_ms * latency * math.exp(latency_by),
        others,
        accuracy_range,
        loss,
        doubt,
    )


def _lost(effect: Effect) -> float:
    """Of the accuracy; what gains some is not believed to."""
    return max(0.0, -effect.accuracy_change)


def accuracy_after(loss: float, half: float, known: Known) -> tuple[float | None, tuple[float, float] | None]:
    """The accuracy after a loss, given as its logarithm, and its range, so far on both sides of that loss.

    Never above the original's, nor below chance; None where that is not known.
    """
    if (before := known.accuracy) is None:
        return None, None
    low, at, high = (
        max(min(known.chance, before), min(before, before - (math.exp(there) - LEAST)))
        for there in (loss + half, loss, loss - half)
    )
    return at, (low, high)


def loss_of(result: Result, known: Known) -> float:
    """The logarithm of what a measured setting lost, for comparing with `Estimate.loss`."""
    assert known.accuracy is not None
    return math.log(max(0.0, known.accuracy - result.accuracy) + LEAST)


def lesson_of(settings: Settings, result: Result, known: Known, measured: Measured) -> Lesson | None:
    """What a measured setting teaches; None where it is no combination, or nothing is known of the baseline."""
    if len(_moved(settings)) + len(_unmeasured(settings)) < 2:
        return None
    alone = estimate(settings, known, measured)
    if alone.accuracy is None or not alone.stored_bytes or not alone.latency_ms:
        return None
    assert known.accuracy is not None and known.latency_ms is not None
    return Lesson(
        settings,
        _spot(known.subject, settings),
        loss_of(result, known) - alone.loss,
        math.log(result.stored_bytes / alone.stored_bytes),
        math.log(known.latency_ms * result.latency_ratio / alone.latency_ms),
    )


def _learned(subject: Subject, settings: Settings, lessons: Iterable[Lesson]) -> tuple[float, float, float]:
    """Means of what combinations of the same settings teach, the nearer the more, and less where none is near."""
    kind, here = _spot(subject, settings)
    total, sums = 1 / (_FAR**2 + _NEAR**2), [0.0, 0.0, 0.0]
    for lesson in lessons:
        other, there = lesson.spot
        if other != kind:
            continue
        distance = sum((one - another) ** 2 for one, another in zip(here, there, strict=True))
        weight = 1 / (distance + _NEAR**2)
        total += weight
        for number, taught in enumerate((lesson.loss, lesson.size, lesson.latency)):
            sums[number] += weight * taught
    loss, size, latency = (value / total for value in sums)
    return loss, size, latency


_SLIDERS = {curve.slider for curve in CURVES.values()}


@functools.lru_cache(maxsize=16_384)
def _spot(subject: Subject, settings: Settings) -> Spot:
    """Where settings stand.

    Those without effect on the recipe, chance, and the sliders' positions may differ. Positions are in lengths of a
    slider, bits by their logarithm. Found once: most settings are asked about again with the next move, or the next
    result (`outlook` asks about a thousand).
    """
    moved = _moved(settings)
    positions = tuple(
        math.log2(at) / math.log2(FLOAT_BITS) if CURVES[curve].neutral == FLOAT_BITS else at / 100
        for curve, at in moved
    )
    effective = settings_of(subject, recipe_of(subject, settings)) or settings
    unmoved = {name: getattr(UNMOVED, name) for name in ("seed", *_SLIDERS) if name not in STEP_TYPES}
    alike = tuple(
        step.model_copy(update=kind_of(type(step)).start) if step.technique in _SLIDERS else step
        for step in effective.structure
    )
    others = replace(effective, structure=alike, **unmoved)
    return (*(curve for curve, _ in moved), _interned(others)), positions


@functools.lru_cache(maxsize=4096)
def _interned(settings: Settings) -> Settings:
    """One object for all equal ones, so that they are told to be equal at once."""
    return settings


def _read_off(metric: Metric, moved: Iterable[tuple[str, int]], measured: Measured) -> float | None:
    """What the measured points of the moved sliders' curves let expect; None where one of them has none."""
    base, total, is_factor = None, 0.0, metric.side == "cost"
    for curve, position in moved:
        effects = {CURVES[curve].neutral: 0.0}
        for at, result in measured.get(curve, {}).items():
            number, base = (metric.read(each) for each in (result, result.baseline))
            if number is None or base is None or (is_factor and not (number > 0 and base > 0)):
                return None
            effects[at] = float(np.log(number / base)) if is_factor else number - base
        if len(effects) == 1:
            return None
        positions = sorted(effects)
        total += float(np.interp(position, positions, [effects[at] for at in positions]))
    if base is None:
        return None
    return base * float(np.exp(total)) if is_factor else min(1.0, max(0.0, base + total))


def _moved(settings: Settings) -> list[tuple[str, int]]:
    """The sliders that are not neutral, each with the curve it moves along and its position."""
    found = ((name, curve.position(settings)) for name, curve in CURVES.items())
    return [(name, position) for name, position in found if position is not None]


def _unmeasured(settings: Settings) -> list[Effect]:
    """Priors of what no curve measures."""
    others = (step for step in settings.structure if step.technique not in _SLIDERS)
    return [*without_curve(settings), *(structure(step, settings.budget != "none") for step in others)]


def _effect(curve: str, position: int, budget: Budget, results: Mapping[int, Result]) -> Effect:
    """What the curve measured at `position`, or between its neighbours, or beyond the last one."""
    row = CURVES[curve]
    known = {row.neutral: Effect()} | {at: _measured(result) for at, result in results.items()}
    if position in known:
        return replace(known[position], doubt=_EXACT if position != row.neutral else 0.0)
    rough = {at: _logarithms(row.effect(at, budget)) for at in (*known, position)}
    below = max((at for at in known if at < position), default=None)
    above = min((at for at in known if at > position), default=None)
    if below is None or above is None:
        nearest = above if below is None else below
        assert nearest is not None
        there = _logarithms(known[nearest])
        found = [at + new - old for at, new, old in zip(there, rough[position], rough[nearest], strict=True)]
        return _from_logarithms(found, _BEYOND)
    ends = [_logarithms(known[at]) for at in (below, above)]
    share = (position - below) / (above - below)
    found = [
        start + (end - start) * _way(rough[below][n], rough[position][n], rough[above][n], share)
        for n, (start, end) in enumerate(zip(*ends, strict=True))
    ]
    return _from_logarithms(found, max(_EXACT, abs(ends[1][0] - ends[0][0]) / 2))


def _way(start: float, here: float, end: float, share: float) -> float:
    """How far along it is from one neighbour to the other (0 to 1): as the prior is, or by their positions."""
    return share if start == end else min(1.0, max(0.0, (here - start) / (end - start)))


def _logarithms(effect: Effect) -> tuple[float, float, float]:
    """Of what is lost (plus `LEAST`), and of the factors."""
    return math.log(_lost(effect) + LEAST), math.log(effect.size_factor), math.log(effect.latency_factor)


def _from_logarithms(found: Sequence[float], doubt: float) -> Effect:
    loss, size, latency = found
    return Effect(-max(0.0, math.exp(loss) - LEAST), math.exp(size), math.exp(latency), doubt)


def _measured(result: Result) -> Effect:
    change = min(0.0, result.accuracy - result.baseline.accuracy)
    return Effect(change, result.stored_bytes / result.baseline.stored_bytes, result.latency_ratio)
