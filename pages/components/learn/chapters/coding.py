"""Chapter 8: entropy coding."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from compression import units
from compression.charts.figure import Figure, bars, digits, line
from compression.charts.palette import ACCENT, BLUE, GREEN, NEUTRAL, ORANGE
from compression.explain.arithmetic import code_words
from compression.explain.quiz import Question, coding_question
from compression.inquiries.course import BITS, CODED_SPARSITIES, Coded, CodingInquiry
from compression.recipe.recipe import Recipe
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.learn import course
from pages.components.learn.chapter import Chapter, Lesson
from pages.components.learn.chapters.figures import figure, lines
from pages.components.shown import elements

_WAYS = {
    "plain": ("plain bits", NEUTRAL, "square"),
    "huffman": ("Huffman codes", ORANGE, "triangle-up"),
    "arithmetic": ("arithmetic coding", GREEN, "diamond"),
    "entropy": ("limit for single codes (entropy)", BLUE, "circle-open"),
}
FEW = 16
"""Bars of which each has the length of its Huffman word."""
MOST_WORDS = 8
"""Code words in the table, the most frequent ones."""


def _show(lesson: Lesson) -> Question | None:
    bits = course.slider("bits", "Bits for each weight", BITS, 4)
    sparsity = course.slider(
        "zeros", "Pruned before", CODED_SPARSITIES, 0.5, words=lambda share: f"{units.share(share)} zeros"
    )
    found = waiting.ask(CodingInquiry(recipe=lesson.recipe(), layer=lesson.layer.name), Coded, key="coding")
    if found is not None:
        _picture(found, (CODED_SPARSITIES.index(sparsity), BITS.index(bits)), lesson)
    return _question(lesson, bits, sparsity)


def _picture(found: Coded, at: tuple[int, int], lesson: Lesson) -> None:
    with st.container(horizontal=True, gap="large", key="coding_numbers"):
        for name, (title, _, _) in _WAYS.items():
            value = float(getattr(found, name)[at])
            size = units.size(value * found.size / 8)
            elements.number(title.capitalize(), f"{value:.2f} bits", size)
    st.caption(
        f"Bits for each weight of **{lesson.layer.name}** ({found.size:,} weights), everything included that is needed "
        "to read them again. Arithmetic coding can even fall below the limit for single codes: it learns on the "
        f"way where in the layer large codes are likely.{_more_than_bits(found, at)}"
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        on_bars = " On each bar: the bits of its Huffman word." if np.count_nonzero(found.counts[at]) <= FEW else ""
        st.markdown(f"**How often each code occurs.**{on_bars}")
        chart_view.show(_frequencies(found, at), key="chart_coding_counts", alt="How often each code occurs")
    with right:
        _words(found, at)
    chart_view.show(_all_bits(found, at), key="chart_coding_bits", alt="Bits a weight by coding")


def _more_than_bits(found: Coded, at: tuple[int, int]) -> str:
    """A grid of one bit has no zero; pruned weights add it, and three values need two plain bits."""
    values = np.count_nonzero(found.counts[at])
    if values <= 2 ** BITS[at[1]]:
        return ""
    return f" Zeros come on top of this grid's values: {values} different codes take more plain bits than the grid."


def _codes(found: Coded, at: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbered from the lowest: the codes that occur, how often, and the lengths of their words."""
    counts, lengths = found.counts[at], found.lengths[at]
    used = np.flatnonzero(counts)
    return used, counts[used], lengths[used]


def _frequencies(found: Coded, at: tuple[int, int]) -> Figure:
    used, counts, lengths = _codes(found, at)
    shown = bars(
        "",
        used.tolist(),
        (100 * counts / counts.sum()).tolist(),
        BLUE,
        f"{digits('y')} % of the weights<br>Huffman word of %{{customdata}} bits",
        text=[str(length) for length in lengths] if len(used) <= FEW else None,
        textangle=0,
        constraintext="none",
        textposition="outside",
        cliponaxis=False,
        customdata=lengths.tolist(),
    )
    bare = {"showticklabels": False, "showgrid": False}
    codes = "codes, from negative to positive"
    return figure([shown], 340, codes, "% of the weights", xaxis=bare, bargap=0.1, showlegend=False)


