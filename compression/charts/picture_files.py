"""The trade-off chart as a picture file, for slides and papers. Torch-free; matplotlib draws, nothing is fetched.

plotly.js draws in browsers only; its own export needs a browser on the server.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from compression import units
from compression.charts.axes import title_of
from compression.charts.drawing import size_ticks
from compression.charts.palette import ACCENT, NEUTRAL, contenders
from compression.charts.tradeoff import around
from compression.explain import presentation
from compression.results.metrics import METRICS
from compression.results.record import Result
from compression.search.pareto import pareto_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PictureFormat = Literal["png", "svg"]
SIZE_INCHES, DPI = (8.0, 5.0), 200
LETTERS = 75
"""In a line of the title."""


def draw(
    result: Result, results: Sequence[Result], title: str, kind: PictureFormat, others: Sequence[Result] = ()
) -> bytes:
    """Accuracy against the stored file's size: the original, this result, and faintly everything else measured.

    `others` are alternatives to this result (at most two), which are marked too.

    The same numbers give the same file.
    """
    import matplotlib as mpl  # which takes a while to import, and only this needs it
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "compression", "svg.fonttype": "none", "font.size": 11}):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _draw_points(axes, result, results, others)
        _draw_axes(axes, result, results, title, others)
        sink = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(sink, format=kind, dpi=DPI, metadata=metadata)
    return sink.getvalue()


def _draw_points(axes: Axes, result: Result, results: Sequence[Result], others: Sequence[Result]) -> None:
    colours = [contender.colour for contender in contenders([result, *others])[1:]]
    sizes = [one.stored_bytes / 1000 for one in results]
    accuracies = [100 * one.accuracy for one in results]
    axes.scatter(sizes, accuracies, s=14, color=NEUTRAL, alpha=0.45, linewidths=0, label="other measured settings")
    front = pareto_front(sizes, accuracies)
    across, up = [sizes[index] for index in front], [accuracies[index] for index in front]
    look: dict[str, Any] = {"color": NEUTRAL, "linewidth": 1, "linestyle": ":"}
    axes.step(across, up, where="post", label="nothing measured beats these", **look)
    for one, colour, marker, label in (
        (result.baseline, NEUTRAL, "*", "original"),
        (result, ACCENT, "o", "compressed"),
        *zip(others, colours, ("s", "D"), presentation.names_on_charts(presentation.AT_MOST)[1:], strict=False),
    ):
        x, y = one.stored_bytes / 1000, 100 * one.accuracy
        sides = [[y - 100 * one.accuracy_low], [100 * one.accuracy_high - y]]
        axes.errorbar([x], [y], yerr=sides, color=colour, marker=marker, markersize=12, linestyle="none", label=label)


def _draw_axes(axes: Axes, result: Result, results: Sequence[Result], title: str, others: Sequence[Result]) -> None:
    """A logarithmic axis of sizes with plain numbers; accuracies around those that count."""
    both = (result, result.baseline, *others)
    axes.set_ylim(around(both))
    axes.set_xscale("log")
    sizes = [one.stored_bytes / 1000 for one in (*results, *both)]
    ends = min(sizes) / 1.3, max(sizes) * 1.3
    axes.set_xlim(ends)
    axes.set_xticks(*size_ticks((math.log10(ends[0]), math.log10(ends[1]))))
    axes.set_xticks([], minor=True)
    axes.set_xlabel(title_of(METRICS["stored"]))
    axes.set_ylabel(title_of(METRICS["accuracy"], f" on {result.n_test:,} test images"))
    before, after = (units.size(one.stored_bytes) for one in (result.baseline, result))
    axes.set_title(f"{textwrap.fill(title, LETTERS)}\n{before} → {after}", loc="left")
    axes.grid(color=NEUTRAL, alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
