"""What a chapter of the course is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from compression.explain.quiz import Question
from compression.models.layers import LayerInfo
from compression.models.subject import Subject, all_subjects
from compression.recipe.recipe import Recipe, make_recipe


@dataclass(frozen=True)
class Lesson:
    """The network and the layer that a student looks at."""

    subject: Subject
    layer: LayerInfo

    @property
    def model(self) -> str:
        """The network's name."""
        return self.subject.name

    def recipe(self, *steps: dict[str, Any], seed: int = 0) -> Recipe:
        """The model with these steps, or as it is."""
        return make_recipe(self.model, list(steps), seed)


@dataclass(frozen=True)
class Chapter:
    """One lesson: two paragraphs and papers (markdown), and a picture.

    `show` draws the controls and the picture, and returns the question about the setting that the controls say, or
    None where they say nothing to ask about. `name` stands in addresses. `needs` and `layers` say which models and
    layers the chapter can be about; with `uses_layer` a student chooses one.
    """

    name: str
    title: str
    icon: str
    paragraphs: tuple[str, str]
    papers: tuple[str, ...]
    show: Callable[[Lesson], Question | None]
    uses_layer: bool = True
    needs: Callable[[Subject], bool] = lambda subject: True
    layers: Callable[[Subject], Sequence[LayerInfo]] = lambda subject: subject.layers

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that it can be about."""
        return tuple(one.name for one in all_subjects() if self.needs(one) and self.layers(one))
