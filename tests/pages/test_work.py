"""What a page asks of the engine: the setting shown, its curves, and the settings that may be wanted next."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from fake_engine import FakeEngine, fabricate, preview

from compression.job import Job, JobState
from compression.links import View
from compression.recipe import make_recipe
from compression.settings import Settings, recipe_of
from compression.sweeps import sweep_recipes
from pages.components import work

MODEL = "lenet5-mnist5k"
HALF = Settings(pruning_percent=45, weight_bits=5, student="slimmable")
"""No point of a curve, and so are its neighbours."""


@pytest.fixture
def session(monkeypatch):
    """The session state of a browser session."""
    values = {}
    monkeypatch.setattr(work.st, "session_state", values)
    return values


@pytest.fixture
def engine(monkeypatch, session):
    fake = FakeEngine()
    monkeypatch.setattr("compression.jobs.get_engine", lambda: fake)
    return fake


def at(settings=HALF, **changes):
    return View(MODEL, replace(settings, **changes))


def recipe_at(**changes):
    return at(**changes).recipe


def shown(view):
    """A run of a page at this view."""
    work.want(view)
    return looked_at(view)


def looked_at(view):
    """What a page sees, and what it has measured ahead of the person then."""
    seen = work.snapshot(view)
    work.go_ahead(seen)
    return seen


def ahead(engine):
    return [recipe for group, recipe in engine.submitted if group.startswith("ahead-")]


def states(engine, kind="ahead-"):
    return {job.recipe: job.state for job in engine.store.jobs() if job.group.startswith(kind)}


def run_first(engine, recipe, kind="ahead-", **changes):
    """Let one job run."""
    (job,) = [
        j for j in engine.store.jobs() if j.recipe == recipe and j.group.startswith(kind) and not j.state.is_final
    ]
    engine.store.all_jobs[job.job_id] = replace(job, state=JobState.RUNNING, **changes)
    return job


def measured_but_for_its_neighbours(engine, view):
    """The page at a view that is measured, while nothing new is."""
    work.want(view)
    engine.held = True
    return looked_at(view)


@pytest.fixture(autouse=True)
def five_processors(monkeypatch):
    """The number of settings measured ahead depends on the machine."""
    monkeypatch.setattr(work, "MAX_AHEAD", 4)


class TestAhead:
    def test_neighbours_are_asked_for_when_the_setting_is_measured(self, engine):
        engine.held = True
        shown(at())
        assert ahead(engine) == []
        engine.release()
        shown(at())
        expected = ({"pruning_percent": 50}, {"pruning_percent": 40}, {"weight_bits": 4}, {"weight_bits": 6})
        assert ahead(engine) == [recipe_at(**change) for change in expected]
        assert all(job.background for job in engine.store.jobs() if job.group.startswith("ahead-"))

    def test_only_the_likeliest_where_there_is_no_room_for_more(self, engine, monkeypatch):
        monkeypatch.setattr(work, "MAX_AHEAD", 1)
        shown(at(pruning_percent=40))
        engine.submitted.clear()
        shown(at())
        assert ahead(engine) == [recipe_at(pruning_percent=50)]

    def test_they_are_asked_for_once(self, engine):
        measured_but_for_its_neighbours(engine, at())
        asked = len(ahead(engine))
        looked_at(at())
        shown(at())
        assert len(ahead(engine)) == asked == work.MAX_AHEAD

    def test_a_person_goes_on_where_they_go(self, engine):
        shown(at(weight_bits=6))
        engine.submitted.clear()
        shown(at())
        assert ahead(engine)[0] == recipe_at(weight_bits=4)

    def test_what_was_measured_is_not_measured_again(self, engine):
        shown(at(pruning_percent=40))
        engine.submitted.clear()
        measured_but_for_its_neighbours(engine, at())
        assert recipe_at(pruning_percent=40) not in ahead(engine)
        assert ahead(engine)[0] == recipe_at(pruning_percent=50)

    def test_it_is_given_up_when_the_person_goes_elsewhere(self, engine):
        measured_but_for_its_neighbours(engine, at())
        run_first(engine, recipe_at(pruning_percent=50))
        before = states(engine)
        shown(at(pruning_percent=90))
        assert {states(engine)[recipe] for recipe in before} == {JobState.CANCELLED}

    def test_where_a_move_goes_on_to_is_asked_for_before_the_setting_is_measured(self, engine):
        shown(at(pruning_percent=60))
        engine.held = True
        engine.submitted.clear()
        shown(at())
        assert ahead(engine) == [recipe_at(pruning_percent=40)]
        engine.release()
        engine.held = True
        shown(at())
        assert recipe_at(weight_bits=6) in ahead(engine)
        assert len(ahead(engine)) == len(set(ahead(engine)))

    def test_who_passes_by_settings_that_are_not_measured_is_not_followed(self, engine):
        shown(at(pruning_percent=60))
        engine.held = True
        shown(at())
        engine.submitted.clear()
        shown(at(pruning_percent=30))
        assert ahead(engine) == []

    def test_what_runs_is_kept_when_the_person_goes_there(self, engine):
        measured_but_for_its_neighbours(engine, at())
        run_first(engine, recipe_at(pruning_percent=50), progress=0.5)
        seen = shown(at(pruning_percent=50))
        kept = {recipe for recipe, state in states(engine).items() if state is JobState.RUNNING}
        assert kept == {recipe_at(pruning_percent=50)}
        assert seen.job.progress == 0.5
        assert {job.recipe for job in seen.jobs if not job.state.is_final} >= kept

    def test_what_waits_is_left_to_the_persons_own_job(self, engine):
        measured_but_for_its_neighbours(engine, at())
        shown(at(pruning_percent=50))
        assert states(engine)[recipe_at(pruning_percent=50)] is JobState.CANCELLED
        assert states(engine, "explore-")[recipe_at(pruning_percent=50)] is JobState.WAITING

    def test_what_it_knows_is_shown_although_the_persons_own_job_waits_for_it(self, engine):
        measured_but_for_its_neighbours(engine, at())
        there = at(pruning_percent=50)
        run_first(engine, there.recipe, preview=preview(there.recipe), progress=0.8)
        shown(there)
        run_first(engine, there.recipe, "explore-")
        assert work.snapshot(there).preview == preview(there.recipe)

    @pytest.mark.parametrize(
        "view",
        [
            at(budget="quick"),
            at(Settings(student_percent=50, student="same"), pruning_percent=0),
            at(Settings(student="slimmable")),
            View(MODEL, HALF, custom=make_recipe(MODEL, [{"technique": "magnitude_pruning", "sparsity": 0.123}])),
        ],
        ids=["budget", "student", "neutral", "custom"],
    )
    def test_nothing_that_trains_and_nothing_without_a_slider_in_use(self, engine, view):
        assert shown(view).result is not None
        assert ahead(engine) == []

    def test_nothing_that_takes_long(self, engine):
        recipe = at().recipe
        engine.store.by_id[recipe.recipe_id] = fabricate(recipe, seconds=work.MAX_AHEAD_SECONDS + 1)
        shown(at())
        assert ahead(engine) == []

    def test_nothing_while_measuring_is_paused(self, engine):
        measured_but_for_its_neighbours(engine, at())
        work.pause()
        assert set(states(engine).values()) == {JobState.CANCELLED}
        engine.submitted.clear()
        engine.release()
        shown(at(pruning_percent=90))
        assert ahead(engine) == []
        work.resume()
        shown(at(pruning_percent=90))
        assert recipe_at(pruning_percent=95) in ahead(engine)

    def test_giving_up_the_setting_gives_up_what_was_begun_ahead(self, engine):
        measured_but_for_its_neighbours(engine, at())
        run_first(engine, recipe_at(pruning_percent=50))
        work.give_up(shown(at(pruning_percent=50)))
        assert states(engine)[recipe_at(pruning_percent=50)] is JobState.CANCELLED

    def test_nobody_waits_for_it(self, engine):
        before = measured_but_for_its_neighbours(engine, at())
        run_first(engine, recipe_at(pruning_percent=50))
        seen = work.snapshot(at())
        assert len(seen.ahead) == work.MAX_AHEAD
        assert (seen.unfinished, seen.sweep_runs, seen.job.recipe) == (False, False, at().recipe)
        assert work.seconds_left(seen) == work.seconds_left(before)
        assert seen.signature == before.signature

    def test_its_result_draws_nothing_anew(self, engine):
        measured_but_for_its_neighbours(engine, at())
        before = work.snapshot(at()).signature
        engine.release()
        assert work.snapshot(at()).signature == before

    def test_a_result_that_is_on_the_page_does(self, engine):
        measured_but_for_its_neighbours(engine, at())
        there = at(pruning_percent=50)
        before = shown(there).signature
        engine.release()
        assert work.snapshot(there).signature != before

    def test_its_failure_is_nobodys(self, engine):
        engine.held = False
        work.want(at())
        engine.failing = "channel_pruning"
        seen = looked_at(at())
        assert JobState.FAILED in states(engine).values()
        assert work.snapshot(at()).failed == seen.failed == ()
        assert [job.recipe for job in shown(at(pruning_percent=50)).failed] == [recipe_at(pruning_percent=50)]


class TestCurves:
    def test_they_are_asked_for_once(self, engine):
        shown(at())
        shown(at(pruning_percent=50))
        swept = [recipe for group, recipe in engine.submitted if group.startswith("sweep-")]
        assert swept == list(sweep_recipes(MODEL, "none"))

    def test_resuming_asks_for_them_again(self, engine):
        shown(at())
        work.pause()
        shown(at())
        engine.submitted.clear()
        work.resume()
        shown(at())
        assert {recipe for group, recipe in engine.submitted if group.startswith("sweep-")} == set(
            sweep_recipes(MODEL, "none")
        )


class TestJob:
    def job(self, name, state, **changes):
        now = datetime.now(UTC)
        return Job(name, recipe_of(MODEL, HALF), "g", False, state, 0.0, "", None, now, now, None, **changes)

    def of(self, *jobs, ahead=()):
        found = work.Snapshot(0, at(), {}, jobs, (), None, False, ahead).job
        return found and found.job_id

    def test_the_one_furthest_on(self):
        over, waiting = self.job("over", JobState.CANCELLED), self.job("waiting", JobState.WAITING)
        running = self.job("running", JobState.RUNNING)
        further = replace(self.job("further", JobState.RUNNING), progress=0.5)
        knows = self.job("knows", JobState.RUNNING, preview=preview(recipe_of(MODEL, HALF)))
        assert self.of() is None
        assert self.of(waiting, over) == "waiting"
        assert self.of(running, waiting) == "running"
        failed = replace(self.job("failed", JobState.FAILED), created_at=datetime.max.replace(tzinfo=UTC))
        assert self.of(replace(over, progress=0.9), failed) == "failed"
        assert self.of(running, ahead=(further,)) == "further"
        assert self.of(running, further, ahead=(knows,)) == "knows"
