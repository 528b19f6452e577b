"""What a page asks of the dispatcher, and what it knows at one moment."""

from __future__ import annotations

import collections
import functools
import operator
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

import streamlit as st

from compression.inquiries.layer_tables import Tables
from compression.inquiries.retiming import RetimingInquiry
from compression.models.subject import Subject
from compression.recipe.budgets import Budget, training_seconds, trains
from compression.recipe.edit import prefixes
from compression.recipe.recipe import Recipe, make_recipe
from compression.results.metrics import Metric
from compression.results.record import Result, Underway
from compression.search import by_layer, outlook, track_record
from compression.search.curves import control_of, curve_recipes, curves_for, sweep_recipes
from compression.search.estimate import Known, Lesson
from compression.search.neighbours import Move, move_between, neighbours
from compression.search.outlook import Expected
from compression.store.jobs import UNFINISHED, Job, JobState
from compression.store.searches import Search, SearchState
from compression.work import dispatcher
from pages.components.asking import desk
from pages.components.frame import browser, classroom
from pages.components.view import model_card, state
from pages.components.view.link import View

_ASKED, _SWEPT, _PAUSED = "work_asked", "work_swept", "work_paused"
_SHOWN, _BEFORE, _MOVE = "work_shown", "work_before", "work_move"
_AHEAD, _UNASKED = "work_ahead", "work_unasked"
_ENDED = "work_ended"

_SETTING, _CURVES, _NEXT, _TIMING = "explore", "sweep", "ahead", "timing"
"""Kinds of work: what is shown, the curves, what may be wanted next, and timing again."""

_TIMED = "work_timed"
TIMINGS = 3
"""How often a setting is timed before it is recommended."""

MEASURING_SECONDS = 2.0
"""Guess of what a point costs besides training, until one was measured."""

ENOUGH_MEASURED = 3
"""Points, before anything is said of how long the others will take: the first ones also load data and networks."""

MAX_AHEAD = max(1, min(4, (os.cpu_count() or 1) - 1))
"""Settings measured ahead: as many as there are processors beside the one that a person's next setting needs, so that
the likeliest is not held up by the others. Most are given up unseen."""

MAX_AHEAD_SECONDS = 10.0
"""A setting that took longer than this has neighbours that cost more than the chance of being wanted is worth."""


class Evidence:
    """What is estimated from: a model's results, and what follows from them, found out once for all who look.

    `subject` and `budget` say which curves there are.
    """

    def __init__(self, subject: Subject, budget: Budget, results: dict[str, Result]) -> None:
        self._subject, self._budget, self._results = subject, budget, results
        self._expected: dict[tuple[Metric, ...], tuple[Expected, ...]] = {}
        self._by_layer: tuple[Tables, tuple[Expected, ...]] | None = None

    @functools.cached_property
    def known(self) -> Known:
        """What estimates start from."""
        return model_card.known_of(self._subject, self._results.get(make_recipe(self._subject.name, []).recipe_id))

    @functools.cached_property
    def curves(self) -> dict[str, dict[int, Result]]:
        """The measured points of all curves by slider position, shown or not."""
        every = curve_recipes(self._subject, self._budget, curves_for(self._subject))
        return {
            curve: {at: self._results[r.recipe_id] for at, r in recipes.items() if r.recipe_id in self._results}
            for curve, recipes in every.items()
        }

    @functools.cached_property
    def lessons(self) -> tuple[Lesson, ...]:
        """What estimates learn from measured combinations of settings."""
        return track_record.lessons_of(list(self._results.values()), self.known, self.curves)

    @functools.cached_property
    def width(self) -> float:
        """How wide the ranges of estimates are."""
        misses = track_record.misses_of(list(self._results.values()), self.known, self.curves, self.lessons)
        return track_record.width(miss.doubts for miss in misses)

    def expected(self, asked: tuple[Metric, ...]) -> tuple[Expected, ...]:
        """A grid of settings, estimated, with what else is `asked` for."""
        if asked not in self._expected:
            self._expected[asked] = outlook.expect(
                self.known, self._budget, self.curves, lessons=self.lessons, width=self.width, asked=asked
            )
        return self._expected[asked]

    def by_layer(self, tables: Tables) -> tuple[Expected, ...]:
        """Levels chosen layer by layer, estimated; the same for every budget, as none of them trains."""
        if self._by_layer is None or self._by_layer[0] is not tables:
            self._by_layer = tables, by_layer.expect(self.known, tables, self._results.values())
        return self._by_layer[1]

    def is_of(self, subject: Subject, budget: Budget, results: dict[str, Result]) -> bool:
        """Whether this is about the very same results: the objects, as comparing what they say would take long."""
        same = len(results) == len(self._results) and all(map(operator.is_, results.values(), self._results.values()))
        return same and (self._subject, self._budget) == (subject, budget)


