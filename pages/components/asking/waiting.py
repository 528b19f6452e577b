"""What a page waits for: measurements and inquiries, begun once; a bar, cancel, why one failed, and try again."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import Any, TypeVar

import streamlit as st

from compression import units
from compression.errors import CompressionError, CorruptFile
from compression.inquiries import Answer, Inquiry
from compression.recipe.recipe import Recipe
from compression.recipe.words import recipe_in_words
from compression.results.record import Result
from compression.store.jobs import Job, JobState, work_id_of
from compression.work import dispatcher
from pages.components.asking import desk, notices, pace
from pages.components.frame import presence
from pages.components.view import state

A = TypeVar("A", bound=Answer)
Work = Recipe | Inquiry

_FILES = "files"
"""Kind of work: a measured setting's files are made again."""

WAITS = "waiting for a worker, or for another window that asked the same"
"""What a job does that has not begun: the same work is done once, whoever asks for it."""


def ask(inquiry: Inquiry, kind: type[A], *, key: str, background: bool = False) -> A | None:
    """The answer to one inquiry; see `ask_all`."""
    found = ask_all([inquiry], kind, key=key, background=background)
    return found[0] if found else None


@notices.told
def ask_all(inquiries: Sequence[Inquiry], kind: type[A], *, key: str, background: bool = False) -> list[A] | None:
    """The answers, all of the type `kind`; or None until they are there, and a bar says how far that is.

    In the `background` they come after what people wait for, and stand in nobody's way who asks for the same.
    """
    found = [_known(inquiry) for inquiry in inquiries]
    group = "inquiry_ahead" if background else "inquiry"
    _wait_for(inquiries, found, group, key, background=background)
    return None if None in found else [answer for answer in found if isinstance(answer, kind)]


def known(inquiry: Inquiry, kind: type[A]) -> A | None:
    """The answer if it is known already; nothing is begun."""
    try:
        found = _known(inquiry)
    except CompressionError:  # whoever asks for it is told
        return None
    return found if isinstance(found, kind) else None


def measure(recipes: Sequence[Recipe], group: str, *, key: str, background: bool = False) -> list[Result | None]:
    """The results that are there, each in its place; the others are measured from now on, and a bar says how far."""
    try:
        found = [desk.store().result(recipe) for recipe in recipes]
        _wait_for(recipes, found, group, key, background=background)
    except CompressionError as error:
        notices.show_error(error)
        return [None] * len(recipes)
    return found


@notices.told
def offer_files(result: Result, *, key: str) -> None:
    """Where files of a result are lost or damaged: a button that has them made again, and a bar while they are."""
    recipe = result.parsed_recipe
    last = _latest(_FILES).get(recipe.recipe_id)
    if last is not None and not last.state.is_final:
        st.fragment(run_every=pace.look_seconds(presence.count()))(_bar)([recipe], 0, [True], _FILES, key)
        return
    if last is not None and last.state is JobState.FAILED:
        notices.show_problem(last.error or "")
    st.button("Measure it again", icon=":material/refresh:", key=f"files_{key}", on_click=_make_files, args=(recipe,))


def _make_files(recipe: Recipe) -> None:
    with contextlib.suppress(CompressionError):  # what is drawn next meets the same, and says it
        desk.submit([recipe], _FILES, anew=True)


def is_under_way(works: Sequence[Work], group: str) -> bool:
    """Whether any of these is being done for this browser session."""
    jobs = map(_latest(group).get, map(work_id_of, works))
    return any(job is not None and not job.state.is_final for job in jobs)


def _known(inquiry: Inquiry) -> Answer | None:
    """A damaged answer is none, and found out again."""
    store = desk.store()
    name = store.answer_name(inquiry)
    try:
        return _read(name, type(inquiry)) if name else None
    except (CorruptFile, ValueError):
        store.forget_answer(inquiry)
        return None


@functools.lru_cache(maxsize=24)
def _read(name: str, inquiry: type[Inquiry]) -> Answer:
    """Files are named after their content, so one parse is enough for all browser sessions."""
    content = desk.store().artifact(name)
    if content is None:
        raise CompressionError("The answer's file was lost just now. Load the page again to have it made anew.")
    return inquiry.ANSWER.model_validate_json(content)


