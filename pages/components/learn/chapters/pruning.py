"""Chapter 2: pruning."""

from __future__ import annotations

import numpy as np
import streamlit as st

from compression import units
from compression.charts.figure import Figure, percent
from compression.charts.palette import GREEN, ORANGE, PINK
from compression.explain.quiz import Question, accuracy_question
from compression.inquiries.course import SPARSITIES, Pruned, PruningInquiry
from compression.recipe.recipe import Recipe
from compression.recipe.steps import PATTERN_SPARSITY
from compression.search.curves import CURVES
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.learn import course
from pages.components.learn.chapter import Chapter, Lesson
from pages.components.learn.chapters.figures import figure, here, lines, weights_map

_PATTERNS = {
    "weights": ("Single weights", ORANGE, "square"),
    "blocks": ("Blocks of 4", GREEN, "diamond"),
    "channels": ("Whole outputs (channels)", CURVES["channel_pruning"].colour, "circle"),
    "2:4": ("2 of every 4", PINK, "star"),
    "1:4": ("3 of every 4", PINK, "star-triangle-up"),
}
"""What can go: its name, and the colour and the symbol of its curve."""


def _show(lesson: Lesson) -> Question | None:
    pattern = course.switch(
        "pattern",
        "What goes",
        {name: title for name, (title, *_) in _PATTERNS.items()},
        "weights",
        "Single weights can be chosen best. Whole outputs, in convolutions called channels, leave a smaller layer, "
        "which is faster where its width suits the kernels (chapter 9): here outputs stay in fours, where there are "
        "that many. 2 of every 4 is a pattern that some graphics chips can skip.",
    )
    sparsity = _sparsity(pattern)
    found = waiting.ask(PruningInquiry(recipe=lesson.recipe(), layer=lesson.layer.name), Pruned, key="pruning")
    if found is not None and pattern not in found.zeros:
        st.info(
            "This layer's outputs are the answers themselves, one for each class, so none of them can go. "
            "Choose another layer or another pattern.",
            icon=":material/info:",
        )
    elif found is not None:
        _picture(found, pattern, sparsity, lesson)
    return _question(lesson, pattern, sparsity)


def _sparsity(pattern: str) -> float:
    fixed = PATTERN_SPARSITY.get(pattern)
    if fixed is not None:
        st.caption(f"This pattern always makes {units.share(fixed)} zeros: no slider needed.")
        return fixed
    return course.slider(
        "sparsity",
        "How much goes",
        SPARSITIES,
        0.7,
        words=units.share,
        help_text="The smallest go first.",
    )


def _picture(found: Pruned, pattern: str, sparsity: float, lesson: Lesson) -> None:
    at = 0 if pattern in PATTERN_SPARSITY else SPARSITIES.index(sparsity)
    left = np.where(found.gone_at[pattern] > at, found.weights, np.nan)
    alt = f"Weights of {lesson.layer.name} that stay with {units.share(sparsity)} pruned"
    chart_view.show(weights_map(left, found.weights), key="chart_pruning_mask", alt=alt)
    zeros, error = float(found.zeros[pattern][at]), float(found.errors[pattern][at])
    size = "all" if found.weights.size == lesson.layer.size else f"{found.weights.size:,} of {lesson.layer.size:,}"
    st.caption(
        f"{size} weights of **{lesson.layer.name}**: blue is positive, orange negative, pale is close to zero, "
        f"empty is pruned. **{units.share(zeros)}** of the layer are zero now. As cut, its answers to real pictures "
        f"are off by **{units.share(error, 1)}** (squared, of how much they vary from picture to picture)."
    )
    chart_view.show(_curves(found, pattern, at), key="chart_pruning_error", alt="Error of the layer's answers")


