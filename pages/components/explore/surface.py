"""The picture over two sliders: what is measured, what is expected, and where the limits run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import streamlit as st

from compression import units
from compression.charts.surface import METRICS_SHOWN, TITLES, caption, draw
from compression.models.subject import Subject
from compression.recipe.budgets import training_seconds, trains
from compression.recipe.recipe import Recipe
from compression.results.metrics import METRICS, Metric
from compression.search.limits import usual_target
from compression.search.neighbours import Slider
from compression.search.outlook import asked_for
from compression.search.surface import PAIRS, Surface, surface
from compression.store.jobs import UNFINISHED, Job, JobState
from compression.work import dispatcher
from pages.components.asking import desk, notices, pace, work
from pages.components.asking.work import Snapshot
from pages.components.explore import parts
from pages.components.frame import chart_view, menu, presence
from pages.components.view import state

_PAIR, _METRIC, _GROUP = "surface_pair", "surface_metric", "surface"


def show(seen: Snapshot) -> None:
    """The choice of sliders and metric, the heat map, and the button that has all of it measured."""
    if seen.baseline is None:
        st.caption("Nothing is measured yet: the picture comes with the first point.")
        return
    pairs = {_named(pair): pair for pair in pairs_of(seen.view.subject)}
    with st.container(horizontal=True, vertical_alignment="bottom", key="surface_choices"):
        state.keep(_PAIR, next(iter(pairs)))
        help_words = "The first goes across, the second up; all else stays as it is set."
        pair = pairs.get(st.selectbox("Sliders", list(pairs), key=_PAIR, width=300, help=help_words), PAIRS[0])
        state.keep(_METRIC, METRICS_SHOWN[0])
        metric = METRICS[
            st.selectbox(
                "Colour",
                METRICS_SHOWN,
                format_func=lambda key: METRICS[key].title,
                key=_METRIC,
                width=260,
                help="What the colour of a cell says: the brighter, the better.",
            )
        ]
    found = of(seen, pair, metric)
    under_way = _jobs()
    chart_view.show(
        draw(found, metric, [job.recipe.recipe_id for job in under_way if job.state is JobState.RUNNING]),
        key="chart_surface",
        alt=f"{metric.title} over {_named(pair)}: {caption(found, metric)}",
        on_click=lambda recipe_id: _go_to(recipe_id, found, seen),
    )
    st.caption(caption(found, metric))
    wanted = _wanted(found, seen)
    if len(wanted) < len(found.missing):
        st.caption("Settings that have to be trained are measured here with a training budget only.")
    if under_way:
        every = pace.look_seconds(presence.count())
        total = sum(1 for _ in found.cells)
        st.fragment(run_every=every)(_progress)(seen, total, [time.monotonic()])
    elif wanted:
        left = _seconds(wanted, seen)
        st.button(
            f"Measure the other {len(wanted):,}",
            icon=":material/grid_on:",
            key="measure_surface",
            help=f"About {units.duration(left)} here, coarse to fine. You may go on with something else meanwhile.",
            on_click=_measure,
            args=(wanted,),
        )


def pairs_of(subject: Subject) -> Sequence[tuple[Slider, Slider]]:
    """Sliders that need no training come first: students of a model without slimmable ones have to be trained."""
    if subject.has_slimmable:
        return PAIRS
    return sorted(PAIRS, key=lambda pair: "student_percent" in pair)


def of(seen: Snapshot, pair: tuple[Slider, Slider], metric: Metric) -> Surface:
    """The cells as far as they are known now, with this metric and what the limits are on."""
    view = seen.view
    asked = asked_for(view.limits, view.target or usual_target(view.limits))
    found = surface(
        view.settings,
        pair,
        seen.results,
        seen.known,
        seen.measured_curves,
        limits=view.limits,
        asked=(*asked, metric),
        lessons=seen.lessons,
        width=seen.width,
    )
    return replace(found, here=None) if view.custom else found


def _wanted(found: Surface, seen: Snapshot) -> tuple[Recipe, ...]:
    """What is measured on demand: without a budget nothing that trains."""
    may_train = seen.view.settings.budget != "none"
    return tuple(recipe for recipe in found.missing if may_train or not trains(recipe))


def _named(pair: tuple[Slider, Slider]) -> str:
    names = (TITLES[slider].partition(" (")[0].lower() for slider in pair)
    return units.capital(" and ".join(names))


def _jobs() -> list[Job]:
    """What is being measured for the picture."""
    return dispatcher.get_dispatcher().store.jobs(state.group(_GROUP), UNFINISHED)


def _measure(recipes: Sequence[Recipe]) -> None:
    with notices.telling():
        desk.submit(recipes, _GROUP, background=True, replace=True)


def _cancel() -> None:
    dispatcher.get_dispatcher().cancel(state.group(_GROUP))


def _go_to(recipe_id: str, found: Surface, seen: Snapshot) -> None:
    """Move the sliders to a cell that was clicked."""
    cell = next((cell for cell in found.cells if cell.recipe.recipe_id == recipe_id), None)
    if cell is not None:
        parts.show(replace(seen.view, settings=cell.settings, custom=None))


@notices.told
def _progress(drawn: Snapshot, total: int, began: list[float]) -> None:
    """How far it is with so many cells; the page is drawn anew with what has come, now and then, and at the end."""
    under_way = _jobs()
    is_news = work.revision() != drawn.revision and time.monotonic() - began[0] > pace.look_seconds(presence.count())
    if not under_way or is_news:
        menu.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key="surface_progress"):
        left = _seconds([job.recipe for job in under_way], drawn)
        st.progress(
            max(0.0, 1 - len(under_way) / total),
            f"{units.counted(len(under_way), 'setting')} to go · {units.duration(left)} left",
        )
        st.button("Cancel", key="cancel_surface", on_click=_cancel)


def _seconds(recipes: Sequence[Recipe], seen: Snapshot) -> float:
    """How long measuring these takes, roughly."""
    plain = [found.seconds for found in seen.results.values() if not found.trainings]
    each = median(plain) if plain else work.MEASURING_SECONDS
    return sum(each + training_seconds(seen.view.subject, recipe) for recipe in recipes)
