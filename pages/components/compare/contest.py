"""What a comparison is about: the results with their letters, what they answer to each test image, and the names."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

from compression.charts.palette import contenders
from compression.errors import CompressionError
from compression.explain import comparison
from compression.explain.comparison import Contender, Pair
from compression.inquiries.outcomes import OutcomeInquiry, Outcomes
from compression.models.subject import model_title, subject_of
from compression.recipe.recipe import Recipe
from compression.results import predictions
from compression.results.predictions import Answers
from compression.results.record import Result
from pages.components.asking import desk, pick, waiting
from pages.components.shown import elements


@dataclass(frozen=True)
class Contest:
    """The contenders, and by letter what they answer; None until that is found out."""

    contenders: tuple[Contender, ...]
    answers: Mapping[str, Answers] | None

    @property
    def reference(self) -> Contender:
        """What the others are compared with: A."""
        return self.contenders[0]

    @property
    def others(self) -> tuple[Contender, ...]:
        """All but the first."""
        return self.contenders[1:]

    @property
    def has_models(self) -> bool:
        """Whether there are several models among them."""
        return len({contender.result.model for contender in self.contenders}) > 1

    def pair(self, contender: Contender) -> Pair:
        """How one of the others differs from the reference on the test images."""
        if self.answers is None:
            known = comparison.known_difference(contender.result, self.reference.result)
            return Pair(known, contender.result.changed_predictions if known else None)
        mine, first = self.answers[contender.letter], self.answers[self.reference.letter]
        return Pair(predictions.paired(mine, first), int((mine.predictions != first.predictions).sum()))

    def name(self, contender: Contender) -> str:
        """Its recipe in words, with the model where there are several."""
        model = f"{model_title(contender.result.model)}: " if self.has_models else ""
        return f"{model}{contender.result.words}"


def hold(results: Sequence[Result]) -> Contest:
    """Ask what each result answers; a bar shows how far that is."""
    found = contenders(results)
    answers = ask_answers([result.parsed_recipe for result in results], key="outcomes")
    if answers is None:
        return Contest(found, None)
    return Contest(found, {contender.letter: answer for contender, answer in zip(found, answers, strict=True)})


def ask_answers(recipes: Sequence[Recipe], *, key: str) -> list[Answers] | None:
    """What the networks of these recipes answer; None until that is found out, which a bar shows."""
    outcomes = waiting.ask_all([OutcomeInquiry(recipe=recipe) for recipe in recipes], Outcomes, key=key)
    if outcomes is None:
        return None
    return [_answers(recipe, outcome) for recipe, outcome in zip(recipes, outcomes, strict=True)]


def _answers(recipe: Recipe, outcome: Outcomes) -> Answers:
    result = desk.store().result(recipe)
    name = result.artifacts.get("predictions") if result else None
    kept = None
    with contextlib.suppress(CompressionError):  # a file that is damaged can be done without, as one that is lost
        kept = elements.artifact(name) if name else None
    return predictions.answers(outcome.probabilities, outcome.labels, kept)


def class_names(model: str, n_classes: int) -> tuple[str, ...]:
    """As the model's data has them, else numbers."""
    names = subject_of(model).data.classes
    return names if len(names) == n_classes else tuple(map(str, range(n_classes)))


def choose_reference(contest: Contest) -> None:
    """Which of them the others are compared with: it becomes A."""
    names = [contender.result.recipe_id for contender in contest.contenders]
    words = {name: contest.name(contender) for name, contender in zip(names, contest.contenders, strict=True)}
    key = f"compare_reference_{'_'.join(names)}"  # another choice is another control

    def lead() -> None:
        ordered = sorted(contest.contenders, key=lambda contender: contender.result.recipe_id != st.session_state[key])
        pick.choose_several([contender.result.parsed_recipe for contender in ordered])

    st.selectbox(
        "Compared with (A)",
        names,
        format_func=words.__getitem__,
        key=key,
        help="All differences on this page are to this one.",
        on_change=lead,
        width=560,
    )


def badge(contender: Contender, size: float = 1.5) -> str:
    """The letter in its colour (HTML)."""
    style = (
        f"display:inline-flex;align-items:center;justify-content:center;width:{size}rem;height:{size}rem;flex:none;"
        f"border-radius:50%;background:{contender.colour};color:#fff;font-weight:700;font-size:{0.6 * size}rem"
    )
    return f'<span style="{style}">{escape(contender.letter)}</span>'
