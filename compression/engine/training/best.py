"""What a training ends with: the network it was given, a checkpoint, or the average of the last ones."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from compression.engine.network.form import ending_in_logits
from compression.engine.primitives.batch_norm import recalibrate
from compression.engine.training.speed import FEWEST_STEPS
from compression.models.data import Dataset, Split
from compression.recipe.budgets import BATCH_SIZE, FORWARD_COST
from compression.results.record import Kept, Training
from compression.results.significance import Z_95
from compression.watch import SILENT, Watch

STATISTICS_IMAGES = 512
"""Training images, as they are, on which batch norms are measured anew before a network is judged. What training leaves
there is a moving average over the last dozen batches of shifted and turned images: on Fashion-MNIST that alone cost
ResNet-20 a point of accuracy and more."""

JUDGED_AT_ONCE = 250
"""Images; as many are evaluated together."""

WAIT = 4
"""A network is looked at when at least this many times the steps were made that would have taken as long as a look."""

PATIENCE = 1.25
"""And when there were a quarter more steps than at the last look: much changes at first, then less and less."""

RECENT = 8
"""The average leans towards the last weights: those after step t get the weight (RECENT + 1) / (t + RECENT)
(polynomial-decay averaging; Shamir and Zhang, 2013). Half of it are the last twelfth of all steps, however many."""


@dataclass(frozen=True)
class Scores:
    """How a network does on some images, each N: whether it is `right`, and the cross entropy with the label (nats).

    The loss tells networks apart that get the same images right.
    """

    right: NDArray[np.bool_]
    losses: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """0..1."""
        return float(self.right.mean())

    @property
    def loss(self) -> float:
        """Mean over the images."""
        return float(self.losses.mean())


def scores(model: nn.Module, split: Split, device: torch.device, watch: Watch = SILENT) -> Scores:
    """Judge a network in evaluation mode on the images of `split`."""
    right, losses = [], []
    answering = ending_in_logits(model)
    with torch.no_grad():
        for x, y in split.batches(JUDGED_AT_ONCE):
            watch.check()
            labels = torch.from_numpy(np.array(y)).to(device)
            logits = answering(torch.from_numpy(x).to(device)).float()
            right.append((logits.argmax(1) == labels).cpu().numpy())
            losses.append(functional.cross_entropy(logits, labels, reduction="none").double().cpu().numpy())
    return Scores(np.concatenate(right), np.concatenate(losses))


def is_better(new: Scores, old: Scores) -> bool:
    """Whether the same images show that one network is better than another, and not only luckier.

    It must get as many right or more, and there must be evidence: in a paired test at 95 % its loss is lower, or more
    images turned right than wrong. On some hundred images a few always turn either way.
    """
    gained = new.right.astype(float) - old.right
    return gained.sum() >= 0 and (_is_positive(gained) or _is_positive(old.losses - new.losses))


def _is_positive(differences: NDArray[np.float64]) -> bool:
    """Whether the mean of paired differences is above zero by a one-sided test of 97.5 %."""
    spread = float(differences.std()) / math.sqrt(len(differences))
    return float(differences.mean()) > Z_95 * spread


State = dict[str, Tensor]


@dataclass(frozen=True)
class _Candidate:
    kept: Kept
    step: int
    scores: Scores
    state: State


def _follows(new: _Candidate, best: _Candidate) -> bool:
    """Whether a network takes the place of the best one so far."""
    if is_better(new.scores, best.scores):
        return True
    return (
        best.kept != "untrained" and new.scores.accuracy >= best.scores.accuracy and new.scores.loss <= best.scores.loss
    )


class Best:
    """The best of a network that trains, on the validation images, which neither training nor the test ever sees.

    Candidates are the network as it was given, and, each time it is looked at, its weights and the average of those
    of the last steps, both with batch norms measured anew. The given network gives way only to one that `is_better`: of
    many looks at some hundred images the lowest loss would often be the luckiest. From then on it is enough to be as
    good or better in both, accuracy and loss: what was trained longer is expected to be. Looks come after numbers of
    steps that do not depend on how many are to follow, and at the end.

    `look` belongs after every step, and before the first; `settle` at the end puts the best in the model.
    Steps before `since` lead to no candidate; with `since` above 0, or `from_scratch`, the given network is none.
    """

    def __init__(
        self,
        model: nn.Module,
        dataset: Dataset,
        steps: int,
        device: torch.device,
        *,
        since: int,
        from_scratch: bool,
        watch: Watch,
    ) -> None:
        self._model, self._validation, self._steps, self._since = model, dataset.validation, steps, since
        self._from_scratch, self._device, self._watch = from_scratch, device, watch
        self._sample = torch.from_numpy(dataset.train.head(STATISTICS_IMAGES).x)
        self._wait = math.ceil(WAIT * 2 * FORWARD_COST * (len(self._validation) + len(self._sample)) / BATCH_SIZE)
        self._next = since + self._wait
        self._best: _Candidate | None = None
        self._average: list[Tensor] = []
        self._points: list[tuple[int, float]] = []
        self._done = 0

    def look(self, step: int, is_last: bool) -> None:
        """After step number `step` of the optimizer; 0 is before the first."""
        self._done = step
        if step < self._since:
            return
        if step == 0:
            with self._evaluated():
                given = self._candidate("untrained")
            self._show(given.scores)
            self._best = None if self._from_scratch else given
            return
        self._follow()
        if is_last or step >= self._next:
            self._judge()
            self._next = max(step + self._wait, math.ceil(step * PATIENCE))

    def may_end(self, step: int) -> bool:
        """Whether the training may be ended after this step: not at its start, nor where only all of it is of use."""
        return self._since == 0 and FEWEST_STEPS <= step < self._steps

    def settle(self) -> Training:
        """Put the best network into the model, and say which it is."""
        chosen = self._best
        assert chosen is not None
        self._model.load_state_dict(chosen.state)
        return Training(
            kept=chosen.kept,
            kept_at=chosen.step,
            steps=self._done,
            planned=self._steps,
            n_validation=len(self._validation),
            points=tuple(self._points),
        )

    def _follow(self) -> None:
        """Take the last step's weights into the average."""
        weights = [parameter.detach() for parameter in self._model.parameters()]
        if not self._average:
            self._average = [weight.clone() for weight in weights]
            return
        share = (RECENT + 1) / (self._done - self._since + RECENT)
        torch._foreach_lerp_(self._average, weights, share)

    def _judge(self) -> None:
        """Judge the weights as they are, and their average; training goes on from what it had."""
        before, sample = _state_of(self._model), self._sample.to(self._device)
        with self._evaluated():
            recalibrate(self._model, sample, self._watch)
            weights = self._candidate("checkpoint")
            with torch.no_grad():
                torch._foreach_copy_(list(self._model.parameters()), self._average)
            recalibrate(self._model, sample, self._watch)
            average = self._candidate("average")
        self._model.load_state_dict(before)
        for candidate in (average, weights):
            if self._best is None or _follows(candidate, self._best):
                self._best = candidate
        self._show(min(average, weights, key=lambda one: one.scores.loss).scores)

    def _candidate(self, kept: Kept) -> _Candidate:
        found = scores(self._model, self._validation, self._device, self._watch)
        return _Candidate(kept, self._done, found, _state_of(self._model))

    def _show(self, found: Scores) -> None:
        self._points.append((self._done, found.accuracy))
        self._watch.learned(self._points, self._steps, may_end=self.may_end(self._done))

    @contextlib.contextmanager
    def _evaluated(self) -> Iterator[None]:
        """Inside, batch norms use their statistics, and nothing is dropped."""
        self._model.eval()
        try:
            yield
        finally:
            self._model.train()


def _state_of(model: nn.Module) -> State:
    return {name: value.clone() for name, value in model.state_dict().items()}
