"""What the current setting brings: the verdict, four sizes, and why."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from compression.explain import verdict
from compression.explain.training import trainings_in_words
from compression.explain.verdict import Verdict
from compression.recipe.words import recipe_in_words
from compression.results.metrics import METRICS
from compression.results.record import Result
from compression.search import track_record
from compression.search.limits import exceeded
from compression.store.jobs import JobState
from pages.components.asking import notices, work
from pages.components.asking.work import Snapshot
from pages.components.explore import charts, parts
from pages.components.shown import against, elements
from pages.components.shown.metric import metric_box
from pages.components.view.link import View, view_of

_BOXES = {
    "good": (st.success, ":material/check_circle:"),
    "neutral": (st.info, ":material/info:"),
    "mixed": (st.warning, ":material/balance:"),
    "bad": (st.error, ":material/error:"),
}
_SIZES = ("theoretical", "stored", "runtime", "zipped")
_DETAILS = ("flips", "clock", "p95", "ratio", "params", "nonzero", "macs")


def show_verdict(seen: Snapshot) -> None:
    """One sentence for everyone: measured, estimated, or why there is none."""
    result, baseline, job = seen.result, seen.baseline, seen.job
    with st.container(key="verdict"):
        if result is not None:
            over = exceeded(result, seen.view.limits, baseline.latency_p50_ms) if baseline else ()
            show_judged(against.judge(result, seen.results.values()), over)
        elif job is not None and job.state is JobState.FAILED:
            st.error(f"**This setting has no numbers.** {notices.plain(job.error or '')}", icon=":material/error:")
        elif job is not None and job.state is JobState.CANCELLED:
            words = "**Not measured: it was cancelled.** Measure it again, or move a slider."
            st.warning(words, icon=":material/cancel:")
        elif seen.preview is not None and baseline is not None:
            st.info(f"**{verdict.so_far(seen.preview, baseline)}**", icon=":material/hourglass_bottom:")
        else:
            words = verdict.guess(recipe_in_words(seen.view.recipe), charts.guess_of(seen), seen.known)
            st.info(f"**{words}**", icon=":material/hourglass_top:")


def show_judged(judged: Verdict, over: Sequence[str] = ()) -> None:
    """What a measured result means; `over` are the limits that it does not keep to."""
    words = f"**{judged.title}.** {judged.text}"
    if over and judged.tone != "bad":
        st.warning(f"{words} Beyond your limits: {', '.join(over)}.", icon=":material/block:")
    else:
        box, icon = _BOXES[judged.tone]
        box(words, icon=icon)


def show_sizes(seen: Snapshot) -> None:
    """The four sizes with their factors."""
    baseline = seen.result.baseline if seen.result else seen.baseline
    with st.container(key="sizes"):
        for key in elements.grid(_SIZES, len(_SIZES)):
            metric_box(METRICS[key], seen.result or seen.preview, baseline)


def show_details(seen: Snapshot) -> None:
    """The other numbers, how far the estimate was off, and why something did not get better."""
    result = seen.result
    if result is None:
        _show_record(seen)
        return
    shown = [METRICS[key] for key in _DETAILS]
    st.caption(
        " · ".join(f"{metric.words} **{metric.said(result)}**" for metric in shown),
        help="  \n".join(f"**{metric.title}:** {metric.meaning}" for metric in shown),
    )
    miss = track_record.miss_of(result, seen.known, seen.measured_curves, seen.lessons)
    if miss is not None:
        st.caption(f":material/query_stats: {track_record.miss_in_words(miss, result.n_test)}")
    for words in trainings_in_words(result):
        st.caption(f":material/model_training: {words}")
    if seen.control is not None:
        st.caption(f":material/school: {verdict.control_sentence(result, seen.control)}")
    measured = seen.results.values()
    judged = against.judge(result, measured)
    against.show(result, judged, measured, ("Show it", partial(_show_other, seen.view)))
    for reason in judged.reasons:
        st.caption(f":material/lightbulb: {reason}")


def _show_other(view: View, other: Result) -> None:
    parts.show(view_of(other.parsed_recipe, view))


def _show_record(seen: Snapshot) -> None:
    """How far to trust an estimate, while there is nothing better."""
    found = track_record.record(seen.results.values(), seen.known, seen.measured_curves, seen.lessons)
    if found is not None:
        st.caption(f":material/query_stats: {track_record.record_in_words(found)}")


def show_failures(seen: Snapshot) -> None:
    """Failed points, each with its reason."""
    others = [job for job in seen.failed if job.recipe != seen.view.recipe]
    if not others:
        return
    with st.expander(f"{len(others)} point{'s' if len(others) > 1 else ''} failed", icon=":material/error:"):
        for job in others:
            st.markdown(f"- **{recipe_in_words(job.recipe)}**: {notices.plain(job.error or '')}")
        st.button("Try them again", on_click=_try_again, icon=":material/refresh:")


def _try_again() -> None:
    work.resume()
    parts.redraw()
