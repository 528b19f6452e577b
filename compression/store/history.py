"""All results there are, of all models and conditions, with people's tags and notes. Torch-free.

A page lists thousands of results at once, so it gets light rows (`Entry`), which are kept and only read once.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sql

from compression.errors import CompressionError, InvalidRecipe
from compression.models.subject import known_models, model_title, subject_of
from compression.recipe.recipe import Recipe
from compression.recipe.words import recipe_in_words
from compression.results import conditions, machine
from compression.results.conditions import Conditions
from compression.results.metrics import METRICS, Metric
from compression.results.record import Measures, Result
from compression.store.store import Store
from compression.store.tables import NOTES

MAX_TAG, MAX_TAGS, MAX_NOTE = 40, 20, 4000
"""Characters of a tag, tags of a result, characters of a note."""

SHOWN = ("accuracy", "difference", "stored", "size_ratio", "latency", "ratio")
"""Metrics that a list of all results has."""


@dataclass(frozen=True)
class Entry:
    """A result as a light row. `recipe` is None where another version of this program wrote it and this cannot read it.

    `numbers` are those of `SHOWN`, None where the row lacks one. `created_at` is UTC as ISO 8601, `files` names
    artifacts.
    """

    key: str
    sequence: int
    recipe_id: str
    recipe: Recipe | None
    words: str
    measured_under: Conditions
    numbers: Mapping[str, float | None]
    seconds: float
    created_at: str
    files: tuple[str, ...]

    @property
    def model(self) -> str:
        """The name of its model."""
        return self.measured_under.model

    @property
    def title(self) -> str:
        """Its model as people know it."""
        return model_title(self.model)

    @property
    def measured_at(self) -> datetime | None:
        """`created_at` as a time, if it is one."""
        try:
            moment = datetime.fromisoformat(self.created_at)
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @property
    def is_baseline(self) -> bool:
        """Whether it is the original model."""
        return self.recipe is not None and self.recipe.is_baseline


@dataclass(frozen=True)
class Note:
    """What people wrote about a result; `changed_at` is Unix time."""

    tags: tuple[str, ...] = ()
    text: str = ""
    changed_at: float = 0.0


@dataclass(frozen=True)
class Search:
    """What to show: each of the words occurs, one of the models and one of the tags fits (none: all do)."""

    text: str = ""
    models: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    only_here: bool = False
    order: str = "newest"


def entries(store: Store) -> list[Entry]:
    """All results of the store's workspace, newest first; only those are read that came since the last time.

    Raises `StorageFailed`.
    """
    return store.remembered.rows(store.database, f"all {store.workspace}", store.is_mine, _entry)[::-1]


def _entry(row: sql.Row[Any]) -> Entry:
    """Without checking all of it: rows of other versions are shown too, and damaged ones with what is left of them."""
    document = _document(row.document)
    recipe, words = _recipe(document.get("recipe"))
    return Entry(
        key=row.result_key,
        sequence=row.sequence,
        recipe_id=row.recipe_id,
        recipe=recipe,
        words=words,
        measured_under=conditions.conditions_of(row),
        numbers=_numbers(document),
        seconds=document.get("seconds") or 0.0,
        created_at=str(document.get("created_at")),
        files=tuple(sorted(set((document.get("artifacts") or {}).values()))),
    )


def _document(text: str) -> dict[str, Any]:
    """Empty where it is damaged."""
    with contextlib.suppress(TypeError, ValueError):
        document = json.loads(text)
        if isinstance(document, dict):
            return document
    return {}


def _numbers(document: Mapping[str, Any]) -> dict[str, float | None]:
    """Of a row that nobody checked; those of another version may lack some, and so may damaged ones."""
    baseline = Measures.model_construct(**(document.get("baseline") or {}))
    row = Result.model_construct(**{**document, "baseline": baseline})
    numbers: dict[str, float | None] = dict.fromkeys(SHOWN)
    for key in SHOWN:
        with contextlib.suppress(AttributeError, TypeError, ZeroDivisionError):
            numbers[key] = METRICS[key].read(row)
    return numbers


def _recipe(content: Mapping[str, Any] | None) -> tuple[Recipe | None, str]:
    if content is None:
        return None, "cannot be read any more"
    try:
        recipe = Recipe.model_validate(content)
    except (CompressionError, ValueError):
        steps = " → ".join(str(step.get("technique", "?")) for step in content.get("steps", ()))
        return None, f"{steps or 'the original model'} (written by another version of this program)"
    return recipe, recipe_in_words(recipe)


# Tags and notes ---------------------------------------------------------------------------------------


def notes(store: Store) -> dict[str, Note]:
    """What people wrote, by the result's key."""
    with store.database.read() as connection:
        rows = connection.execute(sql.select(NOTES)).all()
    return {row.result_key: Note(tuple(_tags(row.tags)), row.note, row.changed_at) for row in rows}


def _tags(text: str) -> list[str]:
    """None where the row is damaged."""
    with contextlib.suppress(TypeError, ValueError):
        tags = json.loads(text)
        if isinstance(tags, list):
            return [str(tag) for tag in tags]
    return []


