"""The two trade-off charts. A click on a point shows its settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import streamlit as st

from compression import units
from compression.charts import drawing, tradeoff
from compression.charts.axes import COSTS, GAINS, Point
from compression.charts.drawing import Plane
from compression.charts.palette import ACCENT, NEUTRAL
from compression.charts.tradeoff import Ranges, Tradeoff
from compression.results.metrics import METRICS, Metric
from compression.search.curves import CURVES, Curve, curves_for
from compression.search.estimate import Estimate, estimate
from pages.components.asking.work import Snapshot
from pages.components.explore import parts
from pages.components.frame import chart_view, menu
from pages.components.shown import elements
from pages.components.view import model_card, spacing, state
from pages.components.view.link import View, view_of

_RANGES = "chart_ranges"
_CLICKED = "chart_clicked"
_CURVES = state.SETTING + "curves"
_AXES = state.SETTING + "axis_"
Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = ("left", "right")
_GLYPHS = {
    "circle": "●",
    "square": "■",
    "square-open": "□",
    "diamond": "◆",
    "diamond-open": "◇",
    "triangle-up": "▲",
    "triangle-up-open": "△",
    "triangle-down-open": "▽",
    "cross": "✚",
    "x-thin-open": "✕",
}


def _glyph(curve: Curve) -> str:
    return _GLYPHS.get(curve.symbol, "●")


def guess_of(seen: Snapshot) -> Estimate:
    """Where the current setting is expected."""
    asked, curves = seen.view.axes.metrics, seen.measured_curves
    return estimate(seen.view.settings, seen.known, curves, asked, seen.lessons, width=seen.width)


def numbers(seen: Snapshot) -> Tradeoff:
    """What the charts show."""
    view = seen.view
    return tradeoff.tradeoff(
        list(seen.results.values()),
        {curve: recipes.values() for curve, recipes in seen.curves.items()},
        view.recipe,
        guess_of(seen),
        preview=seen.preview,
        limits=view.limits,
        target=view.target,
        axes=view.axes,
    )


def show_pair(seen: Snapshot) -> None:
    """What a setting gains against two of its costs, side by side, stacked on narrow screens."""
    data = numbers(seen)
    _show_limits(data)
    show_legend(data)
    for side in elements.grid(SIDES, 2):
        show(seen, data, side)


def _show_limits(data: Tradeoff) -> None:
    """The best measured setting within the limits, which the wish above says, also while nobody looks at its boxes."""
    if not data.limits.are_set or data.baseline is None:
        return
    best = "nothing measured keeps to your limits yet"
    if data.best is not None:
        said = (_number(METRICS[key], data.best) for key in ("stored", "latency", "accuracy"))
        best = f"best measured within your limits: **{data.best.words}** ({', '.join(filter(None, said))})"
    st.markdown(f":material/select_all: {units.capital(best)}")
    if data.limits.drop_points is not None:
        st.caption(
            "Points lost are judged on validation images; accuracies here and on the charts are those of test images. "
            "So a struck-out point may stand above one that is not."
        )


def _number(metric: Metric, point: Point) -> str:
    """A point's, without its interval."""
    at = metric.read(point.known)
    return "" if at is None else metric.unit.words(at, metric.n_images(point.known))


def show_head(view: View) -> None:
    """The choice of curves and axes."""
    with st.container(key="chart_choices", horizontal=True, vertical_alignment="bottom", horizontal_alignment="right"):
        _choose_curves(view)
        _choose_axes(view)
        spacing.choose()


def show(seen: Snapshot, data: Tradeoff, side: Side, *, height: int = drawing.HEIGHT) -> None:
    """One chart. Its key is stable and its ranges only grow, so that it is changed, never replaced."""
    view = seen.view
    _reach(seen, data)
    there = plane(view, side)
    what = f"{there.rise.metric.title} against {there.across.words}"
    chart_view.show(
        drawing.draw(data, there, height=height),
        key=f"chart_{side}",
        alt=f"{what}: {len(data.points)} measured settings of {view.model}",
        on_click=lambda recipe_id: _clicked(recipe_id, seen),
        marked=view.recipe.recipe_id,
    )


