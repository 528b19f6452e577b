"""Chapter 5: weight sharing."""

from __future__ import annotations

import numpy as np
import streamlit as st

from compression import units
from compression.charts.figure import Figure, digits, histogram, line, scatter
from compression.charts.palette import BLUE, GREEN, NEUTRAL, ORANGE
from compression.explain.quiz import Question, accuracy_question
from compression.inquiries.course import CLUSTERS, Shared, SharingInquiry
from compression.recipe.recipe import Recipe
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.learn import course
from pages.components.learn.chapter import Chapter, Lesson
from pages.components.learn.chapters.figures import figure, here, lines


def _show(lesson: Lesson) -> Question | None:
    clusters = course.slider("clusters", "Different values", CLUSTERS, 8, help_text="How long the codebook is.")
    found = waiting.ask(SharingInquiry(recipe=lesson.recipe(), layer=lesson.layer.name), Shared, key="sharing")
    if found is not None:
        at = CLUSTERS.index(clusters)
        chart_view.show(
            _codebook(found, at), key="chart_sharing_book", alt="Histogram of the weights and shared values"
        )
        _numbers(found, at, lesson)
        chart_view.show(_errors(found, at), key="chart_sharing_error", alt="Change of the weights by number of values")
        st.caption(
            "How far the weights move, in % of their size (squared); a weight counts the more, the more the network's "
            "answers depend on it. Shared values sit where weights are."
        )
    return _question(lesson, clusters)


def _book(found: Shared, at: int) -> tuple[np.ndarray, np.ndarray]:
    values = found.values[at]
    values = values[~np.isnan(values)]
    return values.astype(np.float64), found.members[at][: len(values)]


def _codebook(found: Shared, at: int) -> Figure:
    """The histogram, and above it the shared values, larger the more weights take them."""
    values, members = _book(found, at)
    marker = {
        "color": ORANGE,
        "symbol": "diamond",
        "line": {"color": NEUTRAL, "width": 1},
        "size": (7 + 17 * np.sqrt(members / members.max())).tolist(),
    }
    shared = scatter(
        "shared values",
        values.tolist(),
        [1.08 * float(found.counts.max())] * len(values),
        f"value {digits('x')}<br>%{{customdata:,}} weights",
        mode="markers",
        marker=marker,
        customdata=members.tolist(),
    )
    return figure(
        [histogram(found.counts, found.edges, BLUE, "weights as trained", f"%{{y:,}} around {digits('x')}"), shared],
        320,
        "value of a weight",
        "how many weights",
        bargap=0,
        shapes=[line(ORANGE, 1.5, "dot", x=value) for value in (values.tolist() if len(values) <= 32 else ())],
    )


def _numbers(found: Shared, at: int, lesson: Lesson) -> None:
    values, _ = _book(found, at)
    bits = max(1, (len(values) - 1).bit_length())
    book = f"{len(values)} values × 16 bits"
    size = (found.size * bits + 16 * len(values)) / 8
    st.caption(
        f"**{lesson.layer.name}**: {found.size:,} weights × {units.counted(bits, 'bit')} (which value) + {book} "
        f"(the codebook) = **{units.size(size)}**, against {units.size(4 * found.size)} with 32 bits."
    )


def _errors(found: Shared, at: int) -> Figure:
    ticks = {"tickvals": list(CLUSTERS[::2]), "ticktext": [str(count) for count in CLUSTERS[::2]]}
    curves = {
        "shared values": (100 * found.errors, GREEN, "diamond-open"),
        "as many evenly spaced values": (100 * found.even_errors, ORANGE, "square"),
    }
    return figure(
        [
            *lines(CLUSTERS, curves, f"%{{x}} values: {digits('y')} %"),
            here(CLUSTERS[at], 100 * float(found.errors[at])),
        ],
        300,
        "different values",
        "change of the weights, %",
        xaxis={"type": "log", **ticks},
        yaxis={"type": "log", "dtick": 1, "tickformat": "~g"},
    )


def _question(lesson: Lesson, clusters: int) -> Question:
    return accuracy_question(
        f"Each layer of the network gets its own codebook of **{clusters} values**, without training. What happens to "
        "its accuracy?",
        recipe_of(lesson, clusters),
        _REASONS,
    )


def recipe_of(lesson: Lesson, clusters: int) -> Recipe:
    """Each layer with a codebook of its own, as drawn."""
    return lesson.recipe({"technique": "weight_sharing", "clusters": clusters})


_REASONS = {
    "better": "That can happen by luck in doubtful pictures. It is an exception, so look at the interval before you "
    "believe it.",
    "same": "The values sit where the weights are, and important weights count more when they are placed. What is "
    "left of the change is too small to show in the answers.",
    "little": "The values are now so few that weights move noticeably, and doubtful pictures tip over. Training the "
    "values afterwards can help: try a budget in Explore.",
    "much": "Many weights that were different are the same now. Training the values afterwards can repair a "
    "large part: try a budget in Explore.",
    "collapse": "With so few values much of what the weights said is gone. More values, or training them afterwards, "
    "are the ways out.",
}

CHAPTER = Chapter(
    name="sharing",
    title="Weight sharing",
    icon=":material/palette:",
    paragraphs=(
        "Painting by numbers: a picture with a palette of 16 colours only needs the number of a colour at each "
        "point. **Weight sharing** does this with weights. A **codebook** lists a few values, and each weight is "
        "replaced by the number of the nearest one. Sixteen values take 4 bits a weight.",
        "Unlike on a grid, the values need not be evenly spaced. The search (**k-means**) puts them where many weights "
        "are, so that the changes are smallest in total. Here weights count the more, the more the answers depend on "
        "them (their **Hessian**). The picture shows how the layer's weights are spread, and above the shared values: "
        "the larger the diamond, the more weights take that value.",
    ),
    papers=(
        "Han, Mao, Dally (2016), [Deep Compression](https://arxiv.org/abs/1510.00149)",
        "Choi, El-Khamy, Lee (2017), [Towards the Limit of Network Quantization](https://arxiv.org/abs/1612.01543)",
    ),
    show=_show,
)
