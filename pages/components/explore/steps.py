"""Step by step: what each step of the current recipe contributes to bytes, accuracy and time."""

from __future__ import annotations

import streamlit as st

from compression.charts import steps
from compression.charts.steps import Stage, stages
from compression.recipe import edit
from compression.results.metrics import METRICS, MISSING
from compression.results.score import said
from pages.components.asking import notices, work
from pages.components.asking.work import Snapshot
from pages.components.frame import chart_view
from pages.components.shown import elements


def show(seen: Snapshot) -> None:
    """Three waterfalls, as far as the recipe's beginnings are measured."""
    recipe = seen.view.recipe
    if not recipe.steps:
        st.caption("The original model has no steps. Move a slider, or add steps, and see here what each contributes.")
        return
    if not work.is_asked(seen.view, step_by_step=True):
        st.rerun()  # the tab was opened just now: the whole page asks for what it needs, and watches it come
    found = stages(recipe, seen.results)
    _waiting(found, seen)
    for key in elements.grid(steps.SHOWN, len(steps.SHOWN), gap="medium"):
        metric = METRICS[key]
        rows = steps.changes(found, metric)
        st.markdown(f"**{metric.title}**")
        if len(rows) > 1:
            words = "; ".join(f"{row.title}: {row.words}" for row in rows)
            chart_view.show(steps.draw(rows, metric), key=f"chart_steps_{key}", alt=words)
        else:
            st.caption("Nothing measured yet.")
    _table(found)
    st.caption(
        "Each bar is the difference between two measured networks: with the step, and with only those before it. "
        "A step's share depends on where it stands: whoever comes first takes the credit. Small differences in "
        f"{said('accuracy')} may be chance: the intervals say how small."
    )


def _waiting(found: tuple[Stage, ...], seen: Snapshot) -> None:
    """How many of the stages are still to come, and why some never will."""
    failed = {job.recipe.recipe_id: job for job in seen.failed}
    for stage, prefix in zip(found, edit.prefixes(seen.view.recipe), strict=True):
        if job := failed.get(prefix.recipe_id):
            why = notices.plain(job.error or "")
            st.error(f"**After “{stage.words}” there are no numbers.** {why}", icon=":material/error:")
            return
    done = sum(stage.result is not None for stage in found)
    if done < len(found):
        st.progress(done / len(found), f"{done} of {len(found)} stages measured; the rest is on its way")


def _table(found: tuple[Stage, ...]) -> None:
    """The numbers behind the bars, with their intervals."""
    metrics = [METRICS[key] for key in ("stored", "accuracy", "difference", "ratio")]
    lines = [f"| after | {' | '.join(metric.words for metric in metrics)} |", f"|---|{'--:|' * len(metrics)}"]
    for stage in found:
        cells = (metric.said(stage.result) if stage.result else MISSING for metric in metrics)
        lines.append(f"| {stage.words} | {' | '.join(cells)} |")
    st.markdown("\n".join(lines))
