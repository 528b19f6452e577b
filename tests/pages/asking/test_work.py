"""What a page asks of the dispatcher: the setting shown, its curves, and the settings that may be wanted next."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from compression.models.subject import subject_of
from compression.recipe.budgets import training_seconds
from compression.recipe.recipe import make_recipe
from compression.recipe.settings import Settings, recipe_of
from compression.search.curves import sweep_recipes
from compression.store.jobs import Job, JobState
from pages.components.asking import work
from pages.components.view.link import View
from tests.support.fake_dispatcher import CLAIM
from tests.support.made_up_results import preview

MODEL = "lenet5-mnist5k"
SUBJECT = subject_of(MODEL)
HALF = Settings(pruning_percent=45, weight_bits=5, student="slimmable")
"""No point of a curve, and so are its neighbours."""

HALVED = {"technique": "channel_pruning", "pruning_ratio": 0.5}
TUNED = {"technique": "fine_tuning", "epochs": 2}
ROUNDED = {"technique": "quantization", "weight_bits": 8}


@pytest.fixture(autouse=True)
def session(monkeypatch):
    """The session state of a browser session."""
    monkeypatch.setattr(work.st, "session_state", {})


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


def ahead(dispatcher):
    return [recipe for group, recipe in dispatcher.submitted if group.startswith("ahead-")]


def states(dispatcher, kind="ahead-"):
    """What came of jobs; what runs and is to stop counts as given up."""
    return {
        job.recipe: JobState.CANCELLED if job.is_cancel_requested else job.state
        for job in dispatcher.store.jobs()
        if job.group.startswith(kind)
    }


def run_first(dispatcher, recipe, kind="ahead-", progress=0.0, preview=None):
    """Let one job run."""
    (job,) = [
        j for j in dispatcher.store.jobs() if j.recipe == recipe and j.group.startswith(kind) and not j.state.is_final
    ]
    dispatcher.begin(job, progress)
    if preview:
        dispatcher.store.queue.set_preview(job.job_id, CLAIM, preview)


def measured_but_for_its_neighbours(dispatcher, view):
    """The page at a view that is measured, while nothing new is."""
    work.want(view)
    dispatcher.held = True
    return looked_at(view)


@pytest.fixture(autouse=True)
def five_processors(monkeypatch):
    """The number of settings measured ahead depends on the machine."""
    monkeypatch.setattr(work, "MAX_AHEAD", 4)


class TestAhead:
    def test_neighbours_are_asked_for_when_the_setting_is_measured(self, dispatcher):
        dispatcher.held = True
        shown(at())
        assert ahead(dispatcher) == []
        dispatcher.release()
        dispatcher.held = True
        shown(at())
        expected = ({"pruning_percent": 50}, {"pruning_percent": 40}, {"weight_bits": 4}, {"weight_bits": 6})
        assert ahead(dispatcher) == [recipe_at(**change) for change in expected]
        assert all(job.background for job in dispatcher.store.jobs() if job.group.startswith("ahead-"))

    def test_only_the_likeliest_where_there_is_no_room_for_more(self, dispatcher, monkeypatch):
        monkeypatch.setattr(work, "MAX_AHEAD", 1)
        shown(at(pruning_percent=40))
        dispatcher.submitted.clear()
        shown(at())
        assert ahead(dispatcher) == [recipe_at(pruning_percent=50)]

    def test_they_are_asked_for_once(self, dispatcher):
        measured_but_for_its_neighbours(dispatcher, at())
        asked = len(ahead(dispatcher))
        looked_at(at())
        shown(at())
        assert len(ahead(dispatcher)) == asked == work.MAX_AHEAD

    def test_a_person_goes_on_where_they_go(self, dispatcher):
        shown(at(weight_bits=6))
        dispatcher.submitted.clear()
        shown(at())
        assert ahead(dispatcher)[0] == recipe_at(weight_bits=4)

    def test_what_was_measured_is_not_measured_again(self, dispatcher):
        shown(at(pruning_percent=40))
        dispatcher.submitted.clear()
        measured_but_for_its_neighbours(dispatcher, at())
        assert recipe_at(pruning_percent=40) not in ahead(dispatcher)
        assert ahead(dispatcher)[0] == recipe_at(pruning_percent=50)

    def test_it_is_given_up_when_the_person_goes_elsewhere(self, dispatcher):
        measured_but_for_its_neighbours(dispatcher, at())
        run_first(dispatcher, recipe_at(pruning_percent=50))
        before = states(dispatcher)
        shown(at(pruning_percent=90))
        assert {states(dispatcher)[recipe] for recipe in before} == {JobState.CANCELLED}

    def test_where_a_move_goes_on_to_is_asked_for_before_the_setting_is_measured(self, dispatcher):
        shown(at(pruning_percent=60))
        dispatcher.held = True
        dispatcher.submitted.clear()
        shown(at())
        assert ahead(dispatcher) == [recipe_at(pruning_percent=40)]
        dispatcher.release()
        dispatcher.held = True
        shown(at())
        assert recipe_at(weight_bits=6) in ahead(dispatcher)
        assert len(ahead(dispatcher)) == len(set(ahead(dispatcher)))

    def test_who_passes_by_settings_that_are_not_measured_is_not_followed(self, dispatcher):
        shown(at(pruning_percent=60))
        dispatcher.held = True
        shown(at())
        dispatcher.submitted.clear()
        shown(at(pruning_percent=30))
        assert ahead(dispatcher) == []

    def test_what_runs_is_kept_when_the_person_goes_there(self, dispatcher):
        measured_but_for_its_neighbours(dispatcher, at())
        run_first(dispatcher, recipe_at(pruning_percent=50), progress=0.5)
        seen = shown(at(pruning_percent=50))
        kept = {recipe for recipe, state in states(dispatcher).items() if state is JobState.RUNNING}
        assert kept == {recipe_at(pruning_percent=50)}
        assert seen.job.progress == 0.5
        assert {job.recipe for job in seen.jobs if not job.state.is_final} >= kept

    def test_what_waits_is_left_to_the_persons_own_job(self, dispatcher):
        measured_but_for_its_neighbours(dispatcher, at())
        shown(at(pruning_percent=50))
        assert states(dispatcher)[recipe_at(pruning_percent=50)] is JobState.CANCELLED
        assert states(dispatcher, "explore-")[recipe_at(pruning_percent=50)] is JobState.WAITING

    def test_what_it_knows_is_shown_although_the_persons_own_job_waits_for_it(self, dispatcher):
        measured_but_for_its_neighbours(dispatcher, at())
        there = at(pruning_percent=50)
        run_first(dispatcher, there.recipe, preview=preview(there.recipe), progress=0.8)
        shown(there)
        run_first(dispatcher, there.recipe, "explore-")
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
    def test_nothing_that_trains_and_nothing_without_a_slider_in_use(self, dispatcher, view):
        assert shown(view).result is not None
        assert ahead(dispatcher) == []

    def test_nothing_that_takes_long(self, dispatcher):
        recipe = at().recipe
        dispatcher.measure(recipe, seconds=work.MAX_AHEAD_SECONDS + 1)
        shown(at())
        assert ahead(dispatcher) == []

    def test_nothing_while_measuring_is_paused(self, dispatcher):
        measured_but_for_its_neighbours(dispatcher, at())
        work.pause()
        assert set(states(dispatcher).values()) == {JobState.CANCELLED}
        dispatcher.submitted.clear()
        dispatcher.release()
        shown(at(pruning_percent=90))
        assert ahead(dispatcher) == []
        work.resume()
        shown(at(pruning_percent=90))
        assert recipe_at(pruning_percent=95) in ahead(dispatcher)

    def test_giving_up_the_setting_gives_up_what_was_begun_ahead(self, dispatcher):
        measured_but_for_its_neighbours(dispatcher, at())
        run_first(dispatcher, recipe_at(pruning_percent=50))
        work.give_up(shown(at(pruning_percent=50)))
        assert states(dispatcher)[recipe_at(pruning_percent=50)] is JobState.CANCELLED

    def test_nobody_waits_for_it(self, dispatcher):
        before = measured_but_for_its_neighbours(dispatcher, at())
        run_first(dispatcher, recipe_at(pruning_percent=50))
        seen = work.snapshot(at())
        assert len(seen.ahead) == work.MAX_AHEAD
        assert (seen.unfinished, seen.sweep_runs, seen.job.recipe) == (False, False, at().recipe)
        assert work.seconds_left(seen) == work.seconds_left(before)
        assert seen.signature == before.signature

    def test_its_result_draws_nothing_anew(self, dispatcher):
        measured_but_for_its_neighbours(dispatcher, at())
        before = work.snapshot(at()).signature
        dispatcher.release()
        assert work.snapshot(at()).signature == before

    def test_a_result_that_is_on_the_page_does(self, dispatcher):
        measured_but_for_its_neighbours(dispatcher, at())
        there = at(pruning_percent=50)
        before = shown(there).signature
        dispatcher.release()
        assert work.snapshot(there).signature != before

    def test_its_failure_is_nobodys(self, dispatcher):
        dispatcher.held = False
        work.want(at())
        dispatcher.failing = "channel_pruning"
        seen = looked_at(at())
        assert JobState.FAILED in states(dispatcher).values()
        assert work.snapshot(at()).failed == seen.failed == ()
        assert [job.recipe for job in shown(at(pruning_percent=50)).failed] == [recipe_at(pruning_percent=50)]


class TestCurves:
    def test_they_are_asked_for_once(self, dispatcher):
        shown(at())
        shown(at(pruning_percent=50))
        swept = [recipe for group, recipe in dispatcher.submitted if group.startswith("sweep-")]
        assert swept == list(sweep_recipes(SUBJECT, "none"))

    def test_resuming_asks_for_them_again(self, dispatcher):
        shown(at())
        work.pause()
        shown(at())
        dispatcher.submitted.clear()
        work.resume()
        shown(at())
        assert {recipe for group, recipe in dispatcher.submitted if group.startswith("sweep-")} == set(
            sweep_recipes(SUBJECT, "none")
        )


class TestJob:
    def job(self, name, state, **changes):
        now = datetime.now(UTC)
        return Job(name, recipe_of(SUBJECT, HALF), "g", False, state, now, now, **changes)

    def of(self, *jobs, ahead=()):
        found = work.Snapshot(0, at(), {}, jobs, (), None, False, ahead).job
        return found and found.job_id

    def test_the_one_furthest_on(self):
        over, waiting = self.job("over", JobState.CANCELLED), self.job("waiting", JobState.WAITING)
        running = self.job("running", JobState.RUNNING)
        further = replace(self.job("further", JobState.RUNNING), progress=0.5)
        knows = self.job("knows", JobState.RUNNING, preview=preview(recipe_of(SUBJECT, HALF)))
        assert self.of() is None
        assert self.of(waiting, over) == "waiting"
        assert self.of(running, waiting) == "running"
        failed = replace(self.job("failed", JobState.FAILED), created_at=datetime.max.replace(tzinfo=UTC))
        assert self.of(replace(over, progress=0.9), failed) == "failed"
        assert self.of(running, ahead=(further,)) == "further"
        assert self.of(running, further, ahead=(knows,)) == "knows"


class TestTimeLeft:
    def test_nothing_is_said_before_three_points_are_measured(self, dispatcher):
        view = replace(at(), curves=("channel_pruning",))
        for recipe in work.snapshot(view).sweep[1:4]:
            assert work.seconds_left(work.snapshot(view)) is None
            dispatcher.measure(recipe, seconds=4.0)
        seen = work.snapshot(view)
        assert work.seconds_left(seen) == pytest.approx(4.0 * len(seen.missing))

    def test_trainings_take_as_much_longer_as_they_did_so_far(self, dispatcher):
        trained = [
            make_recipe(MODEL, [{"technique": "channel_pruning", "pruning_ratio": ratio}, TUNED])
            for ratio in (0.1, 0.2, 0.3)
        ]
        reckoned = training_seconds(SUBJECT, trained[0])
        for recipe in trained:
            dispatcher.measure(recipe, seconds=3 * reckoned)
        seen = replace(work.snapshot(at()), sweep=(make_recipe(MODEL, [HALVED, TUNED, ROUNDED]),))
        assert work.seconds_left(seen) == pytest.approx(work.MEASURING_SECONDS + 3 * reckoned)

    def test_what_a_setting_without_training_takes_is_measured(self, dispatcher):
        assert work.usual_seconds(work.snapshot(at())) is None
        dispatcher.measure(at().recipe, seconds=180.0)
        assert work.usual_seconds(work.snapshot(at())) == 180.0


def test_the_view_follows_a_training_that_was_ended_early(dispatcher):
    dispatcher.held = True
    view = at(budget="quick", pruning_percent=50)
    work.want(view)
    (job,) = [job for job in dispatcher.store.jobs() if job.recipe == view.recipe and job.group.startswith("explore")]
    dispatcher.begin(job)
    work.keep_best(job)
    assert work.ended_early(work.snapshot(view)) is None
    shorter = make_recipe(MODEL, [*view.recipe.steps[:1], view.recipe.steps[1].model_copy(update={"epochs": 0.5})])
    dispatcher.store.queue.set_recipe(job.job_id, CLAIM, shorter)
    dispatcher.store.queue.finish_job(job.job_id, CLAIM, JobState.COMPLETE)
    assert work.ended_early(work.snapshot(view)) == shorter
    assert work.ended_early(work.snapshot(view)) is None


class TestOneLookForAll:
    """What a class of people makes the server do."""

    def test_what_did_not_change_is_not_looked_at_again(self, dispatcher):
        dispatcher.held = True
        work.want(at())
        seen = work.snapshot(at())
        assert work.snapshot(at(), seen) is seen
        assert work.snapshot(at(weight_bits=4), seen).view == at(weight_bits=4)
        work.pause()
        assert work.snapshot(at(), seen).paused
        dispatcher.measure(recipe_at())
        assert work.snapshot(at(), seen).result is not None

    def test_what_estimates_start_from_is_found_out_once(self, dispatcher):
        shown(at())
        mine, others = work.snapshot(at()), work.snapshot(at(weight_bits=4))
        assert mine.evidence is others.evidence and mine.width == others.width
        assert work.snapshot(at(budget="quick")).evidence is not mine.evidence
        dispatcher.measure(recipe_at(weight_bits=3))
        later = work.snapshot(at())
        assert later.evidence is not mine.evidence
        assert len(later.lessons) > len(mine.lessons)

    def test_news_of_the_setting_itself_is_known_from_that_of_curves(self, dispatcher):
        dispatcher.held = True
        work.want(at())
        before = work.snapshot(at())
        dispatcher.measure(before.sweep[-1])
        curves = work.snapshot(at())
        assert curves.signature != before.signature and curves.own_signature == before.own_signature
        dispatcher.measure(recipe_at())
        assert work.snapshot(at()).own_signature != before.own_signature