def all_tags(written: Iterable[Note]) -> list[str]:
    """Every tag there is, those used most first."""
    counts = Counter(tag for note in written for tag in note.tags)
    return sorted(counts, key=lambda tag: (-counts[tag], tag.lower()))


def write_note(store: Store, key: str, tags: Collection[str], text: str) -> None:
    """Keep tags and note of a result in place of earlier ones; with neither, nothing is kept.

    Raises `InvalidRecipe` children with what to do where a tag or the note is too long.
    """
    clean = clean_tags(tags)
    text = text.replace("\0", "").strip()
    if len(text) > MAX_NOTE:
        raise InvalidRecipe(f"The note has {len(text):,} characters; {MAX_NOTE:,} fit. Shorten it.")
    with store.database.write() as connection:
        _put(connection, key, clean, text)


def change_tags(store: Store, result_keys: Collection[str], add: Collection[str], remove: Collection[str]) -> None:
    """Give several results tags and take others from them; their notes stay."""
    added = clean_tags(add)
    with store.database.write() as connection:
        rows = connection.execute(sql.select(NOTES).where(NOTES.c.result_key.in_(result_keys))).mappings()
        known = {row["result_key"]: (_tags(row["tags"]), row["note"]) for row in rows}
        for key in result_keys:
            tags, text = known.get(key, ([], ""))
            kept = [tag for tag in tags if tag not in remove]
            _put(connection, key, clean_tags([*kept, *added]), text)


def _put(connection: sql.Connection, key: str, tags: Sequence[str], text: str) -> None:
    connection.execute(NOTES.delete().where(NOTES.c.result_key == key))
    if tags or text:
        row = {"result_key": key, "tags": json.dumps(tags), "note": text, "changed_at": time.time()}
        connection.execute(NOTES.insert().values(row))


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Without blanks around and without doubles, in order. Raises `InvalidRecipe` where one is too long."""
    clean = list(dict.fromkeys(" ".join(tag.replace("\0", "").split()) for tag in tags if tag.strip("\0 ")))
    for tag in clean:
        if len(tag) > MAX_TAG:
            raise InvalidRecipe(f"The tag {tag[:MAX_TAG]!r}… is too long. Take at most {MAX_TAG} characters.")
    if len(clean) > MAX_TAGS:
        raise InvalidRecipe(f"These are {len(clean)} tags. A result can have {MAX_TAGS}.")
    return clean


# Searching --------------------------------------------------------------------------------------------

_BEST = {metric.best: metric for metric in METRICS.values() if metric.best}
ORDERS = ("newest", "oldest", *_BEST)


def find(
    every: Sequence[Entry], written: Mapping[str, Note], search: Search, here: Collection[Conditions] = ()
) -> list[Entry]:
    """Those entries that a search is for, in its order. `here` are the present conditions of the models."""
    wanted = search.text.lower().split()
    found = [
        entry
        for entry in every
        if (not search.models or entry.model in search.models)
        and (not search.only_here or entry.measured_under in here)
        and (not search.tags or set(search.tags) & set(written.get(entry.key, _NO_NOTE).tags))
        and (not wanted or _has(entry, written.get(entry.key, _NO_NOTE), wanted))
    ]
    if search.order not in _BEST:
        return sorted(found, key=lambda entry: entry.sequence, reverse=search.order == "newest")
    metric = _BEST[search.order]
    return sorted(found, key=lambda entry: _rank(entry.numbers[metric.key], metric))


def _rank(number: float | None, metric: Metric) -> tuple[bool, float]:
    """The best first, what is not known last."""
    return number is None, (number or 0.0) * (-1 if metric.more_is_better else 1)


_NO_NOTE = Note()


def _has(entry: Entry, note: Note, wanted: Sequence[str]) -> bool:
    text = " ".join((entry.words, entry.title, entry.model, entry.recipe_id, *note.tags, note.text)).lower()
    return all(word in text for word in wanted)


def present(store: Store) -> set[Conditions]:
    """Under which conditions results are comparable here and now: on this machine, or the workers' elsewhere."""
    found = set()
    for model in known_models():
        for machine_id in store.machine_ids or (machine.machine_id(),):
            try:
                found.add(conditions.conditions(subject_of(model), machine_id))
            except CompressionError:  # its card is missing: none of its results can be compared
                continue
    return found


def origin(entry: Entry, here: Collection[Conditions]) -> str:
    """Where and with what an entry was measured, as seen from here and now."""
    if entry.measured_under in here:
        return "here, now"
    now = [conditions for conditions in here if conditions.model == entry.model]
    if not now:
        return "a model that is not here"
    differs = {
        "another machine": all(entry.measured_under.machine_id != one.machine_id for one in now),
        f"engine {entry.measured_under.engine_version}": (entry.measured_under.engine_version != now[0].engine_version),
        "other weights": entry.measured_under.model_version != now[0].model_version,
        "other data": entry.measured_under.data_version != now[0].data_version,
    }
    return ", ".join(words for words, is_so in differs.items() if is_so)
