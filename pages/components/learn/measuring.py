"""Recipes that a page wants measured: what is known of them, and a bar while the rest is under way."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from compression.errors import CompressionError
from compression.recipe.recipe import Recipe
from compression.recipe.words import recipe_in_words
from compression.results.record import Result
from compression.store.jobs import Job, JobState
from compression.work import dispatcher
from pages.components.asking import answers, notices
from pages.components.view import state

POLL_SECONDS = 0.5
"""How often the page asks how far the measurements are."""


def known(recipes: Sequence[Recipe]) -> list[Result | None]:
    """What the store holds of each. May raise `StorageFailed`."""
    store = dispatcher.get_dispatcher().store
    return [store.result(recipe) for recipe in recipes]


def ask(recipes: Sequence[Recipe], *, key: str, background: bool = False) -> list[Result | None]:
    """The results that are there, each in its place; the others are measured from now on, in the `background` or not.

    Until all are there a bar says how far, and why a recipe has no numbers, with a button to try again. Then the
    page is drawn anew. `key` is a name for this place on the page.
    """
    try:
        found = known(recipes)
        missing = [recipe for recipe, result in zip(recipes, found, strict=True) if result is None]
        begun = [_job(recipe, background) for recipe in missing]
    except CompressionError as error:
        notices.show_error(error)
        return [None] * len(recipes)
    over = [job for job in begun if job.state in (JobState.FAILED, JobState.CANCELLED)]
    if over:
        _explain(over, key)
    if len(over) < len(missing):
        waiting = [job.recipe for job in begun if job not in over]
        st.fragment(run_every=POLL_SECONDS)(_wait)(waiting, [True], key)
    return found


def group() -> str:
    """The group of this browser session's measurements for the course."""
    return f"learn-{state.session_id()}"


def _job(recipe: Recipe, background: bool) -> Job:
    """The session's latest job of the recipe, begun now if there is none or its result is gone."""
    queue = dispatcher.get_dispatcher()
    mine = [job for job in queue.jobs(group()) if job.inquiry is None and job.recipe == recipe]
    if mine and mine[-1].state is not JobState.COMPLETE:
        return mine[-1]
    return queue.submit([recipe], group=group(), background=background)[0]


def _wait(recipes: Sequence[Recipe], first: list[bool], key: str) -> None:
    """`first` is empty but for the first time: a page that is just being drawn must not start anew."""
    mine = {job.recipe: job for job in dispatcher.get_dispatcher().jobs(group()) if job.recipe in recipes}
    if not (first and first.pop()) and any(job.state.is_final for job in mine.values()):
        st.rerun()
    now = next((job for job in mine.values() if job.state is JobState.RUNNING), None)
    recipe = now.recipe if now else recipes[0]
    words = (now.message if now else "") or answers.WAITS
    done = sum(job.progress for job in mine.values()) / len(recipes)
    with st.container(horizontal=True, vertical_alignment="center", key=f"measuring_{key}"):
        st.progress(min(1.0, done), f"Measuring “{recipe_in_words(recipe)}”: {words}")
        ids = [job.job_id for job in mine.values()]
        st.button("Cancel", key=f"measuring_cancel_{key}", on_click=_cancel, args=(ids,))


def _cancel(job_ids: list[str]) -> None:
    dispatcher.get_dispatcher().cancel_jobs(job_ids)


def _explain(over: Sequence[Job], key: str) -> None:
    """Why there are no numbers, and the way to try again."""
    for job in over:
        words = recipe_in_words(job.recipe)
        if job.state is JobState.FAILED:
            st.error(f"**{words} has no numbers.** {notices.plain(job.error or '')}", icon=":material/error:")
        else:
            st.warning(f"**Measuring {words} was cancelled.**", icon=":material/cancel:")
    recipes = tuple(job.recipe for job in over)
    st.button(
        "Measure again", icon=":material/refresh:", key=f"measuring_retry_{key}", on_click=_retry, args=(recipes,)
    )


def _retry(recipes: Sequence[Recipe]) -> None:
    try:
        dispatcher.get_dispatcher().submit(recipes, group=group())
    except CompressionError:  # the page that is drawn next meets the same, and says it
        return