def _wait_for(
    works: Sequence[Work], found: Sequence[object], group: str, key: str, *, background: bool = False
) -> None:
    """Have done what is not `found`, with one bar for all; what failed or was cancelled says so and can be tried again.

    The page is drawn anew with whatever is done. `group` says who asks, `key` is a name for this place on the page.
    """
    missing = [work for work, one in zip(works, found, strict=True) if one is None]
    latest = _latest(group)
    jobs = [_begun(work, latest.get(work_id_of(work)), group, background) for work in missing]
    over = [job for job in jobs if job.state in (JobState.FAILED, JobState.CANCELLED)]
    if over:
        _explain(over, key)
    waited_for = [work for work, job in zip(missing, jobs, strict=True) if job not in over]
    if waited_for:
        every = pace.look_seconds(presence.count())
        st.fragment(run_every=every)(_bar)(waited_for, len(works) - len(missing), [True], group, key)


def _latest(group: str) -> dict[str, Job]:
    """The session's last job of each work in a group."""
    return {job.work_id: job for job in dispatcher.get_dispatcher().jobs(state.group(group))}


def _begun(work: Work, job: Job | None, group: str, background: bool) -> Job:
    """The job, or a new one if there is none or what it led to is gone."""
    if job is not None and job.state is not JobState.COMPLETE:
        return job
    return desk.submit([work], group, background=background)[0]


def _bar(works: Sequence[Work], found: int, first: list[bool], group: str, key: str) -> None:
    """`first` is empty but for the first time: a page that is just being drawn must not start anew."""
    latest = _latest(group)
    mine = [latest[name] for name in map(work_id_of, works) if name in latest]
    if not (first and first.pop()) and any(job.state.is_final for job in mine):
        st.rerun()
    now = next((job for job in mine if job.state is JobState.RUNNING), None)
    what = (now.inquiry or now.recipe) if now else works[0]
    done = (found + sum(job.progress for job in mine)) / (found + len(works))
    with st.container(horizontal=True, vertical_alignment="center", key=f"waiting_{key}"):
        st.progress(min(1.0, done), f"{_doing(what)}: {(now.message or 'starting') if now else WAITS}")
        cancel_button([job.job_id for job in mine], f"cancel_{key}")


def _doing(work: Work) -> str:
    if isinstance(work, Recipe):
        return f"Measuring “{recipe_in_words(work)}”"
    return units.capital(work.WORDS)


def cancel_button(job_ids: Sequence[str], key: str, **others: Any) -> None:  # noqa: ANN401  (of Streamlit's button)
    """Gives up these jobs."""
    st.button("Cancel", key=key, on_click=_cancel, args=(job_ids,), **others)


def _cancel(job_ids: Sequence[str]) -> None:
    with contextlib.suppress(CompressionError):  # what is drawn next meets the same, and says it
        dispatcher.get_dispatcher().cancel_jobs(job_ids)


def _explain(over: Sequence[Job], key: str) -> None:
    """Why something is not there, and the way to try again."""
    for words, icon in dict.fromkeys(map(_reason, over)):
        (st.error if icon == "error" else st.warning)(words, icon=f":material/{icon}:")
    retry_button(over, f"retry_{key}")


def _reason(job: Job) -> tuple[str, str]:
    """In words, and as an icon; the same for all inquiries that were cancelled, or that failed alike."""
    what = recipe_in_words(job.recipe) if job.inquiry is None else ""
    if job.state is JobState.CANCELLED:
        return f"**{f'Measuring {what}' if what else 'This'} was cancelled.**", "cancel"
    said = f"{what} has no numbers" if what else "This could not be found out"
    return f"**{said}.** {notices.plain(job.error or '')}", "error"


def retry_button(over: Sequence[Job], key: str, label: str = "Try again") -> None:
    """Has the same done once more."""
    st.button(label, icon=":material/refresh:", key=key, on_click=_retry, args=(over,))


def _retry(over: Sequence[Job]) -> None:
    with contextlib.suppress(CompressionError):  # what is drawn next meets the same, and says it
        for job in over:
            dispatcher.get_dispatcher().retry(job)
