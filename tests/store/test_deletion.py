"""What deleting results removes, and what it must not, over every database there is."""

import os

import pytest
import sqlalchemy as sql

from compression import atomic
from compression.errors import StorageFailed
from compression.inquiries.outcomes import PictureInquiry
from compression.store import artifacts, deletion, history, tables
from compression.store.jobs import JobState
from compression.store.store import Store
from compression.work.once import measure
from compression.work.worker import Order, execute
from tests.support.fake_dispatcher import ME
from tests.support.fake_run import MODEL, RUN, recipe, runs_of
from tests.support.made_up_results import fabricate, files_of, keep, key_of


def add_sharing(store, wanted, other):
    """A result whose stored file is the very same as another's."""
    result = fabricate(wanted, artifacts=fabricate(wanted).artifacts | {"stored": other.artifacts["stored"]})
    store.add_result(result, files_of(wanted) | {"stored": files_of(recipe(seed=1))["stored"]})
    return result


def files():
    return {path.parent.name + path.name for path, _ in deletion.files()}


def age(*names):
    for name in names:
        os.utime(artifacts.path_of(name), (1, 1))


class TestDelete:
    def test_rows_files_answers_and_notes_go_and_all_else_stays(self, store):
        gone, kept = keep(store, recipe(seed=1)), keep(store, recipe(seed=2))
        inquiry = PictureInquiry(recipe=recipe(seed=1), indices=(1,))
        store.add_answer(inquiry, gone, b"found")
        history.write_note(store, key_of(gone), ["a"], "")
        history.write_note(store, key_of(kept), ["b"], "")
        expected = sum(len(content) for content in files_of(recipe(seed=1)).values()) + len(b"found")
        planned = deletion.plan(store, [key_of(gone)])
        assert planned == deletion.Deletion(1, 1, 1, 5, expected, 0, 0)
        assert deletion.delete(store, [key_of(gone)]) == planned
        assert [result.recipe_id for result in store.results(MODEL)] == [kept.recipe_id]
        assert store.answer(inquiry) is None
        assert set(history.notes(store)) == {key_of(kept)}
        assert files() == set(kept.artifacts.values())

    def test_planning_changes_nothing(self, store):
        result = keep(store, recipe())
        before = store.revision()
        deletion.plan(store, [key_of(result)])
        assert store.revision() == before
        assert len(files()) == 4

    def test_a_file_that_another_result_has_stays_until_that_goes_too(self, store):
        first = keep(store, recipe(seed=1))
        second = add_sharing(store, recipe(seed=2), first)
        done = deletion.delete(store, [key_of(first)])
        assert (done.files, done.shared_files) == (3, 1)
        assert store.artifact(second.artifacts["stored"]) is not None
        done = deletion.delete(store, [key_of(second)])
        assert (done.files, done.shared_files) == (4, 0)
        assert files() == set()

    def test_both_at_once_share_with_nobody(self, store):
        first = keep(store, recipe(seed=1))
        second = add_sharing(store, recipe(seed=2), first)
        assert deletion.delete(store, [key_of(first), key_of(second)]).shared_files == 0
        assert files() == set()

    def test_a_file_that_an_answer_has_stays(self, store):
        gone, kept = keep(store, recipe(seed=1)), keep(store, recipe(seed=2))
        content = files_of(recipe(seed=1))["stored"]
        store.add_answer(PictureInquiry(recipe=recipe(seed=2), indices=(1,)), kept, content)
        assert deletion.delete(store, [key_of(gone)]).shared_files == 1
        assert gone.artifacts["stored"] in files()

    def test_a_baseline_of_others_is_said_and_may_go(self, store):
        baseline, other = keep(store, recipe().baseline()), keep(store, recipe(seed=2))
        keep(store, recipe(seed=3), engine_version="older")
        assert deletion.plan(store, [key_of(baseline)]).baseline_of == 1
        assert deletion.plan(store, [key_of(baseline), key_of(other)]).baseline_of == 0
        assert deletion.plan(store, [key_of(other)]).baseline_of == 0
        deletion.delete(store, [key_of(baseline)])
        measure(recipe(seed=4), store, run=RUN)
        assert runs_of(recipe().baseline()) == 1
        assert store.result(recipe().baseline()) is not None

    def test_what_is_not_there_is_no_trouble(self, store):
        assert deletion.delete(store, ["0" * 64]) == deletion.Deletion(0, 0, 0, 0, 0, 0, 0)

    def test_a_lost_file_is_no_trouble(self, store):
        result = keep(store, recipe())
        artifacts.path_of(result.artifacts["onnx"]).unlink()
        assert deletion.delete(store, [key_of(result)]).files == 3

    def test_thousands_at_once(self, store):
        results = [keep(store, recipe(seed=seed)) for seed in range(30)]
        wanted = [*map(key_of, results), *(f"{number:064d}" for number in range(40_000))]
        assert deletion.delete(store, wanted).results == 30
        assert store.results(MODEL) == []


