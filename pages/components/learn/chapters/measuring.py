"""Chapter 9: measuring honestly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from compression import units
from compression.charts.figure import Figure, Trace, digits, error_bars, histogram, line, percent, scatter
from compression.charts.palette import BLUE, GREEN, NEUTRAL, ORANGE, VIOLET
from compression.explain.arithmetic import wrong_verdicts
from compression.explain.quiz import Question, speed_question
from compression.inquiries.course import Timed, TimingInquiry
from compression.models.subject import Subject
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.words import recipe_in_words
from compression.results.record import Result
from compression.results.significance import trimmed_mean
from compression.search.curves import CURVES
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.learn import course
from pages.components.learn.chapter import Chapter, Lesson
from pages.components.learn.chapters.figures import OPERATIONS_AND_TIME, as_operations, figure, here, lines

RUNS = (1, 3, 5, 10, 20, 30, 50)
"""Positions of the slider; a round of the inquiry has as many runs as the last."""

_QUANTIZED = {"technique": "quantization", "weight_bits": 8, "activation_bits": 8}
_VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "quantization": ("8-bit weights and activations", _QUANTIZED),
    "magnitude_pruning": ("half of the weights zero", {"technique": "magnitude_pruning", "sparsity": 0.5}),
    "channel_pruning": ("a quarter of the channels gone", {"technique": "channel_pruning", "pruning_ratio": 0.25}),
}


def _show(lesson: Lesson) -> Question | None:
    titles = {name: title for name, (title, _) in _VARIANTS.items()}
    variant = course.switch("variant", "Compared with the network as it is", titles, "quantization")
    runs = course.slider("runs", "Runs of each that you take", RUNS, 1)
    title, step = _VARIANTS[variant]
    found = waiting.ask(TimingInquiry(recipe=lesson.recipe(step)), Timed, key="timing")
    if found is not None:
        _noise(found, runs, title)
    st.markdown("**Operations are not time**")
    every = waiting.measure(recipes_of(lesson.subject), "learn", key="cloud", background=True)
    results = [result for result in every if result is not None]
    if results:
        _work_against_time(results, is_all=len(results) == len(every))
    return _question(lesson)


def recipes_of(subject: Subject) -> list[Recipe]:
    """Real settings of a model with fewer operations, and some with as many."""
    steps: list[dict[str, Any]] = [
        *({"technique": "channel_pruning", "pruning_ratio": ratio} for ratio in (0.25, 0.5, 0.75)),
        {"technique": "low_rank", "rank_ratio": 0.25},
        {"technique": "magnitude_pruning", "sparsity": 0.8},
        _QUANTIZED,
        *([{"technique": "depthwise_separable", "share": 1}] if subject.has_ordinary_convolutions else []),
    ]
    return [make_recipe(subject.name, [step]) for step in steps]


def _noise(found: Timed, runs: int, variant: str) -> None:
    chart_view.show(_histogram(found, variant), key="chart_timing_runs", alt="Histogram of single runs")
    variant_ms, baseline_ms = (float(np.median(times)) for times in found.times_ms)
    count = found.times_ms[0].size
    st.caption(
        f"{count:,} single runs of each, taken in turns, on this machine. Medians (half of the runs are faster): "
        f"{units.milliseconds(baseline_ms)} as it is, {units.milliseconds(variant_ms)} with {variant}. Time of the "
        f"second, in % of the first: **{units.share(found.ratio)}, 95 % interval "
        f"{units.share(found.ratio_low)} to {units.share(found.ratio_high)}**. {_left_out(found)}"
    )
    chart_view.show(_verdicts(found, runs), key="chart_timing_wrong", alt="How often few runs mislead")
    share = 100 * float(wrong_verdicts(found.times_ms, [runs])[0])
    trial = f"the medians of **{units.counted(runs, 'run')}** of each, taken one after the other"
    if found.ratio_low <= 1 <= found.ratio_high:
        st.caption(
            f"Even all runs together cannot tell which of the two is faster. {units.capital(trial)}, would "
            f"still have named one, and in **{share:.1f} %** of all cases not the one that all runs lean to. "
            f"{_one_trial(found, runs)}"
        )
    else:
        st.caption(
            f"Had you compared {trial}, you would have named the wrong one as faster in **{share:.1f} %** of all "
            f"cases. {_one_trial(found, runs)}"
        )


def _longest_drawn(found: Timed) -> float:
    """Milliseconds: a few runs take ten times as long as the others, and would press these into one bar."""
    return 3 * float(np.median(found.times_ms, axis=(1, 2)).max())


def _left_out(found: Timed) -> str:
    longest = _longest_drawn(found)
    slow = int((found.times_ms > longest).sum())
    if not slow:
        return ""
    worst = units.milliseconds(float(found.times_ms.max()))
    return f"{slow} of {found.times_ms.size:,} runs took longer than is drawn, the slowest {worst}."


def _one_trial(found: Timed, runs: int) -> str:
    """What the first so many runs alone would have said."""
    first = found.times_ms[:, 0, :runs].astype(np.float64)
    centre, half = trimmed_mean(np.log(first[0] / first[1]))
    ratio, low, high = (units.share(float(np.exp(at))) for at in (centre, centre - half, centre + half))
    interval = f", interval {low} to {high}" if runs > 1 else ", and cannot say how sure that is"
    return f"The first such trial says {ratio}{interval}."


def _histogram(found: Timed, variant: str) -> Figure:
    edges = np.linspace(float(found.times_ms.min()), _longest_drawn(found), 61)
    both = (("as it is", found.times_ms[1], NEUTRAL), (variant, found.times_ms[0], BLUE))
    hover = f"%{{y}} runs around {digits('x')} ms"
    return figure(
        [
            histogram(np.histogram(ms, edges)[0], edges, colour, title, hover, opacity=0.65)
            for title, ms, colour in both
        ],
        330,
        "milliseconds for one image",
        "runs",
        barmode="overlay",
        bargap=0,
        shapes=[line(colour, 3, x=float(np.median(ms))) for _, ms, colour in both],
    )


def _verdicts(found: Timed, runs: int) -> Figure:
    wrong = 100 * wrong_verdicts(found.times_ms, RUNS)
    curve = {"the slower one seems faster": (wrong, ORANGE, "square")}
    return figure(
        [*lines(RUNS, curve, f"%{{x}} runs: {percent('y')} wrong"), here(runs, float(wrong[RUNS.index(runs)]))],
        260,
        "runs of each",
        "% wrong verdicts",
        xaxis={"type": "log", "tickvals": list(RUNS)},
        yaxis={"rangemode": "tozero"},
    )


_LOOKS: dict[str, tuple[str, str, str]] = {
    "channel_pruning": (CURVES["channel_pruning"].words, BLUE, "circle"),
    "low_rank": (CURVES["low_rank"].words, VIOLET, "cross"),
    "magnitude_pruning": (CURVES["magnitude_pruning"].words, ORANGE, "square"),
    "quantization": ("Quantization to 8 bits", GREEN, "diamond"),
    "depthwise_separable": (CURVES["depthwise_separable"].words, VIOLET, "x"),
}


def _work_against_time(results: Sequence[Result], *, is_all: bool) -> None:
    chart_view.show(_cloud(results), key="chart_work_time", alt="Time against operations of real settings")
    above = sum(one.latency_ratio_low > one.macs / one.baseline.macs for one in results)
    below = sum(one.latency_ratio_high < one.macs / one.baseline.macs for one in results)
    counted = (
        f"Above the dashed line (more operations saved than time): {above} of {len(results)}, below it (more time "
        f"saved than operations): {below}; the intervals of the others touch it. "
    )
    st.caption(
        "Real settings of this network, each measured in turns with the network as it is, with 95 % intervals. "
        f"{counted if is_all else ''}ONNX Runtime multiplies by zeros like by any other number. Numbers of 8 bits make "
        "each operation cheaper, not fewer. A setting that is timed above too was timed anew there: two measurements "
        "differ by chance."
    )


def _cloud(results: Sequence[Result]) -> Figure:
    clouds = []
    for technique, look in _LOOKS.items():
        if mine := [one for one in results if one.recipe["steps"][0]["technique"] == technique]:
            clouds.append(_points(mine, *look))
    from_zero = {"rangemode": "tozero"}
    return figure(
        [as_operations(0, 100), *clouds], 380, "% of the operations", "% of the time", xaxis=from_zero, yaxis=from_zero
    )


def _points(results: Sequence[Result], title: str, colour: str, symbol: str) -> Trace:
    ends = ("latency_ratio", "latency_ratio_low", "latency_ratio_high")
    ratios, lows, highs = ([100 * getattr(one, end) for one in results] for end in ends)
    return scatter(
        title,
        [100 * one.macs / one.baseline.macs for one in results],
        ratios,
        OPERATIONS_AND_TIME,
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 12},
        error_y=error_bars(ratios, lows, highs, colour),
        hovertext=[recipe_in_words(one.parsed_recipe) for one in results],
    )


def _question(lesson: Lesson) -> Question:
    recipe = lesson.recipe({"technique": "channel_pruning", "pruning_ratio": 0.5, "target": "macs"})
    return speed_question(
        "The engine removes channels until **half of the multiplications** are gone. How long will one image take, "
        "compared with before?",
        recipe,
        COUNTED,
        REASONS,
    )


COUNTED = "{} of the multiplications are left"
_NO_TIME = "and that bought no time: kernels like certain widths, and fetching numbers takes time too."
REASONS = {
    "slower": _NO_TIME,
    "same": _NO_TIME,
    "less": "but more of the time: each layer also fetches and writes numbers, and starting it takes as long as "
    "before. The smaller the network, the more that counts.",
    "alike": "and as much of the time, as far as the interval can tell. Here multiplications count.",
    "more": "and even less of the time: what is smaller often fits better into the processor's caches.",
}

CHAPTER = Chapter(
    name="measuring",
    title="Measuring honestly",
    icon=":material/timer:",
    paragraphs=(
        "Run the same network twice, and it takes a different time. Other programs get in between, the processor "
        "changes its speed, memory lies elsewhere. One run of each tells little. Many runs, taken **in turns**, and "
        "their **median** tell more, and an **interval** says how sure that is: repeated, 95 of 100 such intervals "
        "would contain the truth.",
        "Papers often count multiplications (**MACs**, multiply-accumulates) instead of measuring. Counting is "
        "exact, but it counts the wrong thing: a chip also fetches numbers, starts steps, and has favourite shapes. "
        "Half the multiplications may be half the time, or nearly all of it. Only a clock can tell, on the chip "
        "that matters.",
    ),
    papers=(
        "Blalock, Gonzalez Ortiz, Frankle, Guttag (2020), [What is the State of Neural Network Pruning?]"
        "(https://arxiv.org/abs/2003.03033)",
        "Georges, Buytaert, Eeckhout (2007), [Statistically Rigorous Java Performance Evaluation]"
        "(https://doi.org/10.1145/1297027.1297033)",
    ),
    show=_show,
    uses_layer=False,
)
