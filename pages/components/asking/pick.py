"""Which measured settings a page is about: one, shared by all pages, or several side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import streamlit as st

from compression import units
from compression.errors import CompressionError, InvalidRecipe
from compression.models.subject import model_title, subject_of
from compression.recipe.recipe import Recipe
from compression.recipe.words import recipe_in_words
from compression.results import score
from compression.results.record import Result
from compression.search.front import pareto_front
from pages.components.asking import desk, notices, waiting
from pages.components.frame import menu
from pages.components.view import model_card, state
from pages.components.view.link import View, recipes_from, text_of, view_of

AT_MOST = 4
"""Settings side by side."""

MAX_OFFERED = 400
"""Settings in a list of choices: those that nothing beats, and the latest. A browser gets slow with thousands."""

_RESULT = state.SETTING + "result"
_SEVERAL, _SEVERAL_KEY, _PROBLEM = "picked_several", "picked_several_widget", "picked_problem"
_GROUP, _TURN, _SIGNS = "picked", "picked_several_turn", "picked_several_signs"


@dataclass(frozen=True)
class Picked:
    """The setting that is shown everywhere, and what is measured of its model."""

    recipe: Recipe
    results: Mapping[str, Result]

    @property
    def result(self) -> Result | None:
        """The setting's measurement, if there is one."""
        return self.results.get(self.recipe.recipe_id)


@notices.told
def one(also: Mapping[str, str] = MappingProxyType({})) -> Picked | None:
    """Choose a model and one of its measured settings; the address says which. None where the store fails (said).

    `also` is what else the address says: the page's own parameters.

    The choice is the dashboard's one current setting: Explore shows it too, and what was chosen there is shown here.
    The setting need not be measured, when it comes from a link or from Explore.
    """
    view = state.current()
    results, here = measured(view.model), view.recipe.recipe_id
    state.write_link(view, also)
    notices.show_link()
    notices.show_unreadable(unreadable([view.model]))
    words = _words_of(results)
    if here not in words:
        label = _label(results[here]) if here in results else f"{recipe_in_words(view.recipe)} · not measured"
        words = {here: label, **words}
    words = _distinct(words)
    # Another control once it is measured: its label is another one then, and a browser that knows options by their
    # labels would choose the first instead.
    alone = words[here].endswith(_sign(here))
    key = (_RESULT if here in results else f"{_RESULT}_waiting") + ("_distinct" if alone else "")
    state.place(key, here)
    left, right = st.columns([1, 3], gap="medium")
    with left:
        model_card.choose(view)
    with right:
        st.selectbox(
            "Setting",
            list(words),
            index=list(words).index(st.session_state[key]) if st.session_state[key] in words else 0,
            format_func=lambda name: words.get(name, name),
            key=key,
            help=f"Measured settings of this model, smallest stored file first.{_left_out(words, results)}",
            on_change=_chosen,
            args=(key,),
        )
    return Picked(view.recipe, results)


def _chosen(key: str) -> None:
    """The view follows, here and on Explore."""
    view = state.current()
    result = measured(view.model).get(st.session_state.get(key, ""))
    if result is not None:
        state.show(view_of(result.parsed_recipe, view))


@notices.told
def several(also: Mapping[str, str] = MappingProxyType({})) -> tuple[Result, ...]:
    """Choose measured settings, of one model or of several on the same data; the address says which.

    Comes with the baseline and the current setting. Returns those that are measured, in the order chosen; what is not
    is being measured, which is shown. `also` is what else the address says: the page's own parameters.
    """
    if "recipes" in st.query_params and not menu.has_arrived():
        _open_link(st.query_params["recipes"])
    menu.arrive()
    if problem := st.session_state.get(_PROBLEM):
        notices.show_problem(f"This link cannot be opened. {problem}")
    usual = (state.last() or View()).recipe
    chosen: tuple[Recipe, ...] = st.session_state.setdefault(_SEVERAL, tuple(dict.fromkeys((usual.baseline(), usual))))
    subject = subject_of((*chosen, usual)[0].model)
    score.judge_by(subject.data.has_labels)
    on_same_data = subject.teachers
    known = {name: result for model in on_same_data for name, result in measured(model).items()}
    notices.show_unreadable(unreadable(on_same_data))
    by_id = {recipe.recipe_id: recipe for recipe in chosen}
    missing = [recipe for name, recipe in by_id.items() if name not in known]
    words = _words_of(known)
    for name, recipe in by_id.items():  # those that are not measured yet, or left out of a long list
        unknown = f"{model_title(recipe.model)}: {recipe_in_words(recipe)}"
        words.setdefault(name, _label(known[name], with_model=True) if name in known else unknown)
    words = _distinct(words)
    key = _several_key((*(recipe.recipe_id for recipe in missing), *(words[name] for name in by_id)))
    if key not in st.session_state:
        st.session_state[key] = list(by_id)
    shown = [name for name in st.session_state[key] if name in words]
    st.multiselect(
        f"Settings to compare (up to {AT_MOST})",
        list(words),
        default=shown,
        format_func=lambda name: words.get(name, name),
        key=key,
        max_selections=AT_MOST,
        placeholder="Choose measured settings",
        help=f"Measured settings of all models on the same images.{_left_out(words, known)}",
        on_change=_several_chosen,
        args=(key, by_id, known),
    )
    menu.write_address(({"recipes": text_of(chosen)} if chosen else {}) | dict(also))
    waiting.measure(missing, _GROUP, key="several")
    return tuple(known[name] for name in by_id if name in known)