class TestOtherProcesses:
    def test_a_page_that_remembers_results_forgets_them(self, store):
        """SQLite gives the number of the last row to the next one: same number, same recipe, another result."""
        keep(store, recipe(seed=1), accuracy=0.9)
        last = keep(store, recipe(seed=2), accuracy=0.5)
        other = Store(store.database.url)
        assert [result.accuracy for result in other.results(MODEL)] == [0.9, 0.5]
        deletion.delete(store, [key_of(last)])
        keep(store, recipe(seed=2), accuracy=0.75)
        assert [result.accuracy for result in other.results(MODEL)] == [0.9, 0.75]

    def test_also_when_other_rows_took_the_numbers(self, store):
        keep(store, recipe(seed=1))
        gone = [keep(store, recipe(seed=seed)) for seed in (2, 3)]
        other = Store(store.database.url)
        other.results(MODEL)
        deletion.delete(store, map(key_of, gone))
        for seed in (4, 3):
            keep(store, recipe(seed=seed))
        assert [result.recipe["seed"] for result in other.results(MODEL)] == [1, 4, 3]

    def test_a_file_that_somebody_needs_meanwhile_stays(self, store, monkeypatch):
        """Between the rows and the files another worker keeps a result with the same content."""
        first = keep(store, recipe(seed=1))
        remove = deletion._remove

        def meanwhile(database, found):
            add_sharing(store, recipe(seed=2), first)
            remove(database, found)

        monkeypatch.setattr(deletion, "_remove", meanwhile)
        deletion.delete(store, [key_of(first)])
        assert store.artifact(first.artifacts["stored"]) is not None

    def test_a_file_that_was_taken_before_its_row_came_is_written_again(self, store, monkeypatch):
        kept = fabricate(recipe())
        write = artifacts.write
        written = []

        def write_and_lose(content):
            name = write(content)
            if len(written) < 4:  # whoever deletes comes between the files and the row
                artifacts.path_of(name).unlink()
            written.append(name)
            return name

        monkeypatch.setattr(artifacts, "write", write_and_lose)
        store.add_result(kept, files_of(recipe()))
        assert {role: store.artifact(name) for role, name in kept.artifacts.items()} == files_of(recipe())

    def test_a_job_whose_recipe_is_deleted_measures_it_again(self, store):
        result = keep(store, recipe())
        keep(store, recipe().baseline())
        (job,) = store.add_jobs([recipe(seed=5)], group="g", owner=ME)
        deletion.delete(store, [key_of(result), key_of(store.result(recipe().baseline()))])
        execute(Order(job.job_id, "claim", ME.dispatcher_id, store.place, RUN))
        assert store.job(job.job_id).state is JobState.COMPLETE

    def test_files_of_another_database_in_the_same_home_stay(self, fresh_home):
        usual, team = Store(), Store(f"sqlite:///{fresh_home}/team.sqlite")
        mine, theirs = keep(usual, recipe()), keep(team, recipe())
        done = deletion.delete(team, [key_of(theirs)])
        assert (done.results, done.files, done.shared_files) == (1, 0, 4)
        assert files() == set(mine.artifacts.values())
        age(*mine.artifacts.values())
        assert deletion.orphans(team).is_empty


