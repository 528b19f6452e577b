"""Which recipe to measure next: Optuna's samplers, neighbours of the best, and a model of what both would bring.

Torch-free. Each time, recipes are drawn from three sources: knobs moved a little from what nothing measured beats,
crossings of two such recipes, and Optuna's tree-structured Parzen estimator (Ozaki et al., 2022), in whose study all
that is known stands. Of these, the one is measured that a Gaussian process expects to gain most for its time: of what
the limits allow, or of the hypervolume (Emmerich et al., 2006). Training is a knob like others that costs time, so
that it is given to those which are worth it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.errors import CompressionError
from compression.inquiries.layer_tables import Tables
from compression.models.subject import Subject
from compression.recipe.recipe import Recipe
from compression.results.metrics import METRICS
from compression.results.record import Result
from compression.results.significance import Z_95
from compression.search import front
from compression.search.front import LEAST
from compression.search.limits import LIMITS, NO_LIMITS, Limits, Target, gained_of
from compression.search.space import Position, Space
from compression.search.surrogate import Surrogate

MOVED, CROSSED, STRANGE, FROM_OPTUNA = 60, 20, 12, 2
"""Candidates of each kind for one choice; asking Optuna takes longest."""
DRAWS = 12
"""Of what a candidate may bring, from the process: enough to rank a hundred."""
LIKELY = 9
"""First guesses that are tried where there are limits."""
ROUNDS, CLIMBERS, STEPS_AROUND = 6, 8, 8
"""How often it is looked around at so many of the best candidates, and at how many neighbours of each."""
UNKNOWN = 1e-9
"""What not knowing is worth where nothing is expected to be better: less than any gain."""
OVERHEAD_S = 1.0
"""Of every measurement, whatever it is."""
PATIENCE = 0.6
"""How much a longer measurement counts against a candidate: the power of its seconds."""
WISHED = 0.75
"""Share of the choices that go by the limits, where there are some; the others make the whole front better."""
SURE, PERHAPS = 20.0, 10.0
"""What it is worth to keep to the limits surely, or perhaps: more than all that is wished for."""
AROUND = 0.04
"""Half of a usual interval of the time ratio."""
FLIPPED = 0.003
"""Share of the images whose prediction turns wrong, and of others right, beside what is lost."""
_COSTS = {"stored": "smallest", "ratio": "fastest", "memory": "memory"}


class Campaign:
    """One search: ask what to measure, tell what came out.

    The same seed, asked and told the same, gives the same recipes. With `tables` of the model's layers, zeros and bits
    that these allocate are among what is tried.
    """

    def __init__(
        self,
        subject: Subject,
        limits: Limits = NO_LIMITS,
        target: Target = "accuracy",
        *,
        seed: int = 0,
        tables: Tables | None = None,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna, self.space = optuna, Space(subject, tables)
        self._limits, self._target = limits, target
        self._random = np.random.default_rng(seed)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=20)
        self._study = optuna.create_study(directions=["minimize"] * 3, sampler=sampler)
        integers = optuna.distributions.IntDistribution
        sizes = zip(self.space.names, self.space.sizes, strict=True)
        self._distributions: dict[str, Any] = {name: integers(0, size - 1) for name, size in sizes}
        limited = (LIMITS[field].metric or ("worst" if field == "worst_points" else "lost") for field in limits.asked)
        aimed = [key for key, aim in _COSTS.items() if aim == target]
        extra = [name for name in (*limited, *aimed) if name not in ("latency", "lost", "stored", "ratio")]
        self._surrogate = Surrogate(self.space, ("lost", "stored", "ratio", *dict.fromkeys(extra)), seed)
        self._known: dict[Position, Result] = {}
        self._pending: dict[str, tuple[Position, Any]] = {}  # by recipe_id: the position, and Optuna's trial of it
        self._failed: set[Position] = set()
        self._starters = self._best_guesses()
        self._is_behind, self._is_sorted = True, False
        self._baseline: Result | None = None

    # --- what was measured ---------------------------------------------------------------------------------------

    def take(self, results: Iterable[Result]) -> None:
        """Begin with what was measured before."""
        for result in results:
            self.tell(result)

    def take_over(self, other: Campaign) -> None:
        """Go on where one without tables stands: with what it knows, and what is under way."""
        if other._baseline is not None:
            self.tell(other._baseline)
        self.take(other._known.values())
        for position, _ in other._pending.values():
            here = self.space.position_of(other.space.recipe(position))
            if here is not None and here not in self._taken:
                self._handed_out(here, None)

    @property
    def has_tables(self) -> bool:
        """Whether it knows what each layer alone costs."""
        return "share" in self.space.names

    def tell(self, result: Result) -> None:
        """What a recipe led to; also of one that was not asked for. Told twice it counts once."""
        if result.is_baseline:
            self._baseline = result
        position = self.space.position_of(result.parsed_recipe)
        before, trial = self._pending.pop(result.recipe_id, (None, None))
        position = before or position
        if position is None or position in self._known:
            return
        self._known[position], self._is_behind = result, True
        values = list(map(float, front.goals([result])[0]))
        if trial is None:
            params = dict(zip(self.space.names, position, strict=True))
            self._study.add_trial(
                self._optuna.trial.create_trial(
                    params=params, distributions=self._distributions, values=values, constraints=self._over(result)
                )
            )
        else:
            for field, over in self._over(result).items():
                trial.set_constraint(field, over)
            self._study.tell(trial, values)

    def _over(self, result: Result) -> dict[str, float]:
        """By how much each limit is exceeded, as Optuna wants to know it: above 0 it is, else it is kept."""
        if self._baseline is None:
            return {}
        asked = ((field, *self._allowed(field, most)) for field, most in self._limits.asked.items())
        return {field: _number(result, name) - allowed for field, name, allowed, _ in asked}

    def failed(self, recipe: Recipe) -> None:
        """What was asked for, now or by an earlier campaign, makes no sense for the model or could not be measured."""
        before, trial = self._pending.pop(recipe.recipe_id, (None, None))
        position = before or self.space.position_of(recipe)
        if position is not None:
            self._failed.add(position)
        if trial is not None:
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    @property
    def results(self) -> tuple[Result, ...]:
        """All that was told, oldest first."""
        return tuple(self._known.values())

    @property
    def hypervolume(self) -> float:
        """See `front.hypervolume`; by validation images."""
        return front.hypervolume(front.goals(self.results))

    # --- what to measure -----------------------------------------------------------------------------------------

    def ask(self) -> Recipe | None:
        """What to measure next; None where nothing is left that was not tried."""
        if self._limits.are_set and self._baseline is not None and not self._is_sorted:
            self._starters = self._likeliest(self._starters)
            self._is_sorted = True
        while self._starters:
            position = self._starters.pop(0)
            if position not in self._taken:
                return self._handed_out(position, None)
        return self._chosen()

    @property
    def _taken(self) -> set[Position]:
        """Positions that are measured, under way or known to make no sense."""
        return {*self._known, *self._failed, *(position for position, _ in self._pending.values())}

    def _handed_out(self, position: Position, trial: Any) -> Recipe | None:  # noqa: ANN401 - Optuna's
        try:
            recipe = self.space.recipe(position)
        except CompressionError:
            self._failed.add(position)
            return self.ask()
        if trial is None:
            self._study.enqueue_trial(dict(zip(self.space.names, position, strict=True)))
            trial = self._study.ask(self._distributions)
        self._pending[recipe.recipe_id] = (position, trial)
        return recipe

    def _best_guesses(self) -> list[Position]:
        """Where to begin: the uncompressed model, then mild to strong combinations of what mostly goes together."""
        size = {"bits": 8, "activations": 8}
        found: list[dict[str, Any]] = [
            {},
            size,
            {"bits": 6},
            {"bits": 5, "rate": 0.5},
            {"channels": 30, "spread": "sensitivity", **size},
            {"bits": 4, "mixed": True, "rate": 0.25},
            {"zeros": 70, "criterion": "second_order", "bits": 5, "rate": 0.25},
            {"channels": 50, "spread": "sensitivity", **size},
            {"student": 50, **size},
            {"zeros": 85, "criterion": "second_order", "bits": 4},
            {"channels": 50, "spread": "sensitivity", "bits": 4, "budget": "quick"},
            {"channels": 70, "spread": "sensitivity", "bits": 6, "budget": "quick"},
            {"channels": 80, "spread": "sensitivity", "bits": 8, "activations": 8, "budget": "quick"},
            {"zeros": 93, "criterion": "second_order", "bits": 4, "rate": 0.5, "budget": "quick"},
            {"student": 30, "bits": 6, "activations": 8},
            *({"share": share} for share in (0.18, 0.08)),
            {"share": 0.05, "budget": "quick"},
        ]
        possible = [one for one in found if one.keys() <= set(self.space.names)]
        positions = (self.space.position(values) for values in possible)
        return list(dict.fromkeys(self.space.canonical(one) for one in positions if one is not None))

    def _likeliest(self, starters: list[Position]) -> list[Position]:
        """Those that by the rule of thumb come nearest to the wish, the best first."""
        scores = self._scores(self._surrogate.prior(starters))
        return [starters[n] for n in np.argsort(-scores, kind="stable")[:LIKELY]]

    def _chosen(self) -> Recipe | None:
        """The candidate that is expected to gain most for its time."""
        if self._is_behind:
            self._learn()
        candidates, trials = self._candidates()
        if not candidates:
            return None
        best = self._climbed(candidates)
        for position, trial in trials.items():
            if position != best:
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        return self._handed_out(best, trials.get(best))

    def _climbed(self, candidates: list[Position]) -> Position:
        """The best of these and of what lies around the best of them, a few times over."""
        by_limits = self._limits.are_set and bool(self._random.random() < WISHED)
        dice = self._random.standard_normal((DRAWS, 1, len(self._surrogate.names)))  # the same for all: they compare
        found: dict[Position, float] = {}
        for _ in range(ROUNDS):
            found |= dict(zip(candidates, self._worth(candidates, dice, by_limits=by_limits), strict=True))
            best = sorted(found, key=lambda position: -found[position])[:CLIMBERS]
            around = (self.space.canonical(self._moved(one)) for one in best for _ in range(STEPS_AROUND))
            candidates = [one for one in dict.fromkeys(around) if one not in found and one not in self._taken]
            if not candidates:
                break
        return max(found, key=lambda position: found[position])

    def _candidates(self) -> tuple[list[Position], dict[Position, Any]]:
        """Positions that are new, and Optuna's trials of those that it proposed."""
        trials: dict[Position, Any] = {}
        for _ in range(FROM_OPTUNA):
            trial = self._study.ask(self._distributions)
            position = self.space.canonical(tuple(trial.params[name] for name in self.space.names))
            if position in trials or position in self._taken:
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            else:
                trials[position] = trial
        parents = self._parents()
        drawn = [self._strange() for _ in range(STRANGE)]
        if parents:
            drawn += [self._moved(self._pick(parents)) for _ in range(MOVED)]
            drawn += [self._crossed(self._pick(parents), self._pick(parents)) for _ in range(CROSSED)]
        fresh = dict.fromkeys(map(self.space.canonical, drawn))
        return [*trials, *(one for one in fresh if one not in self._taken and one not in trials)], trials

    def _parents(self) -> list[Position]:
        """What is looked around at: the front, and what comes nearest to the wish."""
        points = front.goals(self.results)
        on_front = np.flatnonzero(front.nondominated(points))
        known = list(self._known)
        if not self._limits.are_set:
            return [known[n] for n in on_front]
        scores = self._scores(self._numbers())
        return [known[n] for n in [*on_front, *np.argsort(-scores)[:8].repeat(3)]]

    def _pick(self, positions: Sequence[Position]) -> Position:
        return positions[int(self._random.integers(len(positions)))]

    def _strange(self) -> Position:
        return tuple(int(self._random.integers(size)) for size in self.space.sizes)

    def _moved(self, position: Position) -> Position:
        """One to three knobs somewhere else, mostly near by."""
        found = list(position)
        for knob in self._random.choice(len(found), size=1 + int(self._random.integers(3)), replace=False):
            size = self.space.sizes[knob]
            step = int(self._random.choice([-2, -1, -1, 1, 1, 2]))
            away = int(self._random.integers(size)) if self._random.random() < 0.25 else found[knob] + step
            found[knob] = min(size - 1, max(0, away))
        return tuple(found)

    def _crossed(self, one: Position, other: Position) -> Position:
        """Each knob as in one of the two."""
        return tuple(pair[int(self._random.integers(2))] for pair in zip(one, other, strict=True))

    # --- what it would bring --------------------------------------------------------------------------------------

    def _learn(self) -> None:
        self._surrogate.learn(list(self._known), self._numbers())
        self._is_behind = False

    def _numbers(self) -> NDArray[np.float64]:
        """Of all that is known: a row a result, the surrogate's names in columns, as logarithms."""
        return np.array([[_number(result, name) for name in self._surrogate.names] for result in self.results])

    def _worth(self, candidates: list[Position], dice: NDArray[np.float64], *, by_limits: bool) -> NDArray[np.float64]:
        """Expected gain for the time that measuring takes; `dice` are what is drawn of each number."""
        means, deviations = self._surrogate.predict(candidates)
        draws = means + deviations * dice
        gained = self._gains_by_limits(draws) if by_limits else self._gains_of_front(draws)
        if gained.max() <= 0:  # nothing better is expected: look where least is known
            gained = UNKNOWN * deviations[:, 0]
        seconds = np.array([self.space.training_seconds(one) for one in candidates]) + self._usual_seconds()
        found: NDArray[np.float64] = gained / (seconds + OVERHEAD_S) ** PATIENCE
        return found

    def _usual_seconds(self) -> float:
        """Of a measurement without its training."""
        taken = [result.seconds for result in self.results if not result.trainings]
        return float(np.median(taken)) if taken else OVERHEAD_S

    def _gains_of_front(self, draws: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each candidate adds to the hypervolume, with what is under way as it is expected."""
        points = front.goals(self.results)
        pending = [position for position, _ in self._pending.values()]
        if pending:
            means, _ = self._surrogate.predict(pending)
            points = np.vstack([points, _goals(means)])
        best = points[front.nondominated(points)]
        found: NDArray[np.float64] = np.mean([front.gains(_goals(draw), best) for draw in draws], axis=0)
        return found

    def _gains_by_limits(self, draws: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how much each candidate is better than the best so far, within the limits."""
        best = float(self._scores(self._numbers()).max(initial=-math.inf))
        gained = [np.maximum(0.0, self._scores(draw) - best) for draw in draws]
        found: NDArray[np.float64] = np.mean(gained, axis=0)
        return found

    def _scores(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """The more, the better: beyond limits by how much (below 0), within them what is wished for."""
        if self._baseline is None or not len(numbers):
            return np.zeros(len(numbers))
        over, unsure = np.zeros(len(numbers)), np.zeros(len(numbers))
        for field, most in self._limits.asked.items():
            name, allowed, safe = self._allowed(field, most)
            at = numbers[:, self._surrogate.names.index(name)]
            over += np.maximum(0.0, at - allowed)
            unsure += np.maximum(0.0, at - safe)
        aim = {"accuracy": "lost", "smallest": "stored", "fastest": "ratio", "memory": "memory"}[self._target]
        aimed = numbers[:, self._surrogate.names.index(aim)]
        return np.where(over > 0, -over, np.where(unsure > 0, PERHAPS, SURE) - aimed)

    def _allowed(self, field: str, most: float) -> tuple[str, float, float]:
        """The number that a limit is on, the most it may be, and up to where its interval keeps to it; logarithms."""
        limit, baseline = LIMITS[field], self._baseline
        assert baseline is not None
        if not limit.metric:
            name = "worst" if field == "worst_points" else "lost"
            allowed, safe = (math.log(lost + LEAST) for lost in (limit.one * most, self._safe_loss(limit.one * most)))
            return name, allowed, safe
        if limit.metric in ("ratio", "latency"):
            whole = baseline.latency_p50_ms if limit.metric == "latency" else 1.0
            return "ratio", math.log(most / whole), math.log(most / whole / (1 + AROUND))
        whole = METRICS[limit.metric].read(baseline) or 1.0
        at = math.log(limit.one * most / whole)
        return limit.metric, at, at

    def _safe_loss(self, most: float) -> float:
        """The loss on validation images whose paired interval just ends at `most`; that itself if there is none."""
        assert self._baseline is not None
        n = self._baseline.choosing.n
        losses = np.linspace(0.0, most, 200)
        ends = losses + Z_95 * np.sqrt((losses + FLIPPED) / n)
        return float(losses[ends <= most].max(initial=0.0)) if ends[0] <= most else most


def _number(result: Result, name: str) -> float:
    """One of the surrogate's numbers, measured."""
    if name in ("lost", "worst"):
        gained = gained_of(result, "worst_points" if name == "worst" else "drop_points")
        return math.log(max(0.0, -gained.at if gained else 0.0) + LEAST)
    if name == "ratio":
        return 0.0 if result.is_baseline else math.log(result.latency_ratio)
    metric = METRICS[name]
    now, before = metric.read(result), metric.read(result.baseline)
    return math.log(now / before) if now and before else 0.0


def _goals(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The three goals of rows of the surrogate's numbers."""
    rows = np.exp(numbers[:, :3])
    return np.array([front.goals_of(lost - LEAST, size, time) for lost, size, time in rows]).reshape(-1, 3)
