"""Live progress: the one part of a page that runs by itself, and draws the rest anew when something changed."""

from __future__ import annotations

import streamlit as st

from compression import wording
from compression.store import Job, JobState
from pages.components import work
from pages.components.work import Snapshot

POLL_SECONDS = 0.6
"""How often the page asks whether anything changed: one small query each time."""

_LAST = "progress_seen"


def show(drawn: Snapshot) -> None:
    """Progress of the current setting and of the curves; polls while jobs are unfinished."""
    st.session_state[_LAST] = (work.revision(), drawn)
    every = POLL_SECONDS if drawn.unfinished else None
    st.fragment(run_every=every)(_progress)(drawn)


def _progress(drawn: Snapshot) -> None:
    seen = _look(drawn)
    if seen.signature != drawn.signature:
        st.rerun()
    with st.container(border=True, key="progress"):
        _setting(seen)
        _sweep(seen)


def _look(drawn: Snapshot) -> Snapshot:
    """A new snapshot, or the last one where the store says that nothing changed."""
    revision = work.revision()
    kept_revision, kept = st.session_state.get(_LAST, (None, drawn))
    if revision == kept_revision and kept.view == drawn.view:
        last: Snapshot = kept
        return last
    seen = work.snapshot(drawn.view)
    st.session_state[_LAST] = (revision, seen)
    return seen


def _setting(seen: Snapshot) -> None:
    """The current setting: a bar while it is measured."""
    job = seen.job
    text, button = st.columns([3, 1.3], vertical_alignment="center")
    if seen.result is not None:
        text.progress(1.0, f"This setting: measured in {wording.duration(seen.result.seconds)}")
    elif job is None or job.state.is_final:
        text.progress(0.0, "This setting: not measured")
        button.button("Measure", on_click=work.retry, width="stretch", key="retry")
    else:
        text.progress(job.progress, f"This setting: {_doing(job)}")
        button.button("Cancel", on_click=work.give_up, width="stretch", key="give_up")


def _doing(job: Job) -> str:
    if job.state is JobState.WAITING:
        return "waiting for a worker"
    return f"{job.message or 'starting'} · {100 * job.progress:.0f} %"


def _sweep(seen: Snapshot) -> None:
    """The curves: how many points, how long still, cancel and resume."""
    total, left = len(seen.sweep), len(seen.missing)
    text, button = st.columns([3, 1.3], vertical_alignment="center")
    words = f"Curves: {total - left} of {total} points"
    if left == 0:
        text.progress(1.0, f"{words} measured")
    elif seen.sweep_runs:
        text.progress((total - left) / total, f"{words} · {wording.duration(work.seconds_left(seen))} left")
        button.button("Cancel", on_click=work.pause, width="stretch", key="pause")
    else:
        why = "stopped" if seen.paused else "incomplete"
        text.progress((total - left) / total, f"{words} · {why}")
        button.button("Resume", on_click=work.resume, width="stretch", key="resume")
