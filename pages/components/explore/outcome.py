"""What the current setting brings: the verdict, four sizes, and why."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from compression import units
from compression.explain import latency, verdict
from compression.explain.training import trainings_in_words
from compression.explain.verdict import Verdict
from compression.recipe.words import recipe_in_words
from compression.results.metrics import METRICS
from compression.results.record import Result
from compression.search import track_record
from compression.search.limits import Kept, judge
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
            show_judged(against.judge(result, seen.results.values()), judge(result, seen.view.limits))
        elif job is not None and job.state is JobState.FAILED:
            st.error(f"**This setting has no numbers.** {notices.plain(job.error or '')}", icon=":material/error:")
        elif job is not None and job.state is JobState.CANCELLED:
            words = "**Not measured: it was cancelled.** Measure it again, or move a slider."
            st.warning(words, icon=":material/cancel:")
        elif seen.preview is not None and baseline is not None:
            st.info(f"**{verdict.so_far(seen.preview, baseline)}**", icon=":material/hourglass_bottom:")
        elif seen.view.recipe.is_baseline:
            words = "Measuring the original model now: every other setting is compared with it."
            st.info(f"**{words}**", icon=":material/hourglass_top:")
        else:
            words = verdict.guess(recipe_in_words(seen.view.recipe), charts.guess_of(seen), seen.known)
            st.info(f"**{words}**", icon=":material/hourglass_top:")


def show_judged(judged: Verdict, kept: Sequence[Kept] = ()) -> None:
    """What a measured result means, and how it stands to the limits."""
    words, (box, icon) = f"**{judged.title}.** {judged.text}", _BOXES[judged.tone]
    over = [f"{one.words}." for one in kept if one.state != "kept"]
    if over:
        is_beyond = any(one.state == "not kept" for one in kept)
        words += f" {'Beyond your limits' if is_beyond else 'Perhaps within your limits'}: {' '.join(over)}"
        if judged.tone != "bad":
            box, icon = st.warning, ":material/block:" if is_beyond else ":material/help:"
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
    _show_timing(result, seen)
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


def _show_timing(result: Result, seen: Snapshot) -> None:
    """What the latency rests on, and a button that times it once more."""
    words = latency.rests_on(result)
    if not words:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="timing"):
        call = latency.of_the_call(result)
        st.caption(f":material/timer: {units.capital(words)}. {call}")
        is_running = any(job.recipe == result.parsed_recipe for job in seen.timing)
        if not result.has_same_graph:
            label = "Timing it again …" if is_running else "Time it again"
            st.button(
                label,
                key="time_again",
                type="tertiary",
                disabled=is_running,
                help="Timings at different moments are pooled: the interval then holds what differs between them.",
                on_click=_time_again,
                args=(result,),
            )


@notices.told
def _time_again(result: Result) -> None:
    work.time_again([result])
    parts.redraw()


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
    with st.expander(f"{units.counted(len(others), 'point')} failed", icon=":material/error:"):
        for job in others:
            st.markdown(f"- **{recipe_in_words(job.recipe)}**: {notices.plain(job.error or '')}")
        st.button("Try them again", on_click=_try_again, icon=":material/refresh:")


def _try_again() -> None:
    work.resume()
    parts.redraw()