_evidence: collections.deque[Evidence] = collections.deque(maxlen=8)
"""The last ones. People who look at the same model share them."""


def evidence_of(subject: Subject, budget: Budget, results: dict[str, Result]) -> Evidence:
    """What is estimated from these results (by recipe_id): for all windows of all browsers the same object."""
    found = next((one for one in list(_evidence) if one.is_of(subject, budget, results)), None)
    if found is None:
        _evidence.append(found := Evidence(subject, budget, results))
    return found


@dataclass(frozen=True)
class Snapshot:
    """Everything a page draws, at one moment: nothing on the page is newer or older than the rest.

    `group` is what this browser session's settings are asked for as. `revision` was the store's just before: where it
    is another one now, something may have changed since.
    `ahead` are the unfinished jobs that measure settings before anybody asks for them. They are none of `jobs`, for
    nobody waits for them; but one that came to measure the current setting is its `job` too. `unasked` has the
    recipe_ids of all that this browser session had measured that way. `unreadable` are recipe_ids of damaged results.
    `timing` are unfinished jobs that time results again. `search` is the latest one of the model, whoever began it.
    """

    revision: int
    view: View
    results: dict[str, Result]
    jobs: tuple[Job, ...]
    sweep: tuple[Recipe, ...]
    problem: str | None
    paused: bool
    ahead: tuple[Job, ...] = ()
    timing: tuple[Job, ...] = ()
    unasked: frozenset[str] = frozenset()
    unreadable: tuple[str, ...] = ()
    group: str = ""
    search: Search | None = None

    @property
    def result(self) -> Result | None:
        """The current setting's measurement."""
        return self.results.get(self.view.recipe.recipe_id)

    @property
    def baseline(self) -> Result | None:
        """The uncompressed model's measurement."""
        return self.results.get(self.view.recipe.baseline().recipe_id)

    @functools.cached_property
    def evidence(self) -> Evidence:
        """What is estimated from."""
        return evidence_of(self.view.subject, self.view.settings.budget, self.results)

    @property
    def known(self) -> Known:
        """What estimates start from."""
        return self.evidence.known

    @property
    def lessons(self) -> tuple[Lesson, ...]:
        """What estimates learn from measured combinations of settings."""
        return self.evidence.lessons

    @property
    def width(self) -> float:
        """How wide the ranges of estimates are."""
        return self.evidence.width

    @property
    def control(self) -> Result | None:
        """The measurement of the current student's control: the same training without the teacher."""
        control = control_of(self.view.recipe)
        return self.results.get(control.recipe_id) if control else None

    @property
    def job(self) -> Job | None:
        """The current setting's job: the one furthest on, or else the latest.

        The curves may want it too, or it was begun ahead; of jobs that run one measures, and the others wait for it.
        """
        mine = [job for job in (*self.jobs, *self.ahead) if job.recipe == self.view.recipe]
        return max(mine, key=_how_far, default=None)

    @property
    def preview(self) -> Underway | None:
        """Accuracy and sizes of the current setting while its latency is still being measured."""
        return self.job.preview if self.job is not None and self.result is None else None

    @functools.cached_property
    def missing(self) -> tuple[Recipe, ...]:
        """Points of the curves that are not measured."""
        return tuple(recipe for recipe in self.sweep if recipe.recipe_id not in self.results)

    @property
    def failed(self) -> tuple[Job, ...]:
        """Failed jobs of this model whose recipe has no result, each recipe once."""
        latest = {job.recipe: job for job in sorted(self.jobs, key=lambda job: job.created_at)}
        return tuple(
            job
            for recipe, job in latest.items()
            if job.state is JobState.FAILED and recipe.model == self.view.model and recipe.recipe_id not in self.results
        )

    @property
    def unfinished(self) -> bool:
        """Whether something may still change by itself."""
        return self.is_searching or bool(self.timing) or any(not job.state.is_final for job in self.jobs)

    @property
    def is_searching(self) -> bool:
        """Whether a search of the model runs."""
        return self.search is not None and self.search.state is SearchState.RUNNING

    @property
    def sweep_runs(self) -> bool:
        """Whether points of the curves are being measured."""
        return any(job.background and not job.state.is_final for job in self.jobs)

    @property
    def signature(self) -> object:
        """Changes when the page has to be drawn anew, but not with mere progress, nor with neighbours' results."""
        over = frozenset(job.job_id for job in self.jobs if job.state.is_final)
        asked = {recipe.recipe_id for recipe in (*self.sweep, self.view.recipe)}
        shown = self.results.keys() - (self.unasked - asked)
        timed = frozenset((recipe_id, len(self.results[recipe_id].timings)) for recipe_id in shown)
        search = self.search and (self.search.search_id, self.search.state)
        return timed, over, self.problem, self.preview, search

    @property
    def own_signature(self) -> object:
        """Changes with what there is to say of the current setting itself."""
        timings = len(self.result.timings) if self.result else None
        return timings, self.preview, self.job is not None and self.job.state.is_final, self.problem

    @property
    def curves(self) -> dict[str, dict[int, Recipe]]:
        """The recipes of the curves by slider position."""
        return curve_recipes(self.view.subject, self.view.settings.budget, self.view.curves)

    @property
    def measured_curves(self) -> dict[str, dict[int, Result]]:
        """The measured points of all curves by slider position, shown or not."""
        return self.evidence.curves


