"""What a setting may cost: three boxes, and the best measured setting within them."""

from __future__ import annotations

import streamlit as st

from compression import units
from compression.results.metrics import METRICS
from compression.results.record import Result
from compression.results.score import said
from compression.search.limits import LIMITS, Choice, Limits, choose, judge
from pages.components.asking import work
from pages.components.asking.work import Snapshot
from pages.components.explore import parts
from pages.components.view import state
from pages.components.view.link import View, view_of

KEY = "limits"
_LIMIT = state.SETTING + "limit_"
_BOXES = {
    "stored_kb": ("Stored file, at most (KB)", 10.0, "What you may ship or flash. 1 KB is 1,000 bytes."),
    "latency_ms": ("Latency, at most (ms)", 0.05, "For one image, as on the chart: relative to the baseline's."),
    "drop_points": (
        "Accuracy lost, at most (percentage points)",
        0.5,
        "Percentage points below the baseline on validation images. What is reported, on the test images, was not "
        "chosen by.",
    ),
}


def show(seen: Snapshot | None, view: View) -> None:
    """The boxes; what they forbid is shaded and struck out on the charts."""
    with st.expander("Limits", icon=":material/select_all:", key=KEY, on_change="rerun") as opened:
        if not opened.open:
            return
        for field, (label, step, help_words) in _BOXES.items():
            state.place(_LIMIT + field, getattr(view.limits, field))
            st.number_input(
                said(label),
                min_value=LIMITS[field].least,
                max_value=LIMITS[field].most,
                value=None,
                step=step,
                placeholder="no limit",
                format="%g",
                key=_LIMIT + field,
                help=help_words,
                on_change=_changed,
            )
        if seen is not None and seen.baseline is not None and view.limits.are_set:
            _best(choose(seen.results.values(), view.limits, view.target), view)


def _changed() -> None:
    state.choose(limits=Limits(**{field: st.session_state[_LIMIT + field] for field in _BOXES}))
    parts.redraw()


def _best(choice: Choice, view: View) -> None:
    """What is best, and a button that shows it."""
    best = choice.best
    if best is None:
        st.warning(
            f"None of {choice.total:,} measured settings keeps to these limits. Loosen one, or let more be measured.",
            icon=":material/block:",
        )
        return
    st.markdown(
        f"**{choice.kept:,} of {choice.total:,}** measured settings surely keep to them, {choice.perhaps:,} perhaps. "
        f"Best, {choice.best_by}: **{best.words}**: {_numbers(best)}."
    )
    doubts = [one.words for one in judge(best, view.limits) if one.state == "perhaps"]
    if doubts:
        sure = f" The best that surely keeps to them: **{choice.sure.words}**." if choice.sure else ""
        st.caption(f":material/help: {units.capital('; '.join(doubts))}.{sure}")
    timed = work.make_sure(choice.finalists)
    first = units.counted(len(choice.finalists), "setting")
    waits = "" if timed else f" The best {first} will be timed again, so that none wins by a lucky moment."
    st.caption(f"Chosen on {best.choosing.n:,} validation images; the numbers are those of the test images.{waits}")
    is_shown = best.recipe_id == view.recipe.recipe_id
    st.button(
        "This is the setting shown" if is_shown else "Show it",
        icon=":material/my_location:",
        disabled=is_shown,
        key="show_best",
        on_click=_show,
        args=(best,),
    )


def _numbers(best: Result) -> str:
    """Of what limits can be set on."""
    limited = (METRICS[key] for key in ("stored", "accuracy", "difference", "latency"))
    return ", ".join(f"{metric.words} {metric.said(best)}" for metric in limited)


def _show(best: Result) -> None:
    parts.show(view_of(best.parsed_recipe, state.current()))
