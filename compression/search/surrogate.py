"""What positions of a space would bring, learned from those that were measured. Torch-free.

A Gaussian process for each number (Rasmussen and Williams, 2006; that of scikit-learn) on what is left when the prior
of `priors` is taken away: so the first guesses are those of a rule of thumb, and it takes few measurements to correct
them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.search.front import LEAST
from compression.search.space import Position, Space

Rows = NDArray[np.float64]

GROWTH = 1.4
"""So much more must be known before the processes' scales are fitted anew: that takes a second, a prediction none."""
MOST = 400
"""Measurements that are learned from: the latest. A process takes the cube of them."""
TRAINED = 1.5
"""How far, in lengths of a knob, trained networks are from untrained ones."""


class Surrogate:
    """Means and standard deviations of logarithms: of the accuracy lost (plus `LEAST`), and of costs' shares."""

    def __init__(self, space: Space, names: Sequence[str], seed: int) -> None:
        self._space, self.names, self._seed = space, tuple(names), seed
        self._models: list[Any] = []
        self._fitted_on = 0
        self._shift = np.zeros(len(self.names))

    def features(self, positions: Sequence[Position]) -> Rows:
        """One row a position, each knob from 0 to 1."""
        scale = np.array([max(1, size - 1) for size in self._space.sizes], dtype=np.float64)
        rows = np.array(positions, dtype=np.float64).reshape(-1, len(scale)) / scale
        budget = self._space.names.index("budget")
        rows[:, budget] *= TRAINED
        return rows

    def prior(self, positions: Sequence[Position]) -> Rows:
        """The rule of thumb; costs that it does not know go with the stored bytes."""
        found = []
        for position in positions:
            effect = self._space.prior(position)
            known = {
                "lost": math.log(max(0.0, -effect.accuracy_change) + LEAST),
                "worst": math.log(max(0.0, -2 * effect.accuracy_change) + LEAST),
                "ratio": math.log(effect.latency_factor),
            }
            found.append([known.get(name, math.log(effect.size_factor)) for name in self.names])
        return np.array(found, dtype=np.float64).reshape(-1, len(self.names))

    def learn(self, positions: Sequence[Position], numbers: Rows) -> None:
        """Take these measurements for all that is known; `numbers` has a row for each position."""
        positions, numbers = list(positions)[-MOST:], numbers[-MOST:]
        if len(positions) < 2:
            return
        rest = numbers - self.prior(positions)
        self._shift = np.median(rest, axis=0)
        x = self.features(positions)
        anew = len(positions) >= GROWTH * self._fitted_on
        kernels = [self._kernel() if anew else model.kernel_ for model in self._models or [None] * len(self.names)]
        if not self._models:
            kernels = [self._kernel() for _ in self.names]
        self._models = [
            self._fit(kernel, x, rest[:, n] - self._shift[n], anew=anew) for n, kernel in enumerate(kernels)
        ]
        self._fitted_on = len(positions) if anew else self._fitted_on

    def _kernel(self) -> Any:  # noqa: ANN401 - of scikit-learn, which is slow to import
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        lengths = np.full(len(self._space.knobs), 0.7)
        smooth = ConstantKernel(0.5, (0.01, 20.0)) * RBF(lengths, (0.15, 10.0))
        return smooth + WhiteKernel(0.01, (1e-4, 0.5))

    def _fit(self, kernel: Any, x: Rows, y: NDArray[np.float64], *, anew: bool) -> Any:  # noqa: ANN401
        from sklearn.gaussian_process import GaussianProcessRegressor

        model = GaussianProcessRegressor(kernel, optimizer="fmin_l_bfgs_b" if anew else None, random_state=self._seed)
        with warnings.catch_warnings(action="ignore"):  # that a scale is at the end of its range
            return model.fit(x, y)

    def predict(self, positions: Sequence[Position]) -> tuple[Rows, Rows]:
        """Means and standard deviations, a row for each position."""
        means = self.prior(positions) + self._shift
        if not self._models:
            return means, np.full_like(means, 0.6)
        x = self.features(positions)
        found = [model.predict(x, return_std=True) for model in self._models]
        return means + np.stack([mean for mean, _ in found], 1), np.stack([std for _, std in found], 1)
