"""A measured result for people who decide: a verdict, what it means in practice, and the risk. Torch-free.

What it means rests on assumptions, which are always shown with it. Energy is a labelled model
(`compression.results.energy`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from compression import units
from compression.errors import InvalidRecipe
from compression.explain import verdict
from compression.explain.differences import percent
from compression.explain.verdict import Tone, Verdict
from compression.results import energy, predictions
from compression.results.energy import Memory
from compression.results.metrics import METRICS, Effect, energy_of
from compression.results.predictions import Answers, Recall
from compression.results.record import Measures, Result
from compression.results.score import says

_MEGA = 1e6


@dataclass(frozen=True)
class Assumptions:
    """What the numbers beside the measured ones rest on: `LIMITS` holds legal values, `ASSUMED` the words."""

    mbits: float = 0.1
    flash_mb: float = 1.0
    inferences: float = 1e9
    hour_price: float = 0.04
    kwh_price: float = 0.25
    intensity: float = energy.WORLD_GRID
    memory: Memory = "cache"


LIMITS: Mapping[str, tuple[float, float]] = {
    "mbits": (0.01, 10_000.0),
    "flash_mb": (0.001, 100_000.0),
    "inferences": (1.0, 1e12),
    "hour_price": (0.0, 1000.0),
    "kwh_price": (0.0, 100.0),
    "intensity": (0.0, 2000.0),
}
"""Smallest and largest value of each number in `Assumptions`."""

ASSUMED: Mapping[str, tuple[str, str]] = {
    "mbits": (
        "Download, Mbit/s",
        "0.1 is what a radio link for sensors and meters (NB-IoT) brings; 4G outdoors in a city has about 20.",
    ),
    "flash_mb": ("Flash memory, MB", "What a small microcontroller has. 1 MB is 1,000,000 bytes."),
    "inferences": ("Images, millions", "How many images the network looks at: one a second for 32 years is a billion."),
    "hour_price": ("One vCPU for an hour, $", "About what a general-purpose virtual machine costs in a cloud."),
    "kwh_price": ("Electricity, $ a kWh", "For the energy model only."),
    "intensity": ("CO₂, g a kWh", f"{energy.WORLD_GRID:.0f} is the world's average grid."),
    "memory": (
        "Weights come from",
        "A small network stays in the cache; a byte from DRAM costs a hundred times as much.",
    ),
}
"""Title and explanation of each assumption."""


def assumptions_from(parameters: Mapping[str, str]) -> Assumptions:
    """Read a link's query parameters, any of which may be missing; raises `InvalidRecipe`, naming the value."""
    found: dict[str, object] = {name: _number(name, parameters[name]) for name in LIMITS if name in parameters}
    memory = parameters.get("memory", "cache")
    if memory not in energy.BYTE_PJ:
        raise InvalidRecipe(f"The link's memory must be cache or dram, but is {memory[:80]!r}.")
    return Assumptions(**found, memory=memory)  # type: ignore[arg-type]  # the types are those of the fields


def _number(name: str, text: str) -> float:
    low, high = LIMITS[name]
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise InvalidRecipe(f"The link's {name} must be a number from {low:g} to {high:g}, but is {text[:80]!r}.")
    return value


def parameters_of(assumed: Assumptions) -> dict[str, str]:
    """The query parameters of assumptions: those that are not the usual ones."""
    usual = Assumptions()
    changed = [field.name for field in fields(assumed) if getattr(assumed, field.name) != getattr(usual, field.name)]
    return {name: f"{getattr(assumed, name):.12g}" if name in LIMITS else getattr(assumed, name) for name in changed}


# The three numbers.


@dataclass(frozen=True)
class BigNumber:
    """One number that everybody remembers, with what it was before."""

    title: str
    value: str
    before: str
    tone: Tone


_TONES: Mapping[Effect, Tone] = {"better": "good", "same": "neutral", "worse": "bad"}


@says
def big_numbers(result: Result) -> tuple[BigNumber, BigNumber, BigNumber]:
    """Size, time and accuracy; nothing is a gain beside an accuracy that collapsed."""
    old, collapsed = result.baseline, verdict.has_collapsed(result)
    size, speed, accuracy = (
        "neutral" if collapsed and effect == "better" else _TONES[effect] for effect in verdict.effects(result)
    )
    times = (units.milliseconds(one.latency_p50_ms) for one in (old, result))
    ratio, low, high = result.latency_ratio, result.latency_ratio_low, result.latency_ratio_high
    return (
        BigNumber(
            "File to ship (stored file)",
            verdict.size_words(result),
            f"{units.size(old.stored_bytes)} before, {units.size(result.stored_bytes)} after",
            size,
        ),
        BigNumber(
            "Time for an image",
            units.speed_change(ratio, low, high).removesuffix(" in speed"),
            "{} before, {} after{}".format(*times, units.in_brackets(units.speed_interval(low, high))),
            speed,
        ),
        BigNumber(
            "Right answers",
            percent(result),
            f"{percent(old)} before: {accuracy_words(result)}",
            accuracy,
        ),
    )


