"""Live progress: the one part of a page that runs by itself, and draws the rest anew when something changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import streamlit as st

from compression import units
from compression.charts import learning_curve
from compression.results.record import Learning
from compression.store.jobs import Job, JobState
from pages.components.asking import notices, pace, work
from pages.components.asking.work import Snapshot
from pages.components.frame import browser, chart_view, menu, presence
from pages.components.shown import glossary
from pages.components.view import state
from pages.components.view.link import view_of

RETRY_SECONDS = 5.0
"""How often it asks again for what could not be asked for, as where another program holds the database."""

_LAST = "progress_seen"


def show(drawn: Snapshot, *, with_setting: bool = True) -> None:
    """Progress of the current setting (if wanted) and of the curves; polls while jobs are unfinished."""
    st.session_state[_LAST] = drawn
    pace.turns.over(state.session_id(), time.monotonic())
    every = pace.look_seconds(presence.count()) if drawn.unfinished else RETRY_SECONDS if work.is_to_ask() else None
    st.fragment(run_every=every)(_progress)(drawn, [drawn], with_setting)


@notices.told
def _progress(drawn: Snapshot, fresh: list[Snapshot], with_setting: bool) -> None:
    """`fresh` is empty but for the first time: a page that is just being drawn must not start anew."""
    is_first = bool(fresh)
    seen = fresh.pop() if fresh else _look(drawn)
    done_instead = work.ended_early(seen)
    if done_instead is not None:
        state.show(view_of(done_instead, seen.view))
        menu.rerun()
    if _is_to_draw(drawn, seen) or (not is_first and work.is_to_ask()):
        menu.rerun()
    with st.container(key="browser_keeps_progress"):
        browser.show()
    with st.container(border=True, key="progress"):
        if with_setting:
            _setting(seen)
        _sweep(seen)


def _is_to_draw(drawn: Snapshot, seen: Snapshot) -> bool:
    """Whether there is news, and it is this page's turn to draw some."""
    if seen.signature == drawn.signature:
        return False
    is_own = seen.own_signature != drawn.own_signature
    return pace.turns.take(state.session_id(), time.monotonic(), is_own=is_own)


def _look(drawn: Snapshot) -> Snapshot:
    """A new snapshot, or the last one where the store says that nothing changed."""
    last: Snapshot = st.session_state.get(_LAST, drawn)
    st.session_state[_LAST] = seen = work.snapshot(drawn.view, last)
    if seen is not last:
        work.go_ahead(seen)
    return seen


def _setting(seen: Snapshot) -> None:
    """The current setting: a bar while it is measured."""
    job = seen.job
    if seen.result is not None:
        _bar(1.0, f"This setting: measured in {units.duration(seen.result.seconds)}")
    elif job is None or job.state.is_final:
        _bar(0.0, "This setting: not measured", "Measure", work.retry)
    else:
        _bar(job.progress, f"This setting: {_doing(job)}", "Cancel", work.give_up, seen)
        if job.learning is not None and job.preview is None:
            _learning(job, job.learning)


def _learning(job: Job, learning: Learning) -> None:
    """How accurate the network is that trains, and a way to end that here."""
    words = learning_curve.in_words(learning)
    chart_view.show(learning_curve.drawn(learning), key="learning", alt=words)
    st.caption(words)
    if not learning.may_end:
        return
    st.button(
        "Stopping: the best is kept" if job.is_enough_requested else "Stop here and keep the best",
        on_click=work.keep_best,
        args=(job,),
        key="keep_best",
        icon=":material/stop_circle:",
        disabled=job.is_enough_requested,
        help="Ends the training with the best network so far. The setting then says how many passes it really had.",
    )


def _doing(job: Job) -> str:
    """What is waited for, and for how long by now."""
    since = units.duration((datetime.now(UTC) - job.created_at).total_seconds())
    if job.state is JobState.WAITING:
        return f"waiting for a worker, for {since} now"
    return f"{job.message or 'starting'} · {units.share(job.progress, 0)} · {since} since it was asked for"


def _sweep(seen: Snapshot) -> None:
    """The curves: how many points, how long still, cancel and resume."""
    total, left = len(seen.sweep), len(seen.missing)
    done, words = (total - left) / total, f"Curves: {total - left} of {total} settings"
    if left == 0:
        _bar(1.0, f"{words} measured")
    elif seen.sweep_runs:
        still = work.seconds_left(seen)
        left_words = "estimating how long" if still is None else f"{units.duration(still)} left"
        _bar(done, f"{words} · {left_words}", "Cancel", work.pause)
    else:
        why = "stopped" if seen.paused else "incomplete"
        _bar(done, f"{words} · {why}", "Resume", work.resume)
    st.caption(f"A curve is {glossary.WORDS['Curve']}")


def _bar(fraction: float, words: str, button: str = "", act: Callable[..., None] | None = None, *args: object) -> None:
    """A progress bar with its words, and beside it what can be done about it."""
    if act is None:
        st.progress(fraction, words)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(fraction, words)
        st.button(button, on_click=act, args=args, key=f"progress_{act.__name__}")