def _how_far(job: Job) -> tuple[int, bool, float, datetime]:
    """The larger the further on: it runs, it waits, it is over or about to be; of those the latest is the largest."""
    is_over = job.state.is_final or job.is_cancel_requested
    alive = 0 if is_over else 2 if job.state is JobState.RUNNING else 1
    return alive, job.preview is not None, job.progress if alive else 0.0, job.created_at


def want(view: View, *, step_by_step: bool = False) -> None:
    """Ask for the view's measurement and its curves; what was asked before and is not wanted is given up.

    With `step_by_step` also for that of the recipe's beginnings.
    """
    if not is_asked(view, step_by_step=step_by_step):
        st.session_state.pop(_ASKED, None)
        control = control_of(view.recipe)
        wanted = [view.recipe.baseline(), view.recipe, *([control] if control else [])]
        wanted += prefixes(view.recipe) if step_by_step else ()
        desk.submit(wanted, _SETTING, replace=True)
        _turn_to(view)
        st.session_state[_ASKED] = (view.recipe, step_by_step, classroom.here().name)
    swept = (view.model, view.settings.budget, view.curves, is_paused(), classroom.here().name)
    if st.session_state.get(_SWEPT) != swept:
        st.session_state.pop(_SWEPT, None)
        sweep = () if is_paused() else sweep_recipes(view.subject, view.settings.budget, view.curves)
        desk.submit(sweep, _CURVES, background=True, replace=True)
        st.session_state[_SWEPT] = swept


def is_to_ask() -> bool:
    """Whether something was taken back, or could not be asked for, that `want` has to ask for again."""
    return not {_ASKED, _SWEPT} <= st.session_state.keys()


def is_asked(view: View, *, step_by_step: bool) -> bool:
    """Whether `want` was called with these last."""
    return bool(st.session_state.get(_ASKED) == (view.recipe, step_by_step, classroom.here().name))


