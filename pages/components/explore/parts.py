"""The parts of the Explore page that are drawn anew without the rest, and the one look at the store they share.

A moved control changes the view before anything is drawn (see `widgets`), so each part draws what it finds in the
view, in any order: the charts first, since they are what the person waits for. What a move cannot change (the menu,
the model and its picture) belongs to no part and is not sent again.
"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.components.asking import notices, work
from pages.components.asking.work import Snapshot
from pages.components.frame import menu
from pages.components.view import state
from pages.components.view.link import View

PARTS = ("charts", "verdict", "controls", "wish", "outcome", "insight", "foresight")
"""In the order in which they are sent to the browser after a move."""
CHARTS, VERDICT, CONTROLS, WISH, OUTCOME, INSIGHT, FORESIGHT = PARTS

_SEEN = "parts_seen"
INSIGHT_TAB, STEP_BY_STEP = "insight", "Step by step"
"""Where that tab is open, the beginnings of the recipe have to be measured too."""


def look(view: View) -> Snapshot | None:
    """Look at the store once. Where that fails, which is said, it is what was seen of the model before, if anything."""
    last = seen()
    st.session_state[_SEEN] = replace(last, view=view) if last is not None and last.view.model == view.model else None
    with notices.telling():
        st.session_state[_SEEN] = work.snapshot(view, last)
    return seen()


@notices.told
def ask(view: View) -> Snapshot | None:
    """Ask for the view's measurement once the charts are drawn, and look again at what is under way now.

    Where asking fails, that is said, and what is known is shown. Where a point has landed in between, all is drawn
    anew: the charts have not seen it.
    """
    drawn = seen()
    if drawn is None:
        return None
    with notices.telling():
        work.want(view, step_by_step=st.session_state.get(INSIGHT_TAB) == STEP_BY_STEP)
    found = look(view)
    if found is not None:
        with notices.telling():
            work.go_ahead(found)
        if (found.results.keys(), found.preview) != (drawn.results.keys(), drawn.preview):
            menu.rerun()
    return found


def seen() -> Snapshot | None:
    """What was seen last, for parts that are drawn alone: nothing on the page is newer or older than the rest."""
    found: Snapshot | None = st.session_state.get(_SEEN)
    return found


def redraw() -> None:
    """In a control's callback: draw all parts anew, and nothing else. Another page than Explore is drawn whole."""
    if menu.is_on(menu.EXPLORE) and not menu.is_leaving():
        st.rerun(list(PARTS))


def show(view: View) -> None:
    """In a control's callback: show another view, and draw all parts anew."""
    state.show(view)
    redraw()
