"""Jobs that failed, with their reasons, and those that are over."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import streamlit as st

from compression import units
from compression.errors import CompressionError
from compression.models.subject import model_title
from compression.store.jobs import Job, JobState
from compression.work import dispatcher, overview
from compression.work.overview import Activity
from pages.components.asking import notices, waiting
from pages.components.jobs import board, job_link
from pages.components.shown import elements

FIRST_FAILED = 5
"""Shown at once; the others open with a click."""

_ENDED = {JobState.COMPLETE: "finished", JobState.FAILED: "failed", JobState.CANCELLED: "cancelled"}

_COLUMNS = {
    "ended": st.column_config.DatetimeColumn("Ended", format="YYYY-MM-DD HH:mm:ss"),
    "outcome": st.column_config.TextColumn("Outcome"),
    "model": st.column_config.TextColumn("Model"),
    "purpose": st.column_config.TextColumn("What it was for", width="large"),
    "took": st.column_config.NumberColumn(
        "Job took (s)", format="%.2f", help="From its beginning to its end; next to nothing where the answer was there."
    ),
    "asker": st.column_config.TextColumn("Asked for by"),
    "attempts": st.column_config.NumberColumn(
        "Attempts", help="More than one: its worker process died or was stopped."
    ),
}


def show() -> None:
    """Both lists; nothing where the store fails, which is said above."""
    with contextlib.suppress(CompressionError):
        seen = board.look()
        _failed(seen)
        _over(seen)


def _failed(seen: Activity) -> None:
    if not seen.failed:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="jobs_failed_head"):
        st.markdown(
            f"**Failed** ({seen.failed_total:,})",
            help="Not tried again since. A failed variant has no numbers anywhere.",
        )
        waiting.retry_button(seen.failed, "jobs_retry_all", "Try all again")
        st.button("Clear the list", key="jobs_clear_failed", type="tertiary", on_click=_clear)
    for job in seen.failed[:FIRST_FAILED]:
        _failure(job)
    if rest := seen.failed[FIRST_FAILED:]:
        left_out = seen.failed_total - len(seen.failed)
        with st.expander(f"{len(rest)} more" + (f", and {left_out:,} older ones not listed" if left_out else "")):
            for job in rest:
                _failure(job)


def _failure(job: Job) -> None:
    who = job_link.asker(job.group)
    with st.container(border=True, key=f"jobs_failed_{job.job_id}"):
        st.markdown(f"**{model_title(job.recipe.model)}** · {overview.purpose(job)}")
        st.error(notices.plain(job.error or "No reason was written down."), icon=":material/error:")
        with st.container(horizontal=True, vertical_alignment="center"):
            waiting.retry_button([job], f"jobs_retry_{job.job_id}")
            st.button("Log", key=f"jobs_log_{job.job_id}", on_click=job_link.open_job, args=(job.job_id,))
            st.caption(f"{who} · {ago(job.finished_at)}")


def ago(moment: datetime | None) -> str:
    """How long ago, in words."""
    if moment is None:
        return ""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    return "just now" if seconds < 5 else f"{units.duration(seconds)} ago"


def _clear() -> None:
    with contextlib.suppress(CompressionError):  # what is drawn next meets the same, and says it
        dispatcher.get_dispatcher().store.queue.forget([JobState.FAILED])


def _over(seen: Activity) -> None:
    """The last that ended; a click on a row opens its log."""
    total = sum(count for job_state, count in seen.counts.items() if job_state.is_final)
    left_out = f", the last {len(seen.over):,} of {total:,}" if total > len(seen.over) else f" ({total:,})"
    st.markdown(f"**Over**{left_out}", help="Choose a row to read what that job did when.")
    if not seen.over:
        st.caption("No job has ended yet. The first ones do seconds after you open Explore.")
        return
    elements.table(
        [_row(job) for job in seen.over],
        _COLUMNS,
        key="jobs_over_table",
        most_px=330,
        on_row=lambda row: job_link.open_job(seen.over[row].job_id),
    )


def _row(job: Job) -> dict[str, object]:
    """A job in the table."""
    return {
        "ended": job_link.local(job.finished_at),
        "outcome": _ENDED[job.state],
        "model": model_title(job.recipe.model),
        "purpose": overview.purpose(job),
        "took": overview.seconds_taken(job),
        "asker": job_link.asker(job.group),
        "attempts": job.attempts,
    }
