"""Chapter 1: why compress."""

from __future__ import annotations

import numpy as np
import streamlit as st

from compression import units
from compression.charts.figure import Figure, bars, percent
from compression.charts.palette import BLUE, ORANGE, ROW_HEIGHT
from compression.explain.arithmetic import FLOAT_BITS, theoretical_bytes
from compression.explain.quiz import Question, size_question
from compression.inquiries.course import Layout, LayoutInquiry
from compression.recipe.words import recipe_in_words
from compression.results.record import Result
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.learn import course
from pages.components.learn.chapter import Chapter, Lesson
from pages.components.learn.chapters.figures import figure
from pages.components.shown import elements

_BITS = (FLOAT_BITS, 16, 8, 6, 4, 3, 2)
_ZEROS = (0, 30, 50, 70, 80, 90, 95)
_SHOWN = 9
"""Layers with bars of their own; the smallest of the others are drawn together."""

_HATCHED = {"shape": "/", "fillmode": "overlay", "fgcolor": "#ffffff", "fgopacity": 0.6, "solidity": 0.2}

RADIO_BITS_PER_SECOND = 50_000
FLASH_BYTES = 256_000
"""A slow radio link and a small microcontroller, to compare sizes with."""


def _show(lesson: Lesson) -> Question | None:
    bits = course.slider(
        "bits", "Bits for each weight", _BITS, 4, help_text="A bit is one 0 or 1. Ordinary weights have 32 of them."
    )
    zeros = course.slider(
        "zeros",
        "Weights set to zero",
        _ZEROS,
        70,
        words=lambda share: f"{share} %",
        help_text="Zeros need not be written down.",
    )
    found = waiting.ask(LayoutInquiry(recipe=lesson.recipe()), Layout, key="why")
    if found is not None:
        _numbers(found, bits, zeros)
        chart_view.show(_picture(found), key="chart_why", alt="Share of weights and of work of each layer")
        st.caption(
            "Each layer's share of all weights (they make the file large) and of all multiplications (they are the "
            "work; chapter 9 shows that work is not yet time). These are often not the same layers."
        )
    return _question(lesson, bits, zeros)


def _numbers(found: Layout, bits: int, zeros: int) -> None:
    """What the settings would make of the file if only weights counted."""
    weights = int(found.weights.sum())
    before = theoretical_bytes(weights, found.others, FLOAT_BITS, 0)
    after = theoretical_bytes(weights, found.others, bits, zeros / 100)
    with st.container(horizontal=True, gap="large", key="why_numbers"):
        elements.number("Theoretical size", units.size(after), units.size_change(before, after))
        elements.number("To send it by slow radio", _seconds(after), f"{_seconds(before)} before")
        fits = "fits" if after <= FLASH_BYTES else f"{units.factor(after / FLASH_BYTES)} too large"
        elements.number("In a small chip's 256 KB", fits)
    st.caption(
        f"Calculated: {weights:,} weights, {100 - zeros} % of them kept, times {bits} bits, and {found.others:,} other "
        f"numbers at 32 bits. Slow radio: {RADIO_BITS_PER_SECOND // 1000} kilobits a second."
    )


def _seconds(size: float) -> str:
    return f"{units.three_digits(8 * size / RADIO_BITS_PER_SECOND)} s"


def _picture(found: Layout) -> Figure:
    order = np.argsort(-np.maximum(_share(found.weights), _share(found.macs)), kind="stable")
    shown = np.sort(order[:_SHOWN])
    rest = np.setdiff1d(np.arange(len(order)), shown)
    names = [found.layers[at] for at in shown] + ([f"{len(rest)} others"] if len(rest) else [])
    traces = []
    for title, amounts, look in (
        ("Weights", found.weights, {"color": BLUE}),
        ("Multiplications", found.macs, {"color": ORANGE, "pattern": _HATCHED}),
    ):
        share = 100 * _share(amounts)
        values = [*share[shown].tolist(), *([float(share[rest].sum())] if len(rest) else [])]
        said = {"text": [units.share(value / 100, 1) for value in values], "textposition": "outside"}
        traces.append(
            bars(title, values, names, "", f"%{{y}}: {percent('x')}", orientation="h", **said | {"marker": look})
        )
    return figure(
        traces,
        90 + ROW_HEIGHT * len(names),
        "% of the whole network",
        "",
        xaxis={"range": [0, 109]},
        yaxis={"autorange": "reversed", "ticksuffix": " "},
        barmode="group",
        bargap=0.25,
    )


def _share(amounts: np.ndarray) -> np.ndarray:
    share: np.ndarray = amounts / max(1, amounts.sum())
    return share


def _question(lesson: Lesson, bits: int, zeros: int) -> Question | None:
    steps = [{"technique": "magnitude_pruning", "sparsity": zeros / 100}] if zeros else []
    steps += [{"technique": "quantization", "weight_bits": bits}] if bits < FLOAT_BITS else []
    if not steps:
        st.caption("With 32 bits and no zeros nothing is compressed. Move a slider.")
        return None
    recipe = lesson.recipe(*steps)
    words = recipe_in_words(recipe)
    return size_question(
        f"**{units.capital(words)}.** You see the calculated size. How many times smaller will the "
        "real file be, with everything that is needed to read it again?",
        recipe,
        _theory,
    )


def _theory(result: Result) -> str:
    calculated, real = result.theoretical_bytes, result.stored_bytes
    words = (
        f"In the finished network, bits times the weights that are really not zero come to {units.size(calculated)}. "
        f"The file has {units.size(real)}."
    )
    if real > 1.02 * calculated:
        return (
            f"{words} It also has to say where the zeros are, how large the steps between the values are, and how the "
            "layers are connected. Calculated sizes leave that out."
        )
    if real < 0.98 * calculated:
        return f"{words} It is even smaller, because frequent values are written with fewer bits (see Entropy coding)."
    return f"{words} The two agree within 2 %."


CHAPTER = Chapter(
    name="why",
    title="Why compress",
    icon=":material/compress:",
    paragraphs=(
        "A **neural network** is a long list of numbers, called **weights**, and a recipe for multiplying them with "
        "a picture. The small ones here tell hand-written digits or pieces of clothing apart. Large ones have "
        "billions of weights. Every weight has to be stored, sent to the device, and fetched from memory each time.",
        "Usually a weight takes 32 bits. Most networks work almost as well with far less: many weights can be zero, "
        "and the others can be rough. **Compression** finds out how far one can go. Two things count: how small and "
        "fast the network gets, and its **accuracy**, the share of pictures it has never seen that it gets right.",
    ),
    papers=(
        "Han, Mao, Dally (2016), "
        "[Deep Compression: Compressing Deep Neural Networks with Pruning, Trained Quantization and Huffman Coding]"
        "(https://arxiv.org/abs/1510.00149)",
        "Horowitz (2014), [Computing's energy problem (and what we can do about it)]"
        "(https://doi.org/10.1109/ISSCC.2014.6757323)",
    ),
    show=_show,
    uses_layer=False,
)
