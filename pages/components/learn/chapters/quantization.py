"""Chapter 3: quantization."""

from __future__ import annotations

import numpy as np
import streamlit as st

from compression import units
from compression.charts.figure import Figure, bars, digits, line, scatter
from compression.charts.palette import ACCENT, BLUE, GREEN, NEUTRAL, ORANGE, PINK, VIOLET
from compression.explain.quiz import Question, accuracy_question
from compression.inquiries.course import BITS, Rounded, RoundingInquiry
from compression.recipe.recipe import Recipe
from compression.recipe.words import recipe_in_words
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.learn import course
from pages.components.learn.chapter import Chapter, Lesson
from pages.components.learn.chapters.figures import figure, here, lines, weights_map

_SCALES = {"channel": "One for each output", "tensor": "One for the whole layer"}
_METHODS = {"nearest": "To the largest weight", "mse": "Clipped"}
_CURVES = {
    "channel mse": ("each output, clipped", GREEN, "diamond"),
    "channel nearest": ("each output, full range", BLUE, "circle"),
    "tensor mse": ("whole layer, clipped", ORANGE, "square"),
    "tensor nearest": ("whole layer, full range", PINK, "triangle-up"),
}
MOST_LEVELS = 40
"""Levels drawn as ticks: more would be one thick line."""


def _show(lesson: Lesson) -> Question | None:
    bits = course.slider("bits", "Bits for each weight", BITS, 3, help_text="With b bits there are at most 2ᵇ values.")
    scales = course.switch("scale", "Size of the steps", _SCALES, "channel")
    method = course.switch(
        "range",
        "How far the grid reaches",
        _METHODS,
        "nearest",
        "Clipped: a few large weights are cut off, so that the steps for all others get finer. With one bit there is "
        "nothing to clip.",
    )
    found = waiting.ask(RoundingInquiry(recipe=lesson.recipe(), layer=lesson.layer.name), Rounded, key="rounding")
    if found is not None:
        _picture(found, bits, scales, method, lesson)
    return _question(lesson, bits, scales, method)


