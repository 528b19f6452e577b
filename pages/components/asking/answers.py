"""Inquiries on a page: the answer where it is known, else a bar while a worker finds it out."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TypeVar

import streamlit as st

from compression.errors import CompressionError
from compression.inquiries import Answer, Inquiry
from compression.store.jobs import Job, JobState
from compression.work import dispatcher
from pages.components.asking import notices
from pages.components.view import state

A = TypeVar("A", bound=Answer)

WAITS = "waiting for a worker, or for another window that asked the same"
"""What a job does that has not begun: the same work is done once, whoever asks for it."""

POLL_SECONDS = 0.5
"""How often the page asks how far the inquiries are."""


def ask(inquiry: Inquiry, kind: type[A], *, key: str) -> A | None:
    """The answer to one inquiry; see `ask_all`."""
    found = ask_all([inquiry], kind, key=key)
    return found[0] if found else None


def ask_all(inquiries: Sequence[Inquiry], kind: type[A], *, key: str) -> list[A] | None:
    """The answers, all of the type `kind`; or None until they are there.

    Then there is a progress bar in their place, or why there will be no answer, with a button to try again.
    When the last one has come the page is drawn anew. `key` is a name for this place on the page.
    """
    try:
        found = [_known(inquiry) for inquiry in inquiries]
        missing = [inquiry for inquiry, answer in zip(inquiries, found, strict=True) if answer is None]
        begun = [_job(inquiry) for inquiry in missing]
    except CompressionError as error:
        notices.show_error(error)
        return None
    if not missing:
        return [answer for answer in found if isinstance(answer, kind)]
    over = [job for job in begun if job.state in (JobState.FAILED, JobState.CANCELLED)]
    if over:
        _explain(over[0], missing, key)
    else:
        st.fragment(run_every=POLL_SECONDS)(_wait)(missing, len(inquiries), [True], key)
    return None


def known(inquiry: Inquiry, kind: type[A]) -> A | None:
    """The answer if it is known already; nothing is begun."""
    try:
        found = _known(inquiry)
    except CompressionError:  # whoever asks for it is told
        return None
    return found if isinstance(found, kind) else None


def group() -> str:
    """The group of this browser session's inquiries."""
    return f"inquiry-{state.session_id()}"


def _known(inquiry: Inquiry) -> Answer | None:
    name = dispatcher.get_dispatcher().store.answer_name(inquiry)
    return _read(name, type(inquiry)) if name else None


@functools.lru_cache(maxsize=24)
def _read(name: str, inquiry: type[Inquiry]) -> Answer:
    """Files are named after their content, so one parse is enough for all browser sessions."""
    content = dispatcher.get_dispatcher().store.artifact(name)
    if content is None:
        raise CompressionError("The answer's file was lost just now. Load the page again to have it made anew.")
    return inquiry.ANSWER.model_validate_json(content)


def _job(inquiry: Inquiry) -> Job:
    """The session's job of the inquiry, begun now if there is none."""
    queue = dispatcher.get_dispatcher()
    mine = [job for job in queue.jobs(group()) if job.work_id == inquiry.inquiry_id]
    if mine and mine[-1].state is not JobState.COMPLETE:
        return mine[-1]
    return queue.inquire([inquiry], group=group())[0]


def _wait(missing: Sequence[Inquiry], total: int, first: list[bool], key: str) -> None:
    """`first` is empty but for the first time: a page that is just being drawn must not start anew."""
    begun = {job.work_id: job for job in dispatcher.get_dispatcher().jobs(group())}
    mine = [begun[inquiry.inquiry_id] for inquiry in missing if inquiry.inquiry_id in begun]
    if not (first and first.pop()) and any(job.state.is_final for job in mine):
        st.rerun()
    now = next((job for job in mine if job.state is JobState.RUNNING), None)
    words = (now.message if now else WAITS) or missing[0].WORDS
    done = (total - len(missing) + sum(job.progress for job in mine)) / total
    with st.container(horizontal=True, vertical_alignment="center", key=f"inquiry_{key}"):
        st.progress(min(1.0, done), f"{missing[0].WORDS[0].upper()}{missing[0].WORDS[1:]}: {words}")
        st.button("Cancel", key=f"inquiry_cancel_{key}", on_click=_cancel, args=([job.job_id for job in mine],))


def _cancel(job_ids: list[str]) -> None:
    dispatcher.get_dispatcher().cancel_jobs(job_ids)


def _explain(job: Job, missing: Sequence[Inquiry], key: str) -> None:
    """Why there is no answer, and the way to try again."""
    if job.state is JobState.FAILED:
        st.error(f"**This could not be found out.** {notices.plain(job.error or '')}", icon=":material/error:")
    else:
        st.warning("**This was cancelled.**", icon=":material/cancel:")
    st.button(
        "Try again", icon=":material/refresh:", key=f"inquiry_retry_{key}", on_click=_retry, args=(tuple(missing),)
    )


def _retry(missing: Sequence[Inquiry]) -> None:
    try:
        dispatcher.get_dispatcher().inquire(missing, group=group())
    except CompressionError:  # the page that is drawn next meets the same, and says it
        return