@says
def accuracy_words(result: Result) -> str:
    """Whether the accuracy changed measurably, and between which bounds."""
    effect = verdict.accuracy_effect(result)
    found = "no measurable difference" if effect == "same" else f"measurably {effect}"
    low, high = result.accuracy_difference_low, result.accuracy_difference_high
    return f"{found}, {units.points_between(low, high, units.decimals_for(result.n_test))}"


# Several settings beside each other, for people who choose one.

AT_MOST = 2
"""Alternatives beside the presented setting: with the original four marks on a chart."""

PRESENTED = "after"
"""What the presented setting is called on charts, beside "before"."""


@dataclass(frozen=True)
class Option:
    """One setting: what charts call it, its recipe in words, the verdict and the three numbers."""

    name: str
    setting: str
    verdict: Verdict
    numbers: tuple[BigNumber, BigNumber, BigNumber]


def names_on_charts(count: int) -> list[str]:
    """What charts call the presented setting and `count` alternatives."""
    return [PRESENTED, *(f"alternative {number + 1}" for number in range(count))]


@says
def options(result: Result, others: Sequence[Result], measured: Collection[Result]) -> tuple[Option, ...]:
    """The presented setting first; each is judged beside all that is `measured`."""
    return tuple(
        Option(name, one.words, verdict.judge(one, measured), big_numbers(one))
        for name, one in zip(names_on_charts(len(others)), (result, *others), strict=True)
    )


# What it means.


@dataclass(frozen=True)
class Meaning:
    """One consequence: before and after in words, and what it was computed from.

    `against` is the measurement that went the other way, where a model says this.
    """

    title: str
    before: str
    after: str
    how: str
    is_model: bool = False
    against: str = ""


@says
def meanings(result: Result, assumed: Assumptions) -> tuple[Meaning, ...]:
    """What the measured numbers mean under these assumptions."""
    before, count = result.baseline, units.images(assumed.inferences)
    place = "the cache" if assumed.memory == "cache" else "DRAM"
    downloads = [download_seconds(one, assumed) for one in (before, result)]
    computing = [assumed.inferences * one.latency_p50_ms / 1000 for one in (result.baseline, result)]
    spent = [joules(one, assumed) for one in (before, result)]
    carbon = [one / energy.JOULES_PER_KWH * assumed.intensity for one in spent]
    prices = _prices([seconds / 3600 * assumed.hour_price for seconds in computing])
    bills = _prices([one / energy.JOULES_PER_KWH * assumed.kwh_price for one in spent])

    def line(title: str, both: Iterable[str], how: str) -> Meaning:
        then, now = both
        return Meaning(title, then, now, how)

    modelled = line(
        f"Energy of {count}",
        map(_joined, _both(units.energy, spent), (f"{mass} CO₂" for mass in _both(units.grams, carbon)), bills),
        f"{energy.MODEL}; weights from {place}, ${assumed.kwh_price:g} and {assumed.intensity:g} g of CO₂ a kWh"
        f"{_under_a_cent(bills)}",
    )
    return (
        line(
            f"Download at {assumed.mbits:g} Mbit/s",
            _both(units.long_time, downloads),
            "the stored file, transfer alone",
        ),
        line(
            f"How many fit in {assumed.flash_mb:g} MB of flash",
            (f"{fitting(one, assumed):,}" for one in (before, result)),
            "stored files with nothing else beside them; a network is decoded before it runs",
        ),
        line(
            f"Computing {count}",
            map(_joined, _both(units.long_time, computing), prices),
            f"one core like this machine's, one image after the other, at ${assumed.hour_price:g} an hour"
            f"{_under_a_cent(prices)}; {verdict.speed_words(result)}",
        ),
        replace(modelled, is_model=True, against=energy_of(assumed.memory).contradicted(result, before)),
    )