def _curves(found: Pruned, pattern: str, at: int) -> Figure:
    traces = [
        trace
        for name, (title, colour, symbol) in _PATTERNS.items()
        if name in found.zeros
        for trace in lines(
            (100 * found.zeros[name]).tolist(),
            {title: (100 * found.errors[name], colour, symbol)},
            f"{percent('x')} zeros: {percent('y')} error",
        )
    ]
    return figure(
        [*traces, here(100 * float(found.zeros[pattern][at]), 100 * float(found.errors[pattern][at]))],
        300,
        "% of the layer's weights that are zero",
        "error of its answers as cut, %",
        yaxis={"rangemode": "tozero"},
    )


def _question(lesson: Lesson, pattern: str, sparsity: float) -> Question | None:
    if sparsity == 0:
        st.caption("With 0 % nothing is pruned. Move the slider.")
        return None
    as_cut, refitted = (recipe_of(lesson, pattern, sparsity, refitted=refitted) for refitted in (False, True))
    return accuracy_question(
        f"**{_what_goes(pattern, sparsity)}**, now in every layer of the network, as drawn: cut, and nothing repaired. "
        "What happens to its accuracy?",
        as_cut,
        _REASONS,
        ("The same cut, with what is left **refitted** to what each layer answered before (no training)", refitted),
    )


def _what_goes(pattern: str, sparsity: float) -> str:
    if pattern in PATTERN_SPARSITY:
        return f"{_PATTERNS[pattern][0]} weights go"
    return f"{units.share(sparsity)} of the {_SHARES[pattern]} go"


_SHARES = {"weights": "weights", "blocks": "blocks of 4 weights", "channels": "outputs"}


def recipe_of(lesson: Lesson, pattern: str, sparsity: float, *, refitted: bool) -> Recipe:
    """The whole network pruned as the picture shows a layer: the same share in each, by size."""
    if pattern == "channels":
        step = {"technique": "channel_pruning", "pruning_ratio": sparsity, "recalibrate": refitted}
    else:
        step = {"technique": "magnitude_pruning", "sparsity": sparsity, "pattern": pattern, "recalibrate": refitted}
        step["scope"] = "layer"
    return lesson.recipe(step)


_REASONS = {
    "better": "That can happen: pruning sometimes removes what the network had learned by heart. It is an exception, "
    "so look at the interval before you believe it.",
    "same": "What went hardly mattered for the accuracy on these images: small weights add little to an answer.",
    "little": "Some of what went did matter, and doubtful pictures tipped over.",
    "much": "Too much of what the layers say got lost. Each layer gets the errors of the layer before, and adds its "
    "own.",
    "collapse": "Much of what the network knew is lost when it is just cut. Each layer gets the errors of the layer "
    "before, and adds its own.",
}

CHAPTER = Chapter(
    name="pruning",
    title="Pruning",
    icon=":material/content_cut:",
    paragraphs=(
        "Training leaves many weights close to zero. A weight near zero changes the answer little, so **pruning** "
        "sets the smallest to exactly zero. Zeros need not be stored. A **layer** is one step of the network: each "
        "of its **outputs** (a row in the picture) is a weighted sum of its **inputs** (the columns).",
        "Pruning *single weights* does least harm, but the gaps are scattered, and ordinary chips multiply by the "
        "zeros all the same. Pruning *whole outputs* leaves a layer that is really smaller, and faster where its width "
        "suits the chip (chapter 9), but takes good weights along with bad ones. **N:M patterns** lie between: of "
        "every 4 neighbours, 2 (or 3) go.",
    ),
    papers=(
        "Han, Pool, Tran, Dally (2015), [Learning both Weights and Connections for Efficient Neural Networks]"
        "(https://arxiv.org/abs/1506.02626)",
        "Li and others (2017), [Pruning Filters for Efficient ConvNets](https://arxiv.org/abs/1608.08710)",
        "Mishra and others (2021), [Accelerating Sparse Deep Neural Networks](https://arxiv.org/abs/2104.08378)",
    ),
    show=_show,
)
