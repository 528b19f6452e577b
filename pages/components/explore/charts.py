"""The two trade-off charts. A click on a point shows its settings."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from compression.charts import drawing, tradeoff
from compression.charts.axes import COSTS, GAINS, Axes
from compression.charts.palette import ACCENT, NEUTRAL
from compression.charts.tradeoff import Ranges, Tradeoff
from compression.results.metrics import METRICS
from compression.search.curves import CURVES, Curve, curves_for
from compression.search.estimate import Estimate, estimate
from pages.components.asking.work import Snapshot
from pages.components.explore import parts
from pages.components.frame import chart_view, menu
from pages.components.shown import elements
from pages.components.view import state
from pages.components.view.link import View, view_of

_RANGES = "chart_ranges"
_ZOOM = "chart_zoom"
_ALL = "all"
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
    return estimate(seen.view.settings, seen.known, seen.measured_curves, seen.view.axes.metrics, seen.lessons)


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
        axes=view.axes,
    )


def show_pair(seen: Snapshot) -> None:
    """What a setting gains against two of its costs, side by side, stacked on narrow screens."""
    data = numbers(seen)
    near = st.session_state.get(_ZOOM, _ALL) != _ALL  # the charts are drawn before the control above them
    for side in elements.grid(SIDES, 2):
        show(seen, data, side, near_baseline=near)


def show_head(view: View) -> None:
    """What the symbols mean, and the choice of curves and axes."""
    with st.container(key="legend"):
        legend, choice = st.columns([3, 2.1], vertical_alignment="center")
    with legend:
        show_legend(view)
    state.keep(_ZOOM, _ALL)
    with choice, st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="right"):
        _choose_curves(view)
        _choose_axes(view)
        spans = (_ALL, "near the baseline")
        elements.switch("Accuracy axis", spans, usual=st.session_state[_ZOOM], key=_ZOOM, is_labelled=False)


def show(
    seen: Snapshot, data: Tradeoff, side: Side, *, near_baseline: bool = False, height: int = drawing.HEIGHT
) -> None:
    """One chart. Its key is stable and its ranges only grow, so that it is changed, never replaced."""
    axes = seen.view.axes
    cost = getattr(axes, side)
    near = tradeoff.near_baseline(data, axes.gain) if near_baseline else None
    figure = drawing.draw(data, cost, axes.gain, _ranges(seen, data), gain_range=near, height=height)
    what = f"{METRICS[axes.gain].title} against {METRICS[cost].words}"
    chart_view.show(
        figure,
        key=f"chart_{side}",
        alt=f"{what}: {len(data.points)} measured settings of {seen.view.model}",
        on_click=lambda recipe_id: _clicked(recipe_id, seen),
        marked=seen.view.recipe.recipe_id,
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
    state.choose(axes=Axes(**{field: st.session_state[_AXES + field] for field in ("left", "right", "gain")}))


def show_legend(view: View, *, with_setting: bool = True) -> None:
    """Symbols and colours; those of the current setting only where there is one."""
    curves = [CURVES[name] for name in curves_for(view.subject) if name in view.curves]
    entries = [
        *((_glyph(curve), curve.colour, curve.words) for curve in curves),
        *([("●", ACCENT, "This setting")] if with_setting else []),
        ("★", NEUTRAL, "Baseline"),
        ("•", NEUTRAL, "Other settings"),
        ("┄", NEUTRAL, "Best trade-offs (Pareto front)"),
    ]
    style = "display:flex;flex-wrap:wrap;gap:.25rem 1rem;font-size:.875rem;align-items:center"
    st.html(f'<div style="{style}">{"".join(_entry(*entry) for entry in entries)}</div>')


def _entry(glyph: str, colour: str, title: str) -> str:
    mark = f'<span style="color:{colour};font-size:1.05rem;line-height:1">{glyph}</span>'
    return f'<span style="display:inline-flex;align-items:center;gap:.35rem;white-space:nowrap">{mark}{title}</span>'


def _ranges(seen: Snapshot, data: Tradeoff) -> Ranges:
    """The session's ranges of this model's axes."""
    kept: dict[str, tradeoff.Kept] = st.session_state.setdefault(_RANGES, {})
    expected = seen.known.stored_bytes or 100_000.0
    kept[seen.view.model] = tradeoff.keep(data, expected, kept.get(seen.view.model), seen.view.axes)
    return kept[seen.view.model].shown


def ranges_of(model: str) -> Ranges:
    """What the charts of a model that were drawn before show."""
    return st.session_state[_RANGES][model].shown  # type: ignore[no-any-return]


def _clicked(recipe_id: str, seen: Snapshot) -> None:
    """Show the settings of the clicked point."""
    result = seen.results.get(recipe_id)
    if result is not None:
        st.session_state[_CLICKED] = not menu.is_on(menu.EXPLORE)
        parts.show(view_of(result.parsed_recipe, seen.view))


def was_clicked() -> bool:
    """Whether a point was clicked just now on another page than Explore (asked once)."""
    return bool(st.session_state.pop(_CLICKED, False))
