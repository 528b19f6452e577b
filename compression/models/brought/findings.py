"""What is found out about a network that a person brought, before anything is compressed. Torch-free."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from compression.units import share

_ALL = 0.995
"""From here on a share is said to be 100 %."""


class Finding(BaseModel):
    """Plain data that does not change."""

    model_config = ConfigDict(frozen=True)


class Tried(Finding):
    """How many of `n` images are classified right when they are prepared so, in `words`; none is a test image.

    `preprocessing` and `outputs` are what the card would say: see `compression.models.brought.own`.
    """

    words: str
    correct: int
    n: int
    preprocessing: dict[str, Any]
    outputs: tuple[int, ...]

    @property
    def accuracy(self) -> float:
        """0..1."""
        return self.correct / self.n


class TechniqueCheck(Finding):
    """Whether a technique works on the network, tried with a usual setting: `problem` says why not, '' if it does.

    `reached` counts those of its layers that changed, and `stored_ratio` is the original's stored file over the new
    one. `on_integers` is the share of its multiplications for which the runtime has integer kernels here. `left` says
    of each layer that stayed as it was why that is, as far as that is known.
    """

    technique: str
    seconds: float
    problem: str = ""
    reached: int = 0
    stored_ratio: float | None = None
    on_integers: float | None = None
    left: dict[str, str] = {}


class EntryCheck(Finding):
    """All that was found.

    `largest_difference` is that of our graph's answers from those of the network as given, on `n_compared` real images,
    over the largest answer; below `tolerance` it is the same network. `given` is how the images were prepared as the
    network's publisher or the person says, `tried` what else was. `chance` is how often guessing the most common class
    is right. Without labels nothing is right or wrong: `given` is None.
    """

    against: str
    largest_difference: float
    tolerance: float
    n_compared: int
    layers: int
    chance: float = 0.0
    given: Tried | None = None
    tried: tuple[Tried, ...] = ()
    is_near_chance: bool = False
    better: Tried | None = None
    techniques: tuple[TechniqueCheck, ...] = ()
    seconds_a_point: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The findings as sentences, the most important first."""
        last = self._equal_words(), self._kernel_words(), self._time_words()
        return tuple(filter(None, (self._accuracy_words(), *self.notes, *last)))

    def _accuracy_words(self) -> str:
        if self.given is None:
            return "The images have no labels: what counts is how often a compressed network agrees with this one."
        said = f"As given, {share(self.given.accuracy, 1)} of {self.given.n:,} images are right"
        if self.is_near_chance:
            said += f", about as many as guessing would be ({share(self.chance, 1)})"
        if self.better:
            return f"{said}; with {self.better.words} {share(self.better.accuracy, 1)}. Use that?"
        return f"{said}." + (" No other preparation of the images explains that." if self.is_near_chance else "")

    def _equal_words(self) -> str:
        far = (
            f"differ by at most {self.largest_difference:.0e} of the largest"
            if self.largest_difference
            else "are equal"
        )
        return (
            f"Our graph is the same network as {self.against}: on {self.n_compared} images the answers {far} (up to "
            f"{self.tolerance:g} would be the same)."
        )

    def _kernel_words(self) -> str:
        most = max((row.on_integers for row in self.techniques if row.on_integers is not None), default=None)
        if most is None:
            return ""
        rest = "" if most > _ALL else ": the rest stays in float, and becomes smaller but not faster"
        return f"In 8 bits, {share(most, 0)} of its multiplications run on integer kernels of the runtime{rest}."

    def _time_words(self) -> str:
        return f"Without training, one setting takes about {max(1, round(self.seconds_a_point))} s here."