def _words(found: Coded, at: tuple[int, int]) -> None:
    """The most frequent codes with their Huffman words."""
    lengths = found.lengths[at]
    words = code_words(lengths.tolist())
    used, counts, _ = _codes(found, at)
    order = np.argsort(-counts, kind="stable")[:MOST_WORDS]
    rows = [f"| {units.share(counts[place] / counts.sum(), 1)} | `{words[used[place]]}` |" for place in order]
    st.markdown("**The most frequent codes**", help="No word is the beginning of another one, so no commas are needed.")
    st.markdown("\n".join(["| share | Huffman word |", "|--:|:--|", *rows]))


def _all_bits(found: Coded, at: tuple[int, int]) -> Figure:
    values = {title: (getattr(found, name)[at[0]], colour, symbol) for name, (title, colour, symbol) in _WAYS.items()}
    traces = lines(BITS, values, f"%{{x}} bits: {digits('y')}")
    traces[-1]["line"]["dash"] = "dot"  # what no code reaches
    words = {"text": "your setting", "font": {"color": ACCENT}, "textposition": "start", "textangle": 0}
    side = {"yanchor": "bottom", "xanchor": "left" if at[1] < len(BITS) - 1 else "right"}
    return figure(
        traces,
        340,
        "bits of the grid",
        "bits written a weight",
        xaxis={"dtick": 1},
        yaxis={"rangemode": "tozero"},
        shapes=[line(ACCENT, 2, x=BITS[at[1]]) | {"label": words | side}],
    )


def _question(lesson: Lesson, bits: int, sparsity: float) -> Question:
    coded, plain = (recipe_of(lesson, bits, sparsity, coding) for coding in ("context", "packed"))
    zeros = f" after {units.share(sparsity)} of them were set to zero" if sparsity else ""
    return coding_question(
        f"The whole network is stored with **{units.counted(bits, 'bit')}** a weight{zeros}: once with plain "
        "bits, once with arithmetic coding. How much smaller will the second file be?",
        coded,
        plain,
    )


def recipe_of(lesson: Lesson, bits: int, sparsity: float, coding: str) -> Recipe:
    """The whole network with each layer's codes as drawn: pruned by size, and rounded on clipped grids."""
    pruned = {"technique": "magnitude_pruning", "sparsity": sparsity, "scope": "layer", "recalibrate": False}
    rounded = {"technique": "quantization", "weight_bits": bits, "method": "mse"}
    steps: list[dict[str, Any]] = [*([pruned] if sparsity else []), rounded]
    return lesson.recipe(*steps, {"technique": "entropy_coding", "coding": coding})


CHAPTER = Chapter(
    name="coding",
    title="Entropy coding",
    icon=":material/barcode:",
    paragraphs=(
        "After rounding, weights are small whole numbers, **codes**. Some occur much more often than others: most are "
        "near zero. Morse gave the frequent letter E a single dot. In the same way **Huffman codes** give frequent "
        "numbers short words of bits, and rare ones long words. Nothing is lost: the file decodes to exactly the "
        "same numbers.",
        "A word cannot be shorter than one bit, even for a number that fills 95 % of the list. **Arithmetic coding** "
        "has no such limit: it writes the whole list as one very long number, and a frequent code may cost a tenth "
        "of a bit. How few bits are possible when each code is looked at alone is called the **entropy**.",
    ),
    papers=(
        "Huffman (1952), [A Method for the Construction of Minimum-Redundancy Codes]"
        "(https://doi.org/10.1109/JRPROC.1952.273898)",
        "Shannon (1948), [A Mathematical Theory of Communication](https://doi.org/10.1002/j.1538-7305.1948.tb01338.x)",
        "Witten, Neal, Cleary (1987), [Arithmetic Coding for Data Compression](https://doi.org/10.1145/214762.214771)",
    ),
    show=_show,
)
