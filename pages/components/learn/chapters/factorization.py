"""Chapter 6: factorization."""

from __future__ import annotations

import numpy as np
import streamlit as st

from compression import units
from compression.charts.figure import Figure, digits
from compression.charts.palette import BLUE, VIOLET
from compression.explain.arithmetic import break_even_rank, thin_weights
from compression.explain.quiz import Question, accuracy_question
from compression.inquiries.course import Factored, FactorInquiry
from compression.kernels import nearest_multiple
from compression.recipe.recipe import Recipe
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.learn import course
from pages.components.learn.chapter import Chapter, Lesson
from pages.components.learn.chapters.figures import figure, here, lines, weights_map
from pages.components.shown import elements

_SHARES = (5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 90, 100)


def _show(lesson: Lesson) -> Question | None:
    share = course.slider(
        "rank",
        "Rank",
        _SHARES,
        25,
        words=lambda part: f"{part} % of full",
        help_text="How many numbers pass between the two thin layers, against as many as could ever matter. In fours, "
        "which kernels like.",
    )
    found = waiting.ask(FactorInquiry(recipe=lesson.recipe(), layer=lesson.layer.name), Factored, key="factors")
    if found is not None:
        _picture(found, rank_of(found, share))
    return _question(lesson, share)


def rank_of(found: Factored, share: int) -> int:
    """The rank that the layer gets at this percentage of its full one."""
    return nearest_multiple(min(found.shape), share / 100)


def _picture(found: Factored, rank: int) -> None:
    outputs, inputs = found.shape
    thin, whole = thin_weights(outputs, inputs, rank), outputs * inputs
    with st.container(horizontal=True, gap="large", key="factor_numbers"):
        change = f"{units.share(thin / whole)} of the layer's {whole:,}"
        elements.number(f"Weights at rank {rank}", f"{thin:,}", change)
        elements.number("Error of its answers", units.share(float(found.errors[rank]), 1))
    again = found.left[:, :rank].astype(np.float64) @ found.right[:rank].astype(np.float64)
    for title, table, key in (("The layer", found.weights, "whole"), (f"At rank {rank}", again, "thin")):
        st.markdown(f"**{title}**")
        chart_view.show(weights_map(table, found.weights), key=f"chart_factors_{key}", alt=f"{title}: its weights")
    even = break_even_rank(outputs, inputs)
    st.caption(
        f"A corner of the layer, which has {outputs:,} outputs × {inputs:,} inputs: blue is positive, orange negative, "
        f"pale close to zero. Rank {rank} keeps {outputs:,} × {rank} and "
        f"{rank} × {inputs:,} weights. "
        + (f"Only up to rank {even} are these fewer than before." if even < min(found.shape) else "")
        + (" So the engine leaves this layer as it is." if thin >= whole else "")
    )
    chart_view.show(_errors(found, rank), key="chart_factors_error", alt="Error at each rank")


def _errors(found: Factored, rank: int) -> Figure:
    full = len(found.errors) - 1
    shown = np.unique(np.linspace(0, full, 33).round().astype(int))
    curves = {
        "fitted to the outputs (done here)": (100 * found.errors[shown], VIOLET, "cross"),
        "fitted to the weights (plain SVD)": (100 * found.plain_errors[shown], BLUE, "circle"),
    }
    from_zero = {"rangemode": "tozero"}
    return figure(
        [*lines(shown.tolist(), curves, f"rank %{{x}}: {digits('y')} %"), here(rank, 100 * float(found.errors[rank]))],
        320,
        f"rank (full: {full})",
        "error of the layer's outputs, %",
        xaxis=from_zero,
        yaxis=from_zero,
    )


def _question(lesson: Lesson, share: int) -> Question | None:
    if share == 100:
        st.caption("At full rank the product is the layer itself. Move the slider.")
        return None
    return accuracy_question(
        f"**{share} % of full rank** in every layer but the last, without training. Each is taken apart as drawn, and "
        "fitted to what the layers before it say then; convolutions with a window become three. Layers that would not "
        "get smaller stay. What happens to the network's accuracy?",
        recipe_of(lesson, share),
        _REASONS,
    )


def recipe_of(lesson: Lesson, share: int) -> Recipe:
    """The same share of full rank in every layer, as drawn."""
    return lesson.recipe({"technique": "low_rank", "rank_ratio": share / 100, "ranks": "uniform"})


_REASONS = {
    "better": "That can happen: leaving out weak directions sometimes removes noise that the network had learned. It "
    "is an exception, so look at the interval before you believe it.",
    "same": "The directions that were left out hardly occur in real pictures. Layers that would not get smaller as a "
    "product were also left as they are.",
    "little": "Some of the directions that were left out did matter. Training afterwards can bring "
    "some of it back: try a budget in Explore.",
    "much": "Each layer now passes on less than the next one needs. Training the thin layers afterwards can "
    "bring some of it back: try a budget in Explore.",
    "collapse": "So few directions are left that much of what tells the classes apart gets lost on the way. A higher "
    "rank, or training afterwards, are the ways out.",
}

CHAPTER = Chapter(
    name="factorization",
    title="Factorization",
    icon=":material/view_column_2:",
    paragraphs=(
        "A layer is a table of weights: a row for each output, a column for each input. Often its rows resemble each "
        "other: many are nearly mixtures of a few. Then the table is nearly a product of two thin ones: the first "
        "computes a few sums of the inputs, the second mixes the outputs from these. How many is the **rank**.",
        "**Factorization** replaces the layer by the two thin ones. With a low rank there are far fewer weights, and "
        "far fewer multiplications. Which sums to keep? The classic way (**SVD**, singular value decomposition) "
        "keeps the weights as close as possible. Here it is the *answers* to real pictures that stay close.",
    ),
    papers=(
        "Denton, Zaremba, Bruna, LeCun, Fergus (2014), "
        "[Exploiting Linear Structure Within Convolutional Networks for Efficient Evaluation]"
        "(https://arxiv.org/abs/1404.0736)",
        "Zhang, Zou, He, Sun (2016), [Accelerating Very Deep Convolutional Networks for Classification and Detection]"
        "(https://arxiv.org/abs/1505.06798)",
    ),
    show=_show,
    layers=lambda subject: [one for one in subject.layers[:-1] if one.is_matrix and one.can_be_factored],
)
