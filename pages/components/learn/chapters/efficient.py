"""Chapter 7: efficient architectures."""

from __future__ import annotations

import itertools

import numpy as np
import streamlit as st

from compression import units
from compression.charts.figure import Figure, scatter
from compression.charts.palette import BLUE, ORANGE, VIOLET
from compression.explain.arithmetic import ConvolutionCost, separable, whole
from compression.explain.quiz import Question, speed_question
from compression.inquiries.course import CHANNELS, KERNELS, SIDES, Split, SplitInquiry
from compression.models.subject import SMALLEST_MODEL
from compression.recipe.recipe import Recipe
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.learn import course
from pages.components.learn.chapter import Chapter, Lesson
from pages.components.learn.chapters.figures import OPERATIONS_AND_TIME, as_operations, figure, here
from pages.components.shown import elements

_TIMED = Recipe(model=SMALLEST_MODEL)
"""Convolutions of chosen shapes belong to no model: the timing is filed under the smallest one."""

Shape = tuple[int, int, int, int]
"""Kernel, inputs, outputs, side."""


def _show(lesson: Lesson) -> Question | None:
    left, right = st.columns(2, gap="medium")
    with left:
        inputs = course.slider("inputs", "Inputs (channels)", CHANNELS, 32)
        kernel = course.slider("kernel", "Window", KERNELS, 3, words=lambda size: f"{size} × {size}")
    with right:
        outputs = course.slider("outputs", "Outputs (channels)", CHANNELS, 64)
        side = course.slider("side", "Image", SIDES, 14, words=lambda size: f"{size} × {size}")
    shape = (kernel, inputs, outputs, side)
    _arithmetic(shape)
    found = waiting.ask(SplitInquiry(recipe=_TIMED), Split, key="split")
    if found is not None:
        _picture(found, shape)
    return _question(lesson)


def _arithmetic(shape: Shape) -> None:
    before, after = whole(*shape), separable(*shape)
    kernel, inputs, outputs, side = shape
    st.markdown(
        f"Whole: {kernel} × {kernel} × {inputs} × {outputs} × {side} × {side} = **{units.count(before.macs)}** "
        f"multiplications, {units.count(before.params)} weights and biases.  \n"
        f"Split: ({kernel} × {kernel} × {inputs} + {inputs} × {outputs}) × {side} × {side} = "
        f"**{units.count(after.macs)}** multiplications, {units.count(after.params)} weights and biases: "
        f"**{_times(before, after)}**."
    )


def _times(before: ConvolutionCost, after: ConvolutionCost) -> str:
    ratio = before.macs / after.macs
    return f"{units.factor(ratio)} fewer" if ratio >= 1 else f"{units.factor(1 / ratio)} more"


def _picture(found: Split, shape: Shape) -> None:
    kernel, inputs, outputs, side = shape
    at = (KERNELS.index(kernel), CHANNELS.index(inputs), CHANNELS.index(outputs), SIDES.index(side))
    before, after = float(found.whole_ms[at]), float(found.split_ms[at])
    ratio, low, high = (float(part[at]) for part in (found.ratio, found.ratio_low, found.ratio_high))
    with st.container(horizontal=True, gap="large", key="split_numbers"):
        elements.number("Whole, measured", units.milliseconds(before))
        change = units.speed(ratio, low, high)
        elements.number("Split, measured", units.milliseconds(after), change)
        elements.number(
            "Split takes", f"{units.share(ratio)} of the time", f"{units.share(_work(shape) / 100)} of the work"
        )
    chart_view.show(_cloud(found, shape, ratio), key="chart_split", alt="Share of time against share of operations")
    st.caption(
        f"All {found.ratio.size} shapes on the sliders, each measured in ONNX Runtime on this machine, one thread, "
        "whole and split in turns. If operations were time, all points would lie on the dashed line. Above it, the "
        "split form saves less time than operations."
    )


def _cloud(found: Split, shape: Shape, ratio: float) -> Figure:
    """Every shape as a point: its share of operations and of time."""
    ends = [4, 40]
    lowest, highest = 80 * float(found.ratio.min()), 120 * max(1, float(found.ratio.max()))
    ticks = {"type": "log", "tickvals": [2, 5, 10, 20, 50, 100, 200]}
    shapes = list(itertools.product(KERNELS, CHANNELS, CHANNELS, SIDES))
    ratios = 100 * found.ratio.reshape(-1)
    clouds = []
    for side, colour, symbol in zip(SIDES, (ORANGE, VIOLET, BLUE), ("triangle-up", "diamond", "circle"), strict=True):
        mine = [place for place, one in enumerate(shapes) if one[3] == side]
        marker = {"color": colour, "symbol": symbol, "size": 8, "opacity": 0.75}
        cloud = scatter(
            f"image {side} × {side}",
            [_work(shapes[place]) for place in mine],
            [float(ratios[place]) for place in mine],
            OPERATIONS_AND_TIME,
            mode="markers",
            marker=marker,
            hovertext=[_words(shapes[place]) for place in mine],
        )
        clouds.append(cloud)
    return figure(
        [as_operations(*ends), *clouds, here(_work(shape), 100 * ratio, "your shape")],
        400,
        "% of the operations",
        "% of the time",
        xaxis={**ticks, "range": np.log10(ends).tolist()},
        yaxis={**ticks, "range": np.log10([min(lowest, ends[0]), highest]).tolist()},
    )


def _work(shape: Shape) -> float:
    return 100 * separable(*shape).macs / whole(*shape).macs


def _words(shape: Shape) -> str:
    kernel, inputs, outputs, side = shape
    return f"{inputs} → {outputs} channels, window {kernel} × {kernel}, image {side} × {side}"


def _question(lesson: Lesson) -> Question:
    recipe = lesson.recipe({"technique": "depthwise_separable", "share": 1})
    return speed_question(
        f"In the real **{lesson.subject.title}** every ordinary convolution is split, without training. How long "
        "will one image take, compared with before?",
        recipe,
        COUNTED,
        REASONS,
    )


COUNTED = "The operations fell to {}"
_AS_MUCH = "and the time fell as much or more, as far as the interval can tell. Here operations count."
REASONS = {
    "slower": "and it still got slower: two small steps in place of a large one fetch and write their numbers twice, "
    "and a depthwise step has little to do for each number it fetches.",
    "same": "and the time did not follow: fetching numbers and starting steps takes time too.",
    "less": "the time by less: fetching numbers and starting steps takes time too, and a depthwise step has little to "
    "do for each number it fetches.",
    "alike": _AS_MUCH,
    "more": _AS_MUCH,
}

CHAPTER = Chapter(
    name="efficient",
    title="Efficient architectures",
    icon=":material/architecture:",
    paragraphs=(
        "A **convolution** slides a small window over an image. The image comes as several planes, its **channels**, "
        "and each output channel looks at *all* input channels through the window. That is a lot of work. A "
        "**depthwise-separable** convolution splits it: first one window for each channel alone, then a mixing of "
        "channels at each point. Networks for phones are made of these.",
        "The arithmetic is simple, and you can do it with the sliders. But a **multiplication** saved is not always "
        "time saved: numbers also have to be fetched from memory, and each operation has to be started. So the same "
        "layers are measured here as well. Compare the two before you trust a table of operations.",
    ),
    papers=(
        "Howard and others (2017), [MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications]"
        "(https://arxiv.org/abs/1704.04861)",
        "Ma, Zhang, Zheng, Sun (2018), [ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design]"
        "(https://arxiv.org/abs/1807.11164)",
    ),
    show=_show,
    uses_layer=False,
    needs=lambda subject: subject.has_ordinary_convolutions,
)
