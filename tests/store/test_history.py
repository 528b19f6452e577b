"""All results there are, with people's tags and notes, over every database there is."""

import json
import subprocess
import sys
import time

import pytest
import sqlalchemy as sql

from compression.errors import InvalidRecipe
from compression.recipe.recipe import make_recipe
from compression.store import deletion, history, tables
from compression.store.history import Note, Search
from tests.support.fake_run import MODEL, recipe
from tests.support.made_up_results import BYTES, keep, key_of


def add(store, wanted=None, **changes):
    return key_of(keep(store, wanted or recipe(), **changes))


def pruned(percent, model=MODEL):
    return make_recipe(model, [{"technique": "channel_pruning", "pruning_ratio": percent / 100}])


class TestEntries:
    def test_each_result_is_a_light_row(self, store):
        key = add(store, pruned(50), stored_bytes=BYTES // 2, accuracy=0.8, accuracy_difference=-0.1)
        (entry,) = history.entries(store)
        assert (entry.key, entry.model, entry.words) == (key, MODEL, "prune 50 % of channels")
        names = ("accuracy", "difference", "stored", "size_ratio")
        assert [entry.numbers[name] for name in names] == [0.8, -0.1, BYTES // 2, 2]
        assert entry.recipe == pruned(50)
        assert len(entry.files) == 4
        assert entry.measured_at.isoformat() == "2026-01-01T00:00:00+00:00"

    def test_the_newest_comes_first_and_all_conditions_are_there(self, store):
        add(store, engine_version="older")
        add(store)
        assert [entry.measured_under.engine_version == "older" for entry in history.entries(store)] == [False, True]

    def test_only_later_ones_are_read(self, store, monkeypatch):
        add(store, recipe(seed=1))
        (first,) = history.entries(store)
        add(store, recipe(seed=2))
        parsed, entry = [], history._entry
        monkeypatch.setattr(history, "_entry", lambda row: parsed.append(1) or entry(row))
        assert history.entries(store)[1] is first
        assert len(parsed) == 1

    def test_what_was_deleted_is_gone_also_when_its_number_is_used_again(self, store):
        add(store, recipe(seed=1), accuracy=0.9)
        key = add(store, recipe(seed=2), accuracy=0.5)
        history.entries(store)
        deletion.delete(store, [key])
        add(store, recipe(seed=2), accuracy=0.75)
        assert [entry.numbers["accuracy"] for entry in history.entries(store)] == [0.75, 0.9]

    def test_another_process_deletes(self, fresh_home):
        store = history.Store()
        key = add(store, recipe(seed=2), accuracy=0.5)
        history.entries(store)
        store.results(MODEL)
        code = f"from compression.store import deletion, store; deletion.delete(store.Store(), [{key!r}])"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=".")
        assert history.entries(store) == []
        assert store.results(MODEL) == []

    def test_a_replaced_database_brings_its_own(self, fresh_home):
        store = history.Store()
        add(store, recipe(seed=1))
        history.entries(store)
        (fresh_home / "results.sqlite").unlink()
        add(store, recipe(seed=2))
        assert [entry.recipe.seed for entry in history.entries(store)] == [2]

    def test_recipes_of_another_version_are_listed(self, store):
        key = add(store)
        with store.database.write() as connection:
            document = json.loads(connection.scalar(sql.select(tables.RESULTS.c.document)))
            document["recipe"]["steps"] = [{"technique": "magic"}]
            connection.execute(tables.RESULTS.update().values(document=json.dumps(document)))
        (entry,) = history.entries(store)
        assert (entry.key, entry.recipe, entry.is_baseline) == (key, None, False)
        assert entry.words == "magic (written by another version of this program)"


class TestNotes:
    def test_they_come_back_and_replace_earlier_ones(self, store):
        key = add(store)
        assert history.notes(store) == {}
        history.write_note(store, key, ["for the talk", " small  one "], " why \n")
        note = history.notes(store)[key]
        assert (note.tags, note.text) == (("for the talk", "small one"), "why")
        assert abs(note.changed_at - time.time()) < 60
        history.write_note(store, key, ["other"], "")
        assert (history.notes(store)[key].tags, history.notes(store)[key].text) == (("other",), "")
        history.write_note(store, key, [], "  ")
        assert history.notes(store) == {}

    def test_they_are_told_to_pages(self, store):
        key, before = add(store), store.revision()
        history.write_note(store, key, ["a"], "")
        assert store.revision() > before

    def test_tags_of_several_change_and_their_notes_stay(self, store):
        first, second = add(store, recipe(seed=1)), add(store, recipe(seed=2))
        history.write_note(store, first, ["a", "b"], "text")
        history.change_tags(store, [first, second], add=["c"], remove=["a"])
        found = history.notes(store)
        assert (found[first].tags, found[first].text) == (("b", "c"), "text")
        assert (found[second].tags, found[second].text) == (("c",), "")

    @pytest.mark.parametrize(
        ("tags", "text", "words"),
        [
            (["x" * 41], "", "too long"),
            ([str(n) for n in range(21)], "", "21 tags"),
            ([], "x" * 4001, "4,001 characters"),
        ],
    )
    def test_what_is_too_long_is_refused(self, store, tags, text, words):
        with pytest.raises(InvalidRecipe, match=words):
            history.write_note(store, add(store), tags, text)
        assert history.notes(store) == {}

    def test_tags_used_most_come_first(self):
        written = [Note(("b", "a")), Note(("a",)), Note(("C",))]
        assert history.all_tags(written) == ["a", "b", "C"]


class TestFind:
    @pytest.fixture
    def every(self, store):
        self.small = add(store, pruned(70), stored_bytes=10, accuracy=0.7, latency_ratio=3.0)
        self.good = add(store, pruned(20), stored_bytes=40, accuracy=0.95, latency_ratio=2.0)
        self.old = add(store, pruned(50, "lenet5-mnist5k"), engine_version="older", accuracy=0.9, latency_ratio=0.5)
        return history.entries(store)

    def found(self, every, written=None, here=(), **search):
        return [entry.key for entry in history.find(every, written or {}, Search(**search), here)]

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("", ["old", "good", "small"]),
            ("PRUNE 70", ["small"]),
            ("lenet", ["old"]),
            ("prune mlp", ["good", "small"]),
            ("quantize", []),
            ("talk", ["good"]),
            ("remember prune", ["good"]),
        ],
    )
    def test_each_word_occurs_somewhere(self, every, text, names):
        written = {self.good: Note(("talk",), "Remember this")}
        assert self.found(every, written, text=text) == [getattr(self, name) for name in names]

    def test_models_and_tags(self, every):
        written = {self.old: Note(("a",)), self.good: Note(("b",))}
        assert self.found(every, written, models=(MODEL,)) == [self.good, self.small]
        assert self.found(every, written, tags=("a", "b")) == [self.old, self.good]
        assert self.found(every, written, tags=("b",), models=("lenet5-mnist5k",)) == []

    def test_what_compares_here_and_now(self, every, store):
        here = history.present(store)
        assert self.found(every, here=here, only_here=True) == [self.good, self.small]

    @pytest.mark.parametrize(
        ("order", "names"),
        [
            ("newest", ["old", "good", "small"]),
            ("oldest", ["small", "good", "old"]),
            ("smallest", ["small", "good", "old"]),
            ("most accurate", ["good", "old", "small"]),
            ("fastest", ["old", "good", "small"]),
        ],
    )
    def test_order(self, every, order, names):
        assert self.found(every, order=order) == [getattr(self, name) for name in names]


class TestOrigin:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({}, "here, now"),
            ({"machine_id": "another"}, "another machine"),
            ({"engine_version": "0.1"}, "engine 0.1"),
            ({"model_version": "0"}, "other weights"),
            ({"data_version": "0"}, "other data"),
            ({"machine_id": "another", "engine_version": "0.1"}, "another machine, engine 0.1"),
        ],
    )
    def test_what_differs_is_said(self, store, changes, words):
        add(store, **changes)
        assert history.origin(history.entries(store)[0], history.present(store)) == words

    def test_a_model_that_is_gone(self, store):
        add(store)
        assert history.origin(history.entries(store)[0], set()) == "a model that is not here"

    def test_workers_elsewhere_count_as_here(self, store):
        add(store, machine_id="cluster")
        store.machine_ids = ("cluster",)
        assert history.origin(history.entries(store)[0], history.present(store)) == "here, now"
