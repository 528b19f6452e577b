"""Windows over the Jobs page: a job's log, and questions before something is given up or deleted."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from compression import units
from compression.models.subject import model_title
from compression.store import deletion, logs
from compression.store.deletion import Deletion
from compression.store.jobs import UNFINISHED, Job, JobState
from compression.store.logs import Line
from compression.work import dispatcher, overview
from pages.components.asking import notices, waiting, work
from pages.components.frame import browser
from pages.components.jobs import job_link
from pages.components.shown import elements

POLL_S = 1.0
"""How often the log of a running job is read again; its worker writes it every two seconds."""

_ASKED, _DONE = "jobs_asked", "jobs_done"
CANCEL_ALL = "cancel all"

_STATES = {
    JobState.WAITING: ":gray-badge[:material/hourglass_empty: waiting]",
    JobState.RUNNING: ":blue-badge[:material/play_arrow: running]",
    JobState.COMPLETE: ":green-badge[:material/check: finished]",
    JobState.FAILED: ":red-badge[:material/error: failed]",
    JobState.CANCELLED: ":gray-badge[:material/cancel: cancelled]",
}


def ask(question: str | tuple[str, ...]) -> None:
    """Have the page ask whether to `CANCEL_ALL`, or to delete the results with these keys."""
    st.session_state[_ASKED] = question


def asked() -> object:
    """The question that is open, if any."""
    return st.session_state.get(_ASKED)


def show() -> None:
    """The window that is open, if any, and what the last one led to. At most one can be open."""
    if done := st.session_state.pop(_DONE, None):
        st.toast(done, icon=":material/check:")
    question = st.session_state.get(_ASKED)
    if question == CANCEL_ALL:
        _cancel_all()
    elif question:
        _delete(question)
    elif job_id := job_link.opened():
        _log(job_id)


def _close() -> None:
    st.session_state.pop(_ASKED, None)
    job_link.open_job("")


# A job and its log ------------------------------------------------------------------------------------


@st.dialog("Job", width="large", on_dismiss=_close)
def _log(job_id: str) -> None:
    job = _find(job_id)
    if job is not None:
        st.fragment(run_every=None if job.state.is_final else POLL_S)(_report)(job_id, job.state)


@notices.told
def _find(job_id: str) -> Job | None:
    """The job; None where it is gone or cannot be read, which is said."""
    try:
        job = dispatcher.get_dispatcher().store.job(job_id)
    except ValueError:  # another version of this program wrote it
        job = None
    if job is None:
        st.error(
            "There is no such job any more. Jobs that are over are listed for 30 days, unless you clear the list.",
            icon=":material/search_off:",
        )
    return job


@notices.told
def _report(job_id: str, drawn: JobState) -> None:
    job = _find(job_id)
    if job is None:
        return
    if job.state is not drawn:
        st.rerun()
    lines = logs.log_of(dispatcher.get_dispatcher().store.database, job_id)
    st.markdown(f"{_STATES[job.state]} **{model_title(job.recipe.model)}** · {overview.purpose(job)}")
    st.caption(_facts(job))
    if job.error:
        st.error(notices.plain(job.error), icon=":material/error:")
    if not job.state.is_final:
        st.progress(job.progress, job.message or "waiting for a worker")
    text = log_in_words(lines)
    st.code(text or _why_empty(job), language=None, wrap_lines=True, height=320 if len(lines) > 10 else "content")
    _actions(job, text)


def _facts(job: Job) -> str:
    waited = ((job.started_at or job.finished_at or job.created_at) - job.created_at).total_seconds()
    taken = overview.seconds_taken(job)
    parts = (
        job_link.asker(job.group),
        "in the background" if job.background else None,
        f"asked for {job_link.local(job.created_at):%Y-%m-%d %H:%M:%S}",
        f"waited {units.duration(waited)}" if job.started_at and waited >= 1 else None,
        f"{'took' if job.state.is_final else 'running for'} {units.duration(taken)}" if taken is not None else None,
        f"{job.attempts} attempts" if job.attempts > 1 else None,
    )
    return " · ".join(part for part in parts if part)


def log_in_words(lines: Sequence[Line]) -> str:
    """Each line with the seconds since the first."""
    mark = {"step": "", "warning": "WARNING ", "error": "ERROR "}
    return "\n".join(f"{line.at - lines[0].at:8.1f} s  {mark[line.kind]}{line.text}" for line in lines)


def _why_empty(job: Job) -> str:
    if job.state is JobState.WAITING:
        return "It has not begun yet."
    return "It was given up before it began." if job.started_at is None else "Nothing was written down yet."


def _actions(job: Job, text: str) -> None:
    with st.container(horizontal=True):
        if job.state in UNFINISHED:
            is_over = job.is_cancel_requested
            waiting.cancel_button([job.job_id], "job_cancel", icon=":material/cancel:", disabled=is_over)
        elif job.state is not JobState.COMPLETE and st.button("Try again", icon=":material/refresh:", key="job_retry"):
            job_link.open_job(dispatcher.get_dispatcher().retry(job).job_id)
            st.rerun()
        content = job.inquiry.to_json() if job.inquiry else job.recipe.to_json()
        report = f"{overview.purpose(job)}\n{_facts(job)}\n\n{text}\n\n{content}\n"
        elements.download("Log (.txt)", lambda: report, f"job-{job.job_id[:8]}.txt")
    with st.expander("What exactly was asked"):
        st.code(content, language="json", wrap_lines=True)


# Questions --------------------------------------------------------------------------------------------


@st.dialog("Cancel jobs?", on_dismiss=_close)
@notices.told
def _cancel_all() -> None:
    queue = dispatcher.get_dispatcher()
    total, mine = (queue.store.queue.unfinished(name) for name in ("", browser.visitor()))
    own, every = units.counted(mine, "job"), units.counted(total, "job")
    whose = {_MINE: f"Mine: {own} of this browser", _ALL: f"Everybody's: {every}"}
    chosen = st.radio("Whose", list(whose), format_func=whose.__getitem__, key="jobs_whose")
    st.markdown(
        "What was measured so far stays. What runs now stops within seconds and leaves no result. Explore does not "
        "begin with its curves again in this browser until you say *Resume* there. Everybody's jobs include searches, "
        "which are paused."
    )
    if _answer("Cancel these", "Go on working"):
        queue.cancel_all("" if chosen == _ALL else browser.visitor())
        work.pause()
        st.session_state[_DONE] = f"{every if chosen == _ALL else own} given up."
        st.rerun()


_MINE, _ALL = "mine", "all"


@st.dialog("Delete results?", on_dismiss=_close)
@notices.told
def _delete(result_keys: tuple[str, ...]) -> None:
    store = dispatcher.get_dispatcher().store
    for line in consequences(deletion.plan(store, result_keys)):
        st.markdown(f"- {line}")
    st.caption("This cannot be undone. What is deleted can be measured again, if the model and this machine stay.")
    if not _answer("Delete", "Keep"):
        return
    gone = deletion.delete(store, result_keys)
    work.retry()  # Explore measures what it shows
    st.session_state[_DONE] = f"{units.counted(gone.results, 'result')} deleted, {units.size(gone.file_bytes)} freed."
    st.rerun()


def consequences(planned: Deletion) -> list[str]:
    """What deleting removes, frees and leaves, a line each."""
    lines = [f"**{units.counted(planned.results, 'result')}** from the database"]
    if planned.answers:
        lines.append(f"**{units.counted(planned.answers, 'answer')}** that pages found out about them")
    if planned.notes:
        lines.append(f"Tags and notes of **{units.counted(planned.notes, 'result')}**")
    lines.append(
        f"**{units.counted(planned.files, 'file')}** from the disk, which frees **{units.size(planned.file_bytes)}**"
    )
    if planned.shared_files:
        stays = "stays" if planned.shared_files == 1 else "stay"
        lines.append(f"{units.counted(planned.shared_files, 'file')} {stays}: other results have the very same content")
    if planned.baseline_of:
        lines.append(
            f"An uncompressed model that {units.counted(planned.baseline_of, 'other result')} compared with. "
            "Their numbers stay; it is measured again when something needs it"
        )
    return lines


def _answer(yes: str, no: str) -> bool:
    """Two buttons; whether the first was clicked. Either closes the window."""
    with st.container(horizontal=True):
        agreed = st.button(yes, type="primary", key="jobs_yes")
        refused = st.button(no, key="jobs_no")
    if agreed or refused:
        _close()
    if refused:
        st.rerun()
    return agreed
