"""The trade-off chart as a picture file, for slides and papers. Torch-free; matplotlib draws, nothing is fetched.

plotly.js draws in browsers only; its own export needs a browser on the server.
"""

from __future__ import annotations

import io
import itertools
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from compression import units
from compression.charts import compared
from compression.charts.axes import Point, title_of
from compression.charts.drawing import PALE, Plane, corners_of, direction, front_points, size_ticks
from compression.charts.figure import INK
from compression.charts.palette import ACCENT, NEUTRAL, contenders
from compression.charts.tradeoff import Tradeoff
from compression.explain import presentation
from compression.results.record import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

PictureFormat = Literal["png", "svg"]
SIZE_INCHES, DPI = (8.0, 5.0), 200
LETTERS = 75
"""In a line of the title."""


def draw(
    result: Result,
    results: Sequence[Result],
    title: str,
    kind: PictureFormat,
    others: Sequence[Result] = (),
    *,
    is_even: bool = False,
) -> bytes:
    """Accuracy against the stored file's size: the original, this result, and faintly everything else measured.

    `others` are alternatives to this result (at most two), which are marked too. `is_even` is how the axis of
    accuracies is spaced.

    The same numbers give the same file.
    """
    import matplotlib as mpl  # which takes a while to import, and only this needs it
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    every = list({one.recipe_id: one for one in (*results, result, *others)}.values())
    data, plane = compared.everything(every, result.parsed_recipe.baseline().recipe_id, "stored", is_even=is_even)
    with mpl.rc_context({"svg.hashsalt": "compression", "svg.fonttype": "none", "font.size": 11}):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _draw_axes(axes, data, plane)
        before, after = (units.size(one.stored_bytes) for one in (result.baseline, result))
        axes.set_title(f"{textwrap.fill(title, LETTERS)}\n{before} → {after}", loc="left")
        _draw_points(axes, data, plane, result, others)
        canvas.draw()  # type: ignore[no-untyped-call]  # only now it is known how long words are
        _draw_corners(axes, data, plane, {result.recipe_id, *(one.recipe_id for one in others)})
        sink = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(sink, format=kind, dpi=DPI, metadata=metadata)
    return sink.getvalue()


def _draw_axes(axes: Axes, data: Tradeoff, plane: Plane) -> None:
    """A logarithmic axis of sizes with plain numbers, and one of accuracies."""
    axes.set_xscale("log")
    low, high = plane.reach
    axes.set_xlim(10**low, 10**high)
    axes.set_xticks(*size_ticks((low, high)))
    axes.set_xticks([], minor=True)
    axes.set_yticks(*plane.rise.ticks(plane.up))
    axes.set_ylim(plane.up)
    axes.set_xlabel(title_of(plane.across))
    axes.set_ylabel(title_of(plane.rise.metric, f" on {data.n_test:,} test images", plane.rise.spacing))
    axes.text(1, 1.01, direction(plane.across), transform=axes.transAxes, ha="right", va="bottom", color=NEUTRAL)
    axes.grid(color=NEUTRAL, alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_points(axes: Axes, data: Tradeoff, plane: Plane, result: Result, others: Sequence[Result]) -> None:
    front = front_points(data, plane)
    for points, opacity, label in ((data.others, PALE, "other measured settings"), (front, 1, "")):
        axes.scatter(*_places(points, plane), s=14, color=NEUTRAL, alpha=opacity, linewidths=0, label=label)
    look: dict[str, Any] = {"color": INK, "linewidth": 2}
    axes.step(*_places(front, plane), where="post", label="nothing measured beats these", **look)
    colours = [contender.colour for contender in contenders([result, *others])[1:]]
    names = presentation.names_on_charts(presentation.AT_MOST)[1:]
    for one, colour, marker, label in (
        (result.baseline, NEUTRAL, "*", "original"),
        (result, ACCENT, "o", "compressed"),
        *zip(others, colours, ("s", "D"), names, strict=False),
    ):
        x, y = plane.on(Point("", one, ""))
        if x and y:
            sides = [[y.at - y.ends[0]], [y.ends[1] - y.at]]
            axes.errorbar([x.at], [y.at], yerr=sides, color=colour, marker=marker, ms=12, ls="none", label=label)
    axes.legend(frameon=False, fontsize=9, loc="lower right")


_SIDES = ((8, 0), (-8, 0), (0, 8), (0, -8), (8, 6), (8, -6), (-8, 6), (-8, -6), (6, 20), (6, -20), (-6, 20), (-6, -20))
"""Points by which words may stand beside their marker, best first."""
_ALIGNED = {1: ("left", "bottom"), 0: ("center", "center"), -1: ("right", "top")}
"""How words lie across and up that stand on this side of their marker."""


def _draw_corners(axes: Axes, data: Tradeoff, plane: Plane, labelled: set[str]) -> None:
    """The names of the front's corners, each where it covers no other, no marker, no axis, no line and no legend."""
    legend = axes.get_legend()
    assert legend is not None  # drawn with the points
    marks = axes.transData.transform(list(zip(*_places(data.points, plane), strict=True)))
    front = front_points(data, plane)
    steps = axes.transData.transform(list(zip(*_places(front, plane), strict=True)))
    taken = [legend.get_window_extent(), *(_box(x, x, y, y) for x, y in marks)]
    for (left, level), (right, top) in itertools.pairwise(steps):
        taken += [_box(left, right, level, level), _box(right, right, level, top)]
    for point, lines in corners_of(front, plane, labelled):
        x, y = plane.on(point)
        if x and y:
            _annotate(axes, "\n".join(lines), (x.at, y.at), taken)


def _annotate(axes: Axes, words: str, place: tuple[float, float], taken: list[Bbox]) -> None:
    """Words beside a place, or none where no side of it is free; what is `taken` grows by them."""
    inside = axes.get_window_extent()
    for right, up in _SIDES:
        align: dict[str, Any] = {"ha": _ALIGNED[_sign(right)][0], "va": _ALIGNED[_sign(up)][1]}
        text = axes.annotate(words, place, (right, up), textcoords="offset points", fontsize=9, color=INK, **align)
        box = text.get_window_extent()
        if all(map(inside.contains, box.intervalx, box.intervaly)) and not box.count_overlaps(taken):
            taken.append(box)
            return
        text.remove()


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


def _box(left: float, right: float, bottom: float, top: float) -> Bbox:
    """Of what words must not cover between these places."""
    from matplotlib.transforms import Bbox

    return Bbox.from_extents(left - AIR, bottom - AIR, right + AIR, top + AIR)


AIR = 4
"""Pixels around a small marker's middle, and around the front."""


def _places(points: Sequence[Point], plane: Plane) -> tuple[list[float], list[float]]:
    """Of the points that stand somewhere: across and up."""
    found = [(x.at, y.at) for x, y in map(plane.on, points) if x and y]
    return [x for x, _ in found], [y for _, y in found]