class TestOrphans:
    def test_none(self, store):
        age(*keep(store, recipe()).artifacts.values())
        assert deletion.orphans(store).is_empty
        assert deletion.clean_up(store).is_empty
        assert len(files()) == 4

    def test_a_crash_between_rows_and_files_is_cleaned_up(self, store, monkeypatch):
        gone, kept = keep(store, recipe(seed=1)), keep(store, recipe(seed=2))

        def crash(database, found):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(deletion, "_remove", crash)
            with pytest.raises(KeyboardInterrupt):
                deletion.delete(store, [key_of(gone)])
        assert set(gone.artifacts.values()) <= files()
        age(*gone.artifacts.values(), *kept.artifacts.values())
        found = deletion.orphans(store)
        assert {path.parent.name + path.name for path in found.files} == set(gone.artifacts.values())
        assert found.file_bytes == sum(len(content) for content in files_of(recipe(seed=1)).values())
        assert deletion.clean_up(store) == found
        assert files() == set(kept.artifacts.values())

    def test_fresh_files_belong_to_somebody(self, store):
        name = artifacts.write(b"just being measured")
        assert deletion.orphans(store).is_empty
        age(name)
        assert len(deletion.orphans(store).files) == 1

    def test_half_written_files_go_and_strangers_stay(self, store):
        folder = artifacts.path_of(artifacts.write(b"content")).parent
        half, strange = folder / f"{atomic.UNFINISHED}abc", folder / "read-me.txt"
        for path in (half, strange):
            path.write_bytes(b"x")
            os.utime(path, (1, 1))
        deletion.clean_up(store)
        assert (half.exists(), strange.exists()) == (False, True)

    def test_answers_about_results_that_are_gone(self, store):
        result, inquiry = fabricate(recipe()), PictureInquiry(recipe=recipe(), indices=(1,))
        store.add_answer(inquiry, result, b"found")
        age(store.answer_name(inquiry))
        found = deletion.orphans(store)
        assert (found.answers, len(found.files)) == (1, 1)
        deletion.clean_up(store)
        with store.database.read() as connection:
            assert connection.scalar(sql.select(sql.func.count()).select_from(tables.ANSWERS)) == 0
        assert files() == set()

    def test_an_answers_file_that_a_result_has_stays(self, store):
        kept, lost = keep(store, recipe(seed=1)), fabricate(recipe(seed=2))
        content = files_of(recipe(seed=1))["stored"]
        store.add_answer(PictureInquiry(recipe=recipe(seed=2), indices=(1,)), lost, content)
        age(*kept.artifacts.values())
        assert deletion.clean_up(store).answers == 1
        assert files() == set(kept.artifacts.values())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may delete everywhere")
def test_a_file_that_cannot_be_deleted_is_said(fresh_home):
    store = Store()
    result = keep(store, recipe())
    folder = artifacts.path_of(result.artifacts["onnx"]).parent
    folder.chmod(0o500)
    with pytest.raises(StorageFailed, match="could not be deleted"):
        deletion.delete(store, [key_of(result)])
    folder.chmod(0o700)


def test_thousands_are_deleted_among_ten_thousand(any_store):
    keep(any_store, recipe(seed=1))
    with any_store.database.write() as connection:
        row = dict(connection.execute(sql.select(tables.RESULTS)).mappings().one())
        del row["sequence"]
        rows = [row | {"result_key": f"{number:064d}", "recipe_id": f"{number:016d}"} for number in range(10_000)]
        connection.execute(tables.RESULTS.insert(), rows)
    done = deletion.delete(any_store, [f"{number:064d}" for number in range(0, 10_000, 2)])
    assert (done.results, done.files, done.shared_files) == (5000, 0, 4)
    assert len(history.entries(any_store)) == 5001