def _choose_curves(view: View) -> None:
    """Which curves are measured and drawn."""
    offered = curves_for(view.subject)
    with st.popover("Curves", icon=":material/show_chart:"):
        shown = [curve for curve in offered if curve in view.curves]
        state.place(_CURVES, shown)
        st.pills(
            "Curves",
            offered,
            selection_mode="multi",
            format_func=lambda name: f"{_glyph(CURVES[name])} {CURVES[name].words}",
            default=shown,
            key=_CURVES,
            on_change=_curves_chosen,
            help="One colour for each slider; filled symbols for its usual technique, open ones for others.",
        )
        st.caption("Only what is shown is measured: a point takes about a second, one that trains longer.")


def _curves_chosen() -> None:
    """Those that this model does not have stay as they were for the next one."""
    view = state.current()
    chosen, offered = set(st.session_state[_CURVES]), curves_for(view.subject)
    state.choose(
        curves=tuple(curve for curve in CURVES if (curve in chosen if curve in offered else curve in view.curves))
    )


def _choose_axes(view: View) -> None:
    """What each chart shows."""
    with st.popover("Axes", icon=":material/swap_vert:"):
        for side in elements.grid(SIDES, 2):
            _choose_axis(f"{side.capitalize()} chart, across", side, view)
        _choose_axis("Both charts, up", "gain", view)


def _choose_axis(label: str, field: str, view: View) -> None:
    offered = GAINS if field == "gain" else COSTS
    state.place(_AXES + field, getattr(view.axes, field))
    st.selectbox(
        label,
        offered,
        index=offered.index(getattr(view.axes, field)),  # a popover that opens late may have missed its position
        format_func=lambda axis: METRICS[axis].title,
        key=_AXES + field,
        help="  \n".join(f"**{METRICS[axis].title}:** {METRICS[axis].meaning}" for axis in offered),
        on_change=_axes_chosen,
    )


def _axes_chosen() -> None:
    chosen = {field: st.session_state[_AXES + field] for field in ("left", "right", "gain")}
    state.choose(axes=replace(state.current().axes, **chosen))


def show_legend(data: Tradeoff, *, with_setting: bool = True) -> None:
    """Symbols and colours of what is drawn; pale what may come yet, so that nothing moves when it does."""
    is_measured = data.baseline is not None
    curves = ((CURVES[name], bool(points)) for name, points in data.curves.items())
    entries = [
        *([("●", ACCENT, "This setting", True)] if with_setting else []),
        ("━", "inherit", "Best trade-offs: nothing measured beats them", is_measured),
        ("★", NEUTRAL, "Baseline", is_measured),
        *([("╱", "inherit", "Beyond your limits", True)] if data.limits.are_set else []),
        *((_glyph(curve), curve.colour, curve.words, is_drawn) for curve, is_drawn in curves),
        ("•", NEUTRAL, "Other settings", bool(data.others)),
    ]
    style = "display:flex;flex-wrap:wrap;gap:.25rem 1rem;font-size:.875rem;align-items:center"
    st.html(f'<div style="{style}">{"".join(_entry(*entry) for entry in entries)}</div>')


def _entry(glyph: str, colour: str, title: str, is_drawn: bool) -> str:
    mark = f'<span style="color:{colour};font-size:1.05rem;line-height:1">{glyph}</span>'
    style = "display:inline-flex;align-items:center;gap:.35rem;white-space:nowrap"
    yet = "" if is_drawn else ' aria-hidden="true"'
    return f'<span style="{style};opacity:{1 if is_drawn else 0.7}"{yet}>{mark}{title}</span>'


def _reach(seen: Snapshot, data: Tradeoff) -> None:
    """Have the session's ranges of this model's axes hold what is drawn."""
    known, view = seen.known, seen.view
    kept: dict[str, Ranges] = st.session_state.setdefault(_RANGES, {})
    expected = known.stored_bytes or 100_000.0
    accuracy = model_card.accuracy_of(view.subject)
    kept[view.model] = tradeoff.ranges_for(data, expected, kept.get(view.model), view.axes, accuracy=accuracy)


def plane(view: View, side: Side) -> Plane:
    """The axes of a chart that was drawn before."""
    return drawing.plane(getattr(view.axes, side), view.axes, st.session_state[_RANGES][view.model])


def _clicked(recipe_id: str, seen: Snapshot) -> None:
    """Show the settings of the clicked point."""
    result = seen.results.get(recipe_id)
    if result is not None:
        st.session_state[_CLICKED] = not menu.is_on(menu.EXPLORE)
        parts.show(view_of(result.parsed_recipe, seen.view))


def was_clicked() -> bool:
    """Whether a point was clicked just now on another page than Explore (asked once)."""
    return bool(st.session_state.pop(_CLICKED, False))