def choose_several(recipes: Sequence[Recipe]) -> None:
    """Put these settings side by side; only before `several` is drawn, or in a callback."""
    st.session_state[_SEVERAL] = tuple(dict.fromkeys(recipes))
    st.session_state.pop(_PROBLEM, None)
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1


def _several_key(signs: tuple[str, ...]) -> str:
    """The control's key: another one when its labels change, which depend on `signs`, or what is chosen from outside.

    A browser knows options by their labels, and takes away one that is called otherwise now, such as a setting that
    was measured meanwhile.
    """
    if st.session_state.get(_SIGNS) != signs:
        st.session_state[_SIGNS] = signs
        st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1
    return f"{_SEVERAL_KEY}_{st.session_state[_TURN]}"


def measured(model: str) -> dict[str, Result]:
    """All comparable results of a model by recipe_id."""
    return {result.recipe_id: result for result in desk.store().results(model)}


def unreadable(models: Iterable[str]) -> list[str]:
    """The recipe_ids of results of these models whose rows are damaged."""
    store = desk.store()
    return [row.recipe_id for model in models for row in store.unreadable(model)]


def _open_link(text: str) -> None:
    st.session_state.pop(_PROBLEM, None)
    try:
        recipes = recipes_from(text, "recipes", AT_MOST)
        _check_same_data(recipes)
        choose_several(recipes)
    except CompressionError as error:
        st.session_state[_PROBLEM] = str(error)


def _check_same_data(recipes: Sequence[Recipe]) -> None:
    for recipe in recipes[1:]:
        first, other = subject_of(recipes[0].model), subject_of(recipe.model)
        if other.name not in first.teachers:
            raise InvalidRecipe(
                f"{first.title} and {other.title} are measured on different images, so their "
                "numbers cannot be compared. Choose settings of models on the same data."
            )


def _several_chosen(key: str, before: Mapping[str, Recipe], known: Mapping[str, Result]) -> None:
    if key not in st.session_state:
        return
    names = [name for name in dict.fromkeys(st.session_state[key]) if name in before or name in known]
    st.session_state[_SEVERAL] = tuple(before[name] if name in before else known[name].parsed_recipe for name in names)
    st.session_state.pop(_PROBLEM, None)


def labels(results: Mapping[str, Result], always: Sequence[Recipe] = ()) -> dict[str, str]:
    """What can be chosen by recipe_id, smallest stored file first; of `always` those that are measured too."""
    also = {one.recipe_id: _label(results[one.recipe_id]) for one in always if one.recipe_id in results}
    return _distinct(_words_of(results) | also)


def _distinct(words: Mapping[str, str]) -> dict[str, str]:
    """No label twice: a browser tells options apart by them."""
    often = Counter(words.values())
    return {name: label + _sign(name) if often[label] > 1 else label for name, label in words.items()}


def _sign(recipe_id: str) -> str:
    return f" · {recipe_id[:6]}"


def _words_of(results: Mapping[str, Result]) -> dict[str, str]:
    """What can be chosen, smallest stored file first, with sizes and accuracy."""
    offered = sorted(_offered(results), key=lambda result: result.stored_bytes)
    several_models = len({result.model for result in offered}) > 1
    return {result.recipe_id: _label(result, with_model=several_models) for result in offered}


def _offered(results: Mapping[str, Result]) -> list[Result]:
    every = list(results.values())
    if len(every) <= MAX_OFFERED:
        return every
    front = pareto_front([result.stored_bytes for result in every], [result.accuracy for result in every])
    best = {every[index].recipe_id: every[index] for index in front}
    baselines = {result.recipe_id: result for result in every if result.is_baseline}
    latest = {result.recipe_id: result for result in every[-(MAX_OFFERED - len(best)) :]}
    return list((best | baselines | latest).values())


def _left_out(words: Mapping[str, str], results: Mapping[str, Result]) -> str:
    if len(words) >= len(results):
        return ""
    return f" Of {len(results):,} you see the {len(words):,} that nothing beats or that came last."


def _label(result: Result, *, with_model: bool = False) -> str:
    decimals = units.decimals_for(result.n_test)
    model = f"{model_title(result.model)}: " if with_model else ""
    accuracy = units.percent(result.accuracy, decimals)
    return f"{model}{result.words} · {units.size(result.stored_bytes)} · {accuracy} %"


def is_waiting() -> bool:
    """Whether `several` was asked for more than one setting, and any of them is being measured."""
    wanted = st.session_state.get(_SEVERAL, ())
    return len(wanted) > 1 and waiting.is_under_way(wanted, _GROUP)