def _picture(found: Rounded, bits: int, scales: str, method: str, lesson: Lesson) -> None:
    grid, at = f"{scales} {method}", BITS.index(bits)
    levels, values = found.levels[grid][at], found.rounded[grid][at]
    levels = levels[~np.isnan(levels)]
    drawn = _number_line(found.sample, levels, values)
    chart_view.show(drawn, key="chart_rounding_line", alt="Weights and where they round to")
    used = len(np.unique(values))
    st.caption(
        f"{len(found.sample)} weights of one output of **{lesson.layer.name}** (blue, above) and what becomes of them "
        f"(orange, below). There are {len(levels)} values to choose from; these weights use {used} of them. "
        + (f"The values are {units.three_digits(float(np.diff(levels).min()))} apart." if len(levels) > 1 else "")
    )
    rounded = weights_map(found.corners[grid][at], found.weights)
    chart_view.show(rounded, key="chart_rounding_layer", alt="The layer with rounded weights")
    st.caption(
        f"The layer itself after rounding: {found.weights.size:,} of its {lesson.layer.size:,} weights, blue for "
        "positive, orange for negative, pale for close to zero. Fewer bits, fewer shades."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        chart_view.show(
            _errors(found, grid, at), key="chart_rounding_error", alt="Error of the layer's answers by bits"
        )
        st.caption(
            "How far the layer's answers to real pictures are off (squared, in % of how much they vary). Up to 4 bits "
            "biases then make up for what all answers shift alike, where that helps."
        )
    with right:
        chart_view.show(_ranges(found), key="chart_rounding_ranges", alt="Smallest and largest weight of each output")
        st.caption(
            "From the smallest to the largest weight of each output. One grid for the whole layer must be as wide as "
            "the widest of them (dashed)."
        )


def _number_line(weights: np.ndarray, levels: np.ndarray, values: np.ndarray) -> Figure:
    """Weights above, the grid below, and a line from each weight to the value it gets."""
    sample, rounded = weights.tolist(), values.tolist()
    reach = 1.08 * max(abs(value) for value in (*sample, *rounded))
    inside = levels[np.abs(levels) <= reach]
    x = [x for before, after in zip(sample, rounded, strict=True) for x in (before, after, None)]
    look = {"color": NEUTRAL, "width": 1.5}
    traces = [scatter("", x, [1, 0, None] * len(sample), mode="lines", line=look, showlegend=False)]
    for title, places, y, colour, symbol in (
        ("weight as trained", sample, 1, BLUE, "circle"),
        ("rounded", rounded, 0, ORANGE, "square"),
    ):
        marker = {"color": colour, "symbol": symbol, "size": 12}
        traces.append(scatter(title, places, [y] * len(places), digits("x"), mode="markers", marker=marker))
    return figure(
        traces,
        230,
        "value of a weight",
        "",
        xaxis={"range": [-reach, reach]},
        yaxis={"range": [-0.45, 1.3], "showticklabels": False, "showgrid": False},
        shapes=[
            line(NEUTRAL, dash="dot", x=level) for level in (inside.tolist() if len(inside) <= MOST_LEVELS else ())
        ],
    )


def _errors(found: Rounded, grid: str, at: int) -> Figure:
    curves = {title: (100 * found.errors[name], colour, symbol) for name, (title, colour, symbol) in _CURVES.items()}
    return figure(
        [*lines(BITS, curves, f"%{{x}} bits: {digits('y')} %"), here(BITS[at], 100 * float(found.errors[grid][at]))],
        380,
        "bits",
        "error of the answers, %",
        xaxis={"dtick": 1},
        yaxis={"type": "log", "dtick": 1, "minor": {"ticks": ""}, "tickformat": "~g"},
    )


def _ranges(found: Rounded) -> Figure:
    order = np.argsort(np.abs(found.ranges).max(axis=1))
    low, high = found.ranges[order].T.astype(np.float64)
    widest = float(np.abs(found.ranges).max())
    ends = np.stack([low, high], 1).tolist()
    hover = f"{digits('customdata[0]')} to {digits('customdata[1]')}"
    spans = bars("", range(len(order)), (high - low).tolist(), VIOLET, hover, base=low.tolist(), customdata=ends)
    return figure(
        [spans],
        380,
        "outputs, narrow to wide",
        "weights",
        xaxis={"showticklabels": False, "showgrid": False},
        showlegend=False,
        shapes=[line(ACCENT, 2, y=end) for end in (-widest, widest)],
    )


def _question(lesson: Lesson, bits: int, scales: str, method: str) -> Question:
    recipe = recipe_of(lesson, bits, scales, method)
    return accuracy_question(
        f"**What will happen at {units.counted(bits, 'bit')}?** All weights of the network are rounded this way "
        f"({recipe_in_words(recipe)}), without training. What happens to its accuracy?",
        recipe,
        _REASONS,
    )


def recipe_of(lesson: Lesson, bits: int, scales: str, method: str) -> Recipe:
    """All weights rounded as drawn."""
    return lesson.recipe({"technique": "quantization", "weight_bits": bits, "granularity": scales, "method": method})


_REASONS = {
    "better": "That can happen: rounding sometimes tips a doubtful answer to the right side. It is an exception, so "
    "look at the interval before you believe it.",
    "same": "Each weight is a little off, some up and some down, and in a sum of many weights most of that cancels. "
    "What is left is too small to show in the accuracy on these images.",
    "little": "The steps are now coarse enough for the errors to show in doubtful pictures. Finer steps, or rounding "
    "that looks at the answers (GPTQ and AdaRound in Explore), can often win this back.",
    "much": "Many weights now share a few values, and what they said about each other got lost. Clipping makes the "
    "error of a layer smaller, not always that of the network: compare. Rounding that looks at the answers (GPTQ in "
    "Explore) saved more at 2 bits on every network here.",
    "collapse": "So few values are left that many weights say the same, or nothing at all, and each layer's errors add "
    "to those of the layer before. Rounding that looks at the answers (GPTQ in Explore) saved much of it on every "
    "network here.",
}

CHAPTER = Chapter(
    name="quantization",
    title="Quantization",
    icon=":material/grid_4x4:",
    paragraphs=(
        "A trained weight is a number with many digits, such as 0.0731926. **Quantization** keeps only a few evenly "
        "spaced values, a **grid**, and rounds each weight to the nearest. With *b* bits there are at most 2ᵇ values: "
        "with 8 bits about 256, with 3 bits only 7 or 8. The file then stores which value, not the value itself.",
        "Two things decide how good the grid is. **Clipping**: should it reach the largest weight, or stop before, so "
        "that the steps get finer for all others? **One grid for each output** or one for the layer: outputs with "
        "small weights suffer when they share a grid with those that have large ones.",
    ),
    papers=(
        "Jacob and others (2018), "
        "[Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference]"
        "(https://arxiv.org/abs/1712.05877)",
        "Banner, Nahshan, Hoffer, Soudry (2019), "
        "[Post-training 4-bit quantization of convolution networks for rapid-deployment]"
        "(https://arxiv.org/abs/1810.05723)",
    ),
    show=_show,
)