def _turn_to(view: View) -> None:
    """Note where the person goes, and give up what was begun ahead, unless it is measured now what they go to.

    The job of the current setting then waits for that one and takes its result.
    """
    before: View = st.session_state.get(_SHOWN, view)
    st.session_state[_SHOWN] = view
    if before != view:
        goes_on = before.model == view.model and not before.custom and not view.custom
        st.session_state[_MOVE] = move_between(before.settings, view.settings) if goes_on else None
        st.session_state[_BEFORE] = before.recipe.recipe_id
    st.session_state.pop(_AHEAD, None)
    left = [job for job in begun_ahead() if job.state is JobState.WAITING or job.recipe != view.recipe]
    dispatcher.get_dispatcher().cancel_jobs([job.job_id for job in left])


def snapshot(view: View, last: Snapshot | None = None) -> Snapshot:
    """Look at the store once, in four small queries, or in one: where nothing changed since it is the `last` one."""
    queue, now, here = dispatcher.get_dispatcher(), revision(), state.group(_SETTING)
    known = (here, now, view, queue.problem, is_paused())
    if last is not None and (last.group, last.revision, last.view, last.problem, last.paused) == known:
        return last
    begun, timing = state.group(_NEXT), state.group(_TIMING)
    jobs = queue.store.queue.jobs_of([here, state.group(_CURVES)], [begun, timing])
    rows = desk.store().rows(view.model)
    return Snapshot(
        group=here,
        revision=now,
        view=view,
        results={row.recipe_id: row for row in rows if isinstance(row, Result)},
        jobs=tuple(job for job in jobs if job.group not in {begun, timing}),
        sweep=sweep_recipes(view.subject, view.settings.budget, view.curves),
        problem=queue.problem,
        paused=is_paused(),
        ahead=tuple(job for job in jobs if job.group == begun),
        timing=tuple(job for job in jobs if job.group == timing),
        unasked=frozenset(st.session_state.get(_UNASKED, ())),
        unreadable=tuple(row.recipe_id for row in rows if not isinstance(row, Result)),
        search=next(iter(queue.store.searches.of_model(view.model, classroom.here().name)), None),
    )


def begun_ahead() -> tuple[Job, ...]:
    """The unfinished jobs that measure settings before anybody asks for them."""
    return tuple(dispatcher.get_dispatcher().store.jobs(state.group(_NEXT), UNFINISHED))


def go_ahead(seen: Snapshot) -> None:
    """Have settings measured that the person may want next.

    Once where the last move goes on to, while the current setting is still being measured: the dispatcher begins with
    it as soon as that one is through. Then the neighbours on all sides.
    """
    view = seen.view
    reached = seen.result or seen.results.get(st.session_state.get(_BEFORE, ""))
    if reached is None or reached.seconds > MAX_AHEAD_SECONDS or trains(view.recipe) or view.custom or seen.paused:
        return
    asked_for = (view.recipe, seen.result is not None)
    if st.session_state.get(_AHEAD) == asked_for:
        return
    st.session_state[_AHEAD] = asked_for
    move: Move | None = st.session_state.get(_MOVE)
    likely = neighbours(view.subject, view.settings, move)
    if seen.result is None:
        likely = likely[:1] if move else ()
    begun = {job.recipe for job in seen.ahead}
    near = [recipe for recipe in likely if recipe.recipe_id not in seen.results][:MAX_AHEAD]
    if wanted := [recipe for recipe in near if recipe not in begun]:
        st.session_state[_UNASKED] = seen.unasked | {recipe.recipe_id for recipe in wanted}
        desk.submit(wanted, _NEXT, background=True)


def time_again(results: Iterable[Result], *, background: bool = False) -> None:
    """Have these timed once more, at this moment; what is being timed again already is not asked for twice."""
    queue = dispatcher.get_dispatcher()
    wanted = [RetimingInquiry(recipe=result.parsed_recipe, done=len(result.timings)) for result in results]
    queue.submit(wanted, group=state.group(_TIMING), background=background)


def make_sure(finalists: Sequence[Result]) -> bool:
    """Have those that may be recommended timed `TIMINGS` times in all; whether they have been by now.

    Networks with the same graph as the original's need no timing. Each is asked for once: what failed stays as it is.
    """
    behind = [one for one in finalists if 0 < len(one.timings) < TIMINGS and not one.has_same_graph]
    asked: set[tuple[str, int]] = st.session_state.setdefault(_TIMED, set())
    wanted = {(one.recipe_id, len(one.timings)): one for one in behind}
    time_again([one for key, one in wanted.items() if key not in asked], background=True)
    asked.update(wanted)
    return not behind


