"""The wish: what a setting may cost, what is to be best within that, and at once whether it can be had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from compression import units
from compression.inquiries.layer_tables import TableInquiry, Tables
from compression.recipe.budgets import Budget
from compression.recipe.recipe import Recipe
from compression.results.metrics import METRICS
from compression.results.score import said
from compression.search import outlook
from compression.search.limits import LIMITS, TARGETS, Choice, Target, choose, judge, usual_target
from compression.search.outlook import Outlook
from compression.search.wish import MINUTES, wish_for
from compression.store.searches import SearchState
from compression.work import searching
from pages.components.asking import desk, notices, waiting, work
from pages.components.asking.work import Snapshot
from pages.components.explore import parts
from pages.components.shown import elements, html_table
from pages.components.view import state
from pages.components.view.link import View, view_of

KEY = "wish_boxes"
MORE = "wish_more"
"""The session-state keys that say whether the boxes, and those of the rarer limits, are open."""
_LIMIT, _TARGET = state.SETTING + "limit_", state.SETTING + "wish_target"
_MINUTES, USUAL_MINUTES = "wish_minutes", 5.0

_BOXES = {
    "stored_kb": ("Stored file, at most (KB)", 10.0, "What you may ship or flash. 1 KB is 1,000 bytes."),
    "drop_points": (
        "Accuracy lost, at most (percentage points)",
        0.5,
        "Percentage points below the baseline on validation images. What is reported, on the test images, was not "
        "chosen by.",
    ),
    "latency_ratio": (
        "Time, at most (share of the original's)",
        0.1,
        "0.5 is half the time of the original model, which is twice as fast. It holds on other machines too, roughly.",
    ),
}
_RARER = {
    "latency_ms": ("Latency, at most (ms)", 0.05, "For one image, as on the chart: relative to the baseline's."),
    "runtime_kb": ("Runtime file, at most (KB)", 10.0, METRICS["runtime"].meaning),
    "memory_kb": ("Memory, at most (KB)", 10.0, METRICS["memory"].meaning),
    "worst_points": (
        "Worst class, at most (percentage points lost)",
        1.0,
        "As the accuracy lost, but of the class that suffers most: a good average can hide it.",
    ),
}
_SIGNS = {
    "measured": ("check_circle", "green"),
    "probably": ("thumb_up", "green"),
    "perhaps": ("help", "orange"),
    "hardly": ("block", "orange"),
    "unknown": ("hourglass_top", "gray"),
}
"""An icon and a colour for each chance of a wish."""


def show(seen: Snapshot | None, view: View) -> None:
    """One line, and the boxes while they are wanted; what they forbid is shaded and struck out on the charts."""
    is_open = bool(st.session_state.get(KEY))
    with st.container(border=True, key="wish_box"):
        with st.container(horizontal=True, vertical_alignment="center", key="wish_head"):
            icon = f":material/{'expand_less' if is_open else 'expand_more'}:"
            st.button("**What is the best for me?**", icon=icon, type="tertiary", key="wish_open", on_click=_toggle)
            st.markdown(said(_words(view)), width="stretch")
        if is_open:
            _inside(seen, view)


def _toggle() -> None:
    st.session_state[KEY] = not st.session_state.get(KEY)


def _words(view: View) -> str:
    """What is wished for, or that one may."""
    if not view.limits.are_set and view.target is None:
        return "Say what it may cost, and have it found."
    within = f" · {view.limits.words}" if view.limits.are_set else ""
    return f"{units.capital(TARGETS[view.target or usual_target(view.limits)])}{within}"


def _inside(seen: Snapshot | None, view: View) -> None:
    _boxes(_BOXES, view)
    with st.expander("More limits", key=MORE, on_change="rerun", type="compact") as more:
        if more.open:
            _boxes(_RARER, view)
    with st.container(horizontal=True, vertical_alignment="bottom", key="wish_aim"):
        _aim(view)
        _find(seen)
    if seen is not None and seen.baseline is not None and (view.limits.are_set or view.target):
        _outlook(seen, view)


def _boxes(boxes: Mapping[str, tuple[str, float, str]], view: View) -> None:
    for field, (label, step, help_words) in elements.grid(tuple(boxes.items()), len(boxes)):
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
            help=said(help_words),
            on_change=_limited,
            args=(field,),
        )


def _limited(field: str) -> None:
    """Only the one that was changed: others may not be drawn."""

    def act(most: float | None) -> None:
        state.choose(limits=replace(state.current().limits, **{field: most}))
        parts.redraw()

    state.follow(_LIMIT + field, act)


def _aim(view: View) -> None:
    """What is to be best. Until somebody says it, it goes with the limits."""
    target = view.target or usual_target(view.limits)
    if view.target is None:
        st.session_state[_TARGET] = target
    state.place(_TARGET, target)
    elements.switch(
        "Make it the",
        said_of_targets(),
        usual=target,
        key=_TARGET,
        wrap=True,
        on_change=_aimed,
        help="What is to be as good as the limits allow.",
    )


def said_of_targets() -> dict[Target, str]:
    """'most accurate', 'smallest file'."""
    return {target: said(words.removeprefix("the ")) for target, words in TARGETS.items()}


def _aimed() -> None:
    def act(target: Target) -> None:
        state.choose(target=target)
        parts.redraw()

    state.follow(_TARGET, act)


def _find(seen: Snapshot | None) -> None:
    """How long to search, and the button that begins it."""
    state.keep(_MINUTES, USUAL_MINUTES)
    st.number_input(
        "Minutes to spend",
        *MINUTES,
        step=1.0,
        format="%g",
        key=_MINUTES,
        width=170,
        help="A setting without training takes seconds, one with training longer. Two to ten minutes mostly do; more "
        "can be added later.",
    )
    runs = seen is not None and seen.search is not None and seen.search.state in UNDER_WAY
    st.button(
        "Find it",
        icon=":material/search:",
        type="primary",
        key="find_it",
        help="Measures combinations of all techniques that promise most, and says what is best. It goes on when you "
        "close the page." + (" The search that is under way ends." if runs else ""),
        on_click=_begin,
    )


UNDER_WAY = (SearchState.RUNNING, SearchState.PAUSED)


@notices.told
def _begin() -> None:
    """Search for what the view wishes; one that is under way here ends, as nobody would see it any more."""
    view, store = state.current(), desk.store()
    wish = wish_for(view.limits, view.target, st.session_state.get(_MINUTES, USUAL_MINUTES))
    for one in store.searches.of_model(view.model, store.workspace):
        if one.state in UNDER_WAY:
            store.searches.move(one.search_id, SearchState.OVER)
    searching.begin(store, view.model, wish)
    state.choose(target=wish.target)
    st.session_state[KEY] = False
    parts.redraw()


# At once ----------------------------------------------------------------------------------------------


def _outlook(seen: Snapshot, view: View) -> None:
    """Whether it can be had, with what, and how far one can go."""
    inquiry = TableInquiry(recipe=seen.view.recipe.baseline())
    tables = waiting.known(inquiry, Tables)
    target = view.target or usual_target(view.limits)
    asked = outlook.asked_for(view.limits, target)
    budgets: dict[Budget, None] = dict.fromkeys((view.settings.budget, "quick"))
    expected = [
        one for budget in budgets for one in work.evidence_of(view.subject, budget, seen.results).expected(asked)
    ]
    if tables is not None:
        expected += seen.evidence.by_layer(tables)
    found = outlook.look_out(view.limits, target, seen.results.values(), expected)
    icon, colour = _SIGNS[found.chance]
    first, *more = found.sentences
    how, _, rest = first.partition(":")
    told, reach = st.columns([3, 2], gap="medium")
    with told, st.container(key="wish_outlook"):
        st.markdown(f":{colour}[:material/{icon}:] **{how}:**{rest}")
        for sentence in more:
            st.caption(f":material/query_stats: {sentence}")
        if found.best is not None:
            _certainty(view, choose(seen.results.values(), view.limits, view.target))
        with st.container(horizontal=True):
            if found.best is not None:
                show_button(found.best.parsed_recipe, "show_best")
            if found.expected is not None:
                show_button(found.expected.recipe, "show_expected", "Measure this estimate", "science")
    with reach:
        _reach(found)
    if tables is not None:
        how = f"each layer was tried alone on {tables.n_images:,} validation images"
        st.caption(f":material/layers: Levels chosen layer by layer are among the estimates: {how}.")
        return
    st.caption(
        ":material/layers: So far all layers get the same level. Once each was tried alone, in the background, levels "
        "chosen layer by layer are estimated too."
    )
    waiting.ask(inquiry, Tables, key="wish_tables", background=True)


def show_button(recipe: Recipe, key: str, label: str = "Show it", icon: str = "my_location") -> None:
    """Goes to a setting, which has it measured where it is not."""
    is_shown = recipe == state.current().recipe
    st.button(
        "This is the setting shown" if is_shown else label,
        icon=f":material/{icon}:",
        disabled=is_shown,
        key=key,
        on_click=_show,
        args=(recipe,),
    )


def _show(recipe: Recipe) -> None:
    parts.show(view_of(recipe, state.current()))


def _certainty(view: View, choice: Choice) -> None:
    """How sure the best measured setting is."""
    best = choice.best
    if best is None:
        return
    doubts = [one.words for one in judge(best, view.limits) if one.state == "perhaps"]
    if doubts:
        sure = f" The best that surely keeps to them: **{choice.sure.words}**." if choice.sure else ""
        st.caption(f":material/help: {units.capital('; '.join(doubts))}.{sure}")
    timed = work.make_sure(choice.finalists)
    first = units.counted(len(choice.finalists), "setting")
    waits = "" if timed else f" The best {first} will be timed again, so that none wins by a lucky moment."
    st.caption(f"Chosen on {best.choosing.n:,} validation images; the numbers are those of the test images.{waits}")


_ROWS = {
    "stored": ("Stored file", units.size),
    "ratio": ("Time (original 1)", lambda ratio: METRICS["ratio"].unit.words(ratio, 0)),
    "accuracy": ("Accuracy", lambda accuracy: f"{units.percent(accuracy)} %"),
}


def _reach(found: Outlook) -> None:
    """The smallest, the middle and the largest of what is within the limits."""
    rows = [
        [said(title), *(words(value) for value in found.reach[key])]
        for key, (title, words) in _ROWS.items()
        if key in found.reach
    ]
    if rows:
        where = "within your limits" if found.is_within else "without your limits"
        st.caption(f"What can be had {where}, measured or estimated")
        html_table.show(rows, ("", "least", "middle", "most"), label="What can be had", kind="even")
