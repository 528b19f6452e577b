"""The latest search of the model, whoever began it: how it gets on while it runs, and what it found."""

from __future__ import annotations

import functools

import streamlit as st

from compression import units
from compression.charts import search_curve
from compression.results.record import Result
from compression.results.score import said
from compression.search.answer import BOLDER, Answer, answer, said_of, sentences
from compression.search.outlook import SEEN, hardly_helps
from compression.search.wish import Wish, wish_from
from compression.store.searches import Search, SearchState
from compression.work import dispatcher
from pages.components.asking import notices, pace
from pages.components.asking.work import Snapshot
from pages.components.explore import parts, search_answer
from pages.components.frame import chart_view, presence

MORE_MINUTES = 5.0
"""What one click adds."""


def show(seen: Snapshot) -> None:
    """Nothing where nobody searched, or another version of this program did."""
    search = seen.search
    if search is None:
        return
    try:
        wish = wish_from(search.wish)
    except ValueError:
        return
    found = _answer(tuple(seen.results.values()), wish)
    if search.state in (SearchState.RUNNING, SearchState.PAUSED):
        with st.container(border=True, key="search"):
            st.markdown(said(f":material/travel_explore: **Looking for {wish.words}**"))
            every = pace.look_seconds(presence.count()) if search.state is SearchState.RUNNING else None
            st.fragment(run_every=every)(_live)(search, _best(found))
        return
    with st.expander(search_answer.title(found), expanded=True, key="search_answer", on_change="rerun") as opened:
        if opened.open:
            _what_is_left(search, len(seen.results))
            search_answer.show(seen, found)
            told, picture = st.columns(2, gap="medium", vertical_alignment="center")
            with told:
                st.caption(_took(search))
                more_button(search)
            with picture:
                show_curve(search)


@functools.lru_cache(maxsize=8)
def _answer(results: tuple[Result, ...], wish: Wish) -> Answer:
    """Of the very same results once: the page is drawn more often than something is measured."""
    return answer(results, wish)


@notices.told
def _live(drawn: Search, best: str) -> None:
    """How far it is. What it found is drawn anew with the page whenever something is measured."""
    search = dispatcher.get_dispatcher().store.searches.search(drawn.search_id)
    if search is None:
        return
    told, picture = st.columns([3, 2], gap="medium")
    with told:
        st.progress(min(1.0, search.spent_s / 60 / search.minutes), how_far(search))
        st.markdown(said(best))
        if search.spent_s < 60 * search.minutes and hardly_helps(search.progress, search.spent_s):
            st.caption(":material/trending_flat: More time will hardly help: its last third brought nothing. Stop?")
        _steer(search)
    with picture:
        show_curve(search)


def how_far(search: Search) -> str:
    """'48 s of 5 min: 23 settings measured, about 4 min left'."""
    left = 60 * search.minutes - search.spent_s
    spent = f"{units.duration(search.spent_s)} of {units.duration(60 * search.minutes)}" if search.spent_s else ""
    if search.state is SearchState.PAUSED:
        return f"Paused{f' after {spent}' if spent else ''}: {search.message}"
    if not spent:
        return "Starting: the first settings come in some seconds"
    return f"{spent}: {search.message}, about {units.duration(left)} left" if left > 0 else f"Over: {search.message}"


def _best(found: Answer) -> str:
    """What there is so far, in a sentence or two."""
    bolder = next((one.result for one in found.others if one.why == BOLDER), None)
    first = sentences(found)[0]
    more = f" {units.capital(BOLDER)}: {bolder.words} ({said_of(bolder, found.wish.target)})." if bolder else ""
    return f"**Best so far.** {first}{more}"


def _took(search: Search) -> str:
    """How long it took, and why it ended where that was no wish of anybody's."""
    why = f": {notices.plain(search.message)}" if search.state is SearchState.CANCELLED else ""
    return f"Searched for {units.duration(search.spent_s)}, {units.counted(_known(search), 'setting')} known{why}."


def _known(search: Search) -> int:
    """How many settings were measured when it ended."""
    return search.progress[-1][1] if search.progress else 0


def _what_is_left(search: Search, left: int) -> None:
    """Said where the answer is of fewer settings than the search had."""
    if left < _known(search):
        settings = units.counted(_known(search), "setting")
        st.info(
            f"This search knew {settings}, of which {left:,} can still be compared: others were deleted, or measured "
            "by another version of the program or model. Give it more minutes to have an answer of today.",
            icon=":material/history:",
        )


def _steer(search: Search) -> None:
    name = search.search_id
    with st.container(horizontal=True, key="search_steer"):
        if search.state is SearchState.RUNNING:
            _button("Pause", "pause", _move, name, SearchState.PAUSED)
        else:
            _button("Resume", "play_arrow", _move, name, SearchState.RUNNING)
        _button("Stop", "stop", _move, name, SearchState.OVER)
        more_button(search)


def more_button(search: Search) -> None:
    """Some minutes more; one that is over has them from now on. One that was cancelled cannot go on."""
    if search.state is SearchState.CANCELLED:
        return
    unused = search.minutes - search.spent_s / 60 if search.state is SearchState.OVER else 0.0
    _button(f"{MORE_MINUTES:g} more minutes", "more_time", _extend, search.search_id, MORE_MINUTES - unused)


def _button(label: str, icon: str, act: object, *args: object) -> None:
    key = f"search_{icon}"
    st.button(label, icon=f":material/{icon}:", key=key, on_click=act, args=args)  # type: ignore[arg-type]


@notices.told
def _move(search_id: str, state: SearchState) -> None:
    dispatcher.get_dispatcher().store.searches.move(search_id, state)
    parts.redraw()


@notices.told
def _extend(search_id: str, minutes: float) -> None:
    dispatcher.get_dispatcher().store.searches.extend(search_id, minutes)
    parts.redraw()


def show_curve(search: Search) -> None:
    """How much of the possible is found, over time; nothing before there are two points that say something."""
    if len(search.progress) < LEAST_POINTS or search.progress[-1][2] < SEEN:
        return
    words = search_curve.in_words(search.progress)
    figure = search_curve.drawn(search.progress, search.spent_s, search.minutes)
    chart_view.show(figure, key="search_curve", alt=words)
    st.caption(words, help=search_curve.MEANING)


LEAST_POINTS = 2