def revision() -> int:
    """Changes when a snapshot would."""
    return dispatcher.get_dispatcher().store.revision()


def is_paused() -> bool:
    """Whether the person stopped the sweep, in this window or in another one of this browser, also long ago."""
    return bool(st.session_state.setdefault(_PAUSED, browser.read(_PAUSED) == "yes"))


def _remember(*, paused: bool) -> None:
    st.session_state[_PAUSED] = paused
    browser.keep(_PAUSED, "yes" if paused else "")


def pause() -> None:
    """Stop the sweep and what is measured ahead, until `resume`; what was measured stays."""
    _remember(paused=True)
    for kind in (_CURVES, _NEXT):
        dispatcher.get_dispatcher().cancel(state.group(kind))


def resume() -> None:
    """Measure the rest of the sweep, and try failed points again."""
    _remember(paused=False)
    for asked in (_ASKED, _SWEPT):
        st.session_state.pop(asked, None)


def give_up(seen: Snapshot) -> None:
    """Cancel the current setting's measurement, also where it is a point of a curve or was begun ahead."""
    every = (*seen.jobs, *seen.ahead)
    dispatcher.get_dispatcher().cancel_jobs([job.job_id for job in every if job.recipe == seen.view.recipe])


def keep_best(job: Job) -> None:
    """Have the training that runs end here with the best network so far; the view follows to what that is."""
    st.session_state.setdefault(_ENDED, {})[job.job_id] = job.recipe
    dispatcher.get_dispatcher().store.queue.request_enough(job.job_id)


def ended_early(seen: Snapshot) -> Recipe | None:
    """The recipe that was carried out instead of the current one, whose training the person ended."""
    for job_id, asked in list(st.session_state.get(_ENDED, {}).items()):
        job = dispatcher.get_dispatcher().store.queue.job(job_id)
        if job is not None and not job.state.is_final:
            continue
        del st.session_state[_ENDED][job_id]
        if job is not None and job.state is JobState.COMPLETE and job.recipe != asked == seen.view.recipe:
            return job.recipe
    return None


def retry() -> None:
    """Ask for the current setting again."""
    st.session_state.pop(_ASKED, None)


def seconds_left(seen: Snapshot) -> float | None:
    """Rough time until the curves are complete, shared among the running jobs; None before enough is measured.

    Points take what those of the same techniques took, or else what points without training took, and the training
    as much longer than was reckoned as it did so far.
    """
    subject, measured = seen.view.subject, [result for result in seen.results.values() if not result.is_baseline]
    if len(measured) < ENOUGH_MEASURED:
        return None
    taken: dict[tuple[str, ...], list[float]] = defaultdict(list)
    without: list[float] = []
    pace: list[float] = []
    for result in measured:
        taken[_kind(result.parsed_recipe)].append(result.seconds)
        training = training_seconds(subject, result.parsed_recipe)
        (pace if training else without).append(result.seconds / training if training else result.seconds)
    usual = {kind: median(seconds) for kind, seconds in taken.items()}
    plain, longer = median(without or [MEASURING_SECONDS]), median(pace or [1.0])
    expected = (usual.get(_kind(recipe), plain + longer * training_seconds(subject, recipe)) for recipe in seen.missing)
    running = sum(job.state is JobState.RUNNING and job.background for job in seen.jobs)
    return float(sum(expected)) / max(1, running)


def _kind(recipe: Recipe) -> tuple[str, ...]:
    """Points of the same kind take about as long: the techniques in order."""
    return tuple(step.technique for step in recipe.steps)


def usual_seconds(seen: Snapshot) -> float | None:
    """What a setting of the model that does not train usually takes, where any was measured."""
    taken = [found.seconds for found in seen.results.values() if not (found.is_baseline or trains(found.parsed_recipe))]
    return median(taken) if taken else None