def _both(words: Callable[[float, float], str], amounts: Sequence[float]) -> tuple[str, str]:
    """Two amounts in units that go with each other."""
    before, now = amounts
    return words(before, now), words(now, before)


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _prices(dollars: Sequence[float]) -> tuple[str, ...]:
    """What both cost; nothing where neither costs a cent: that is said once."""
    return tuple(map(money, dollars)) if max(dollars) >= CENT else ("",) * len(dollars)


def _under_a_cent(prices: Sequence[str]) -> str:
    return "" if any(prices) else ", which is less than a cent in both cases"


CENT = 0.01


def download_seconds(measures: Measures, assumed: Assumptions) -> float:
    """For the stored file."""
    return 8 * measures.stored_bytes / (assumed.mbits * _MEGA)


def fitting(measures: Measures, assumed: Assumptions) -> int:
    """Whole stored files in the flash memory."""
    return int(round(assumed.flash_mb * _MEGA) // measures.stored_bytes)


def joules(measures: Measures, assumed: Assumptions) -> float:
    """Of all inferences, by the model."""
    return assumed.inferences * energy.energy(measures, assumed.memory).joules


def money(dollars: float) -> str:
    """'$1,234.50', '$0.43', and two digits of what is less: '$0.012', '$0.0043'."""
    if dollars == 0:
        return "$0"
    return f"${dollars:,.{max(2, 1 - math.floor(math.log10(dollars)))}f}"


# The risk.


@dataclass(frozen=True)
class Risk:
    """What may go wrong: a number, and what it says."""

    title: str
    value: str
    text: str


@says
def risks(
    result: Result, answers: Answers | None = None, before: Answers | None = None, names: Sequence[str] = ()
) -> tuple[Risk, ...]:
    """The accuracy's interval, the worst class, changed predictions; without answers what the row alone says."""
    difference = ""
    if not result.is_baseline:
        difference = f"Against the original, on the same images, it is {accuracy_words(result)}."
    certain = Risk(
        "How sure is the accuracy?",
        f"{METRICS['accuracy'].said_interval(result)} %",
        f"With 95 % confidence it lies in this range, on images like the {result.n_test:,} test images. These chose "
        f"nothing: neither the training nor the compression ever saw them. {difference}",
    )
    changed = f"{result.changed_predictions:,} of {result.n_test:,}"
    if answers is None or before is None:
        return certain, Risk("Changed predictions", changed, "Test images that get another answer than before.")
    return (
        certain,
        _worst_risk(answers, before, names),
        Risk("Changed predictions", changed, _changed_words(answers, before)),
    )


def _worst_risk(answers: Answers, before: Answers, names: Sequence[str]) -> Risk:
    worst = predictions.worst(predictions.recalls(answers))
    old = next(recall for recall in predictions.recalls(before) if recall.index == worst.index)
    most = predictions.class_changes(answers, before)[0]
    lost = ""
    if most.difference.difference < 0:
        sure = "measurable" if most.p_value < 0.05 else "may be chance"
        digits = units.decimals_for(len(answers.labels))
        found = most.difference
        lost = (
            f" “{names[most.index]}” lost most: {units.points(found.difference, digits)} points "
            f"({units.points_between(found.low, found.high, digits)}; {sure})."
        )
    return Risk(
        "Worst class",
        f"“{names[worst.index]}”: {units.share(worst.share, 1)}",
        f"Recognized: {recall_words(worst)}; before {recall_words(old)}.{lost}",
    )


def recall_words(recall: Recall) -> str:
    """'81.2 % (78.6–83.5) of 1,000'."""
    decimals = units.decimals_for(recall.total)
    interval = units.percent_interval(recall.low, recall.high, decimals)
    return f"{units.share(recall.share, decimals)} ({interval}) of {recall.total:,}"


def _changed_words(answers: Answers, before: Answers) -> str:
    """Every image with another answer is in one of three groups."""
    changed = answers.predictions != before.predictions
    broken = int((before.right & ~answers.right).sum())
    fixed = int((~before.right & answers.right).sum())
    return (
        f"Test images with another answer than before: {broken:,} turned from right to wrong, {fixed:,} from wrong to "
        f"right, {int(changed.sum()) - broken - fixed:,} from one wrong answer to another."
    )


def best_of(results: Iterable[Result]) -> Result | None:
    """The smallest stored file without a measurable loss of accuracy; None where nothing is smaller than before.

    It is chosen by validation images: those of the test then say without favour how accurate it is.
    """
    kept = [
        result
        for result in results
        if not result.is_baseline and verdict.size_effect(result) == "better" and result.choosing.difference_high >= 0
    ]
    return min(kept, key=lambda result: result.stored_bytes, default=None)
