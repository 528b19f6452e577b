"""How likely each code is: a guess from its context, corrected by what was counted so far.

A code is a *token*, and, for magnitudes from 8 on, lower bits that are as good as even. Tokens are the leaves of a
tree of decisions (*nodes*): is it zero, its sign, is its magnitude at least 2, 4, 8, ... (Exp-Golomb; Teuhola, 1978),
then the two bits below the highest one. Each node has its own probability in each context, as in DeepCABAC
(Wiedemann et al., 2020); that of a token is the product along its path, so that a whole code is coded at once.

A context is what is expected of a code, its *scale* and *mean*, both rounded to a few levels. A logistic
distribution of that scale and mean gives the first guess of each probability. Counts then correct it, twice: over
all contexts where the guess was alike, and in the single context.

Exact on every machine: sums and counts are whole numbers, or whole multiples of 2^-16, that float64 holds exactly
whatever their order; everything else is single additions, multiplications, divisions and comparisons of float64
(IEEE 754), without functions of a mathematics library.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Tokens = NDArray[np.integer[Any]]
Table = NDArray[np.float32]
"""Contexts x tokens: whole numbers, in each row as likely as the tokens are."""

MAX_MAGNITUDE = 511
"""Holds 8-bit codes, indices of codebooks and the exponents of floats."""
_CLASSES = 8
"""Binary logarithms of the magnitudes, rounded down: 0..8."""

SCALES = 23
"""Levels of the scale."""
_SCALE_STEP = 1.4142135623730951
"""Square root of two: finer steps gain nothing."""
_SMALLEST_SCALE = 0.0625
"""The mean magnitude is then 0.0006; the largest scale is about 150."""
MEANS = 8
"""Levels of the mean on each side of zero."""
MEAN_STEP = 0.4
"""Of the scale, from one level of the mean to the next."""
CONTEXTS = SCALES * (2 * MEANS + 1)

_GUESS_ONE = 1 << 16
"""Guesses are whole multiples of one part in these, so that their sums are exact."""
_RAREST = 16 / _GUESS_ONE
"""The smallest probability that a decision gets: 12 bits at worst, and a sure one costs 0.0004 bits."""
_TOKEN_ONE = 1 << 20
"""Tokens' probabilities are counted in parts of this: the sum of a row then fits into float32 (24 bits)."""
_GUESS_WEIGHT = 20.0
"""How many decisions the first guess stands for against the counts of similar guesses,"""
_SIMILAR_WEIGHT = 50.0
"""and these against the counts of the single context."""
_MEMORY = 400
"""Decisions of one context that the next matrix is told of: enough to start well, few enough to change."""


# --- tokens and nodes --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alphabet:
    """The tokens of codes with magnitudes up to `largest`: 0 for zero, 2 i + 1 and 2 i + 2 for +- `lows[i]`.

    A token stands for `widths[token]` codes, of which `starts[token]` is the one nearest to zero.
    """

    largest: int
    lows: Ints
    starts: Ints
    widths: NDArray[np.int32]
    token_of: NDArray[np.uint8]
    """The token of each code from `-largest` on."""

    def tokens(self, codes: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """The token of each code."""
        found: NDArray[np.uint8] = self.token_of[codes + self.largest]
        return found


@functools.cache
def alphabet_of(largest: int) -> Alphabet:
    """The alphabet of magnitudes up to `largest` (1..`MAX_MAGNITUDE`)."""
    classes = [1 << k for k in range(largest.bit_length())]
    lows = np.array([low for first in classes for low in range(first, 2 * first, max(1, first // 4)) if low <= largest])
    starts = np.concatenate([[0], np.stack([lows, -lows], 1).ravel()])
    widths = np.concatenate([[1], np.diff(np.append(lows, largest + 1)).repeat(2)]).astype(np.int32)
    codes = np.arange(-largest, largest + 1)
    found = 2 * (np.searchsorted(lows, np.abs(codes), side="right") - 1) + np.where(codes > 0, 1, 2)
    return Alphabet(largest, lows, starts, widths, np.where(codes == 0, 0, found).astype(np.uint8))


_NONZERO, _POSITIVE, _CLASS = 0, 1, 2
"""Node `_CLASS` + k - 1: is the magnitude at least 2^k? k = 1..8."""
_HALF = _CLASS + _CLASSES
"""Node `_HALF` + k - 1: is it in the upper half of 2^k..2^(k+1)-1?"""
_QUARTER = _HALF + _CLASSES
"""Node `_QUARTER` + 2 (k - 2) + h: in the upper half of that half h? k = 2..8."""
_NEGATIVE = _QUARTER + 2 * (_CLASSES - 1) - _CLASS
"""Nodes of negative codes' magnitudes come this much later: grids need not be symmetric."""
_NODES = _CLASS + 2 * _NEGATIVE


def _intervals(largest: int) -> Ints:
    """Magnitude's nodes in use, parents first, and for each its interval's start, the threshold, and the end."""
    classes = [(_CLASS + k - 1, 1 << k >> 1, 1 << k, largest + 1) for k in range(1, _CLASSES + 1)]
    halves = [(_HALF + k - 1, 1 << k, 3 << k >> 1, 2 << k) for k in range(1, _CLASSES + 1)]
    quarters = [
        (_QUARTER + 2 * (k - 2) + half, start, start + (1 << k >> 2), start + (1 << k >> 1))
        for k in range(2, _CLASSES + 1)
        for half, start in enumerate((1 << k, 3 << k >> 1))
    ]
    used = [interval for interval in classes + halves + quarters if interval[2] <= largest]
    return np.array(used, np.int64).reshape(-1, 4).clip(max=max(_NODES, largest + 1))


@dataclass(frozen=True)
class _Tree:
    """The nodes in use for an alphabet: zero, sign, those of positive, then those of negative magnitudes.

    `start`, `middle` and `end` are the magnitude's nodes' intervals, as indices of `Alphabet.lows`; `guess` is the
    first guess of each node in each context, `odds` those against it; `alike` numbers guesses that are corrected
    together, and `typical` is their guess.
    """

    nodes: Ints
    start: Ints
    middle: Ints
    end: Ints
    guess: Floats
    odds: Floats
    alike: Ints
    typical: Floats


@functools.cache
def _tree_of(largest: int) -> _Tree:
    intervals = _intervals(largest)
    node, edges = intervals[:, 0], np.minimum(intervals[:, 1:], largest + 1)
    start, middle, end = np.searchsorted(alphabet_of(largest).lows, edges).T
    guess = _guesses(edges)
    level, typical = _likeness()
    nodes = np.concatenate([[_NONZERO, _POSITIVE], node, node + _NEGATIVE])
    alike = np.arange(len(nodes))[:, None] * len(typical) + level[guess]
    share = guess / _GUESS_ONE
    return _Tree(nodes, start, middle, end, share, (1 - share) / share, alike, np.tile(typical, len(nodes)))


def _guesses(edges: Ints) -> Ints:
    """First guesses, nodes x contexts (parts of `_GUESS_ONE`); `edges` are starts, thresholds and ends."""
    scale = np.repeat(scales()[0], 2 * MEANS + 1)
    mean = np.tile(np.arange(-MEANS, MEANS + 1) * MEAN_STEP, SCALES) * scale
    above, below = _survival((0.5 - mean) / scale), _survival((0.5 + mean) / scale)
    sides = [(edges.T[:, :, None] - 0.5 - side) / scale for side in (mean, -mean)]
    tails = [_survival(side) for side in sides]
    magnitudes = [(middle - end) / np.maximum(start - end, 1e-30) for start, middle, end in tails]
    guesses = np.concatenate([(above + below)[None], (above / (above + below))[None], *magnitudes])
    least = round(_RAREST * _GUESS_ONE)
    limited: Ints = np.clip(np.rint(guesses * _GUESS_ONE), least, _GUESS_ONE - least).astype(np.int64)
    return limited


@functools.cache
def scales() -> tuple[Floats, Floats]:
    """Scales of the levels, and the mean magnitudes at which one level gives way to the next."""
    scale = np.empty(SCALES)
    value = _SMALLEST_SCALE
    for level in range(SCALES):
        scale[level] = value
        value *= _SCALE_STEP
    mean = np.zeros(SCALES)
    for magnitude in range(4 * MAX_MAGNITUDE):  # a mean is the sum of P(at least 1), P(at least 2), ...
        mean += 2 * _survival((magnitude + 0.5) / scale)
    return scale, (mean[1:] + mean[:-1]) / 2


def _survival(z: Floats) -> Floats:
    """1 - logistic function, up to an error of 2 %: what matters is that all machines agree.

    The exponential is the 16th power of the start of its series.
    """
    size = np.minimum(np.abs(z), 40.0)
    power = 1 + size / 16 + size * size / 512
    for _ in range(4):
        power = power * power
    tail = 1 / (1 + power)
    return np.where(z >= 0, tail, 1 - tail)


@functools.cache
def _likeness() -> tuple[NDArray[np.uint8], Floats]:
    """A level for each guess (in parts of `_GUESS_ONE`), in steps of doubled odds, and the levels' typical guesses."""
    odds = np.ldexp(1.0, np.arange(-9, 10))
    edges = odds / (1 + odds)
    level = np.searchsorted(edges, np.arange(_GUESS_ONE + 1) / _GUESS_ONE).astype(np.uint8)
    middle = np.ldexp(1.5, np.arange(-10, 10))
    return level, middle / (1 + middle)


# --- what was counted --------------------------------------------------------------------------------------------


class Model:
    """What has been learned: decisions so far, and true ones, at each node in each context.

    One model serves all matrices of a file: what the first has taught helps with the next.
    """

    def __init__(self) -> None:
        self.seen, self.true = np.zeros((2, _NODES, CONTEXTS))

    def copy(self) -> Model:
        """An independent copy, to try something."""
        copied = Model()
        copied.seen, copied.true = self.seen.copy(), self.true.copy()
        return copied

    def start(self, largest: int) -> Counts:
        """What is known when a matrix with magnitudes up to `largest` starts: most of what was often seen is forgotten.

        `keep` takes back what the matrix taught.
        """
        kept = np.minimum(self.seen, _MEMORY)
        self.true = np.floor(self.true * kept / np.maximum(self.seen, 1))
        self.seen = kept
        nodes = _tree_of(largest).nodes
        return Counts(largest, self.seen[nodes], self.true[nodes])

    def keep(self, counts: Counts) -> None:
        """Know what a matrix has taught."""
        nodes = _tree_of(counts.alphabet.largest).nodes
        self.seen[nodes], self.true[nodes] = counts.seen, counts.true


class Counts:
    """Decisions and true ones while one matrix is coded, nodes in use x contexts; whole numbers.

    `_alike` keeps the sums over guesses that are alike: of decisions, of true ones, and of those that the guesses
    made expect.
    """

    def __init__(self, largest: int, seen: Floats, true: Floats) -> None:
        self.alphabet, self._tree = alphabet_of(largest), _tree_of(largest)
        self.seen, self.true = seen, true
        self._alike = self._sums(slice(None), seen, true)

    def table(self, used: Ints) -> Table:
        """How likely each token is in each of the contexts `used`, as far as is known; used x tokens."""
        likely, tree = self._probabilities(used), self._tree
        mass = np.empty((1 + 2 * len(self.alphabet.lows), len(used)))
        mass[0] = 1 - likely[0]
        sides = mass[1:].reshape(-1, 2, len(used))
        sides[0, 0] = likely[0] * likely[1]
        sides[0, 1] = likely[0] * (1 - likely[1])
        magnitudes = likely[2:].reshape(2, -1, len(used))
        for node, (start, middle) in enumerate(zip(tree.start.tolist(), tree.middle.tolist(), strict=True)):
            sides[middle] = sides[start] * magnitudes[:, node]
            sides[start] *= 1 - magnitudes[:, node]
        return np.ascontiguousarray(np.maximum(np.rint(mass * _TOKEN_ONE), 1).astype(np.float32).T)

    def _probabilities(self, used: Ints) -> Floats:
        """Of each node to be true, in each of the contexts."""
        tree = self._tree
        total, true, guessed = self._alike
        more = _correction(true, guessed, tree.typical)
        less = _correction(total - true, total - guessed, 1 - tree.typical)
        similar = 1 / (1 + tree.odds[:, used] * (less / more)[tree.alike[:, used]])
        single = (self.true[:, used] + _SIMILAR_WEIGHT * similar) / (self.seen[:, used] + _SIMILAR_WEIGHT)
        return np.clip(single, _RAREST, 1 - _RAREST)

    def learn(self, used: Ints, contexts: Ints, tokens: Tokens) -> Floats:
        """Count tokens; `contexts` has an index of `used` for each. Returns how often each occurs, tokens x used."""
        lows, tree = len(self.alphabet.lows), self._tree
        size = 1 + 2 * lows
        counted = np.bincount(contexts * size + tokens, minlength=len(used) * size)
        found = counted.reshape(len(used), size).T.astype(np.float64)
        from_low = np.zeros((lows + 1, 2, len(used)))
        from_low[:-1] = np.cumsum(found[1:].reshape(lows, 2, -1)[::-1], 0)[::-1]
        nonzero, end = from_low[0].sum(0, keepdims=True), from_low[tree.end]
        asked = (from_low[tree.start] - end).swapaxes(0, 1).reshape(-1, len(used))
        larger = (from_low[tree.middle] - end).swapaxes(0, 1).reshape(-1, len(used))
        seen = np.concatenate([found.sum(0, keepdims=True), nonzero, asked])
        true = np.concatenate([nonzero, from_low[0, :1], larger])
        self.seen[:, used] += seen
        self.true[:, used] += true
        self._alike += self._sums(used, seen, true)
        return found

    def _sums(self, used: Ints | slice, seen: Floats, true: Floats) -> Floats:
        numbers = self._tree.alike[:, used].ravel()
        sums = (seen, true, seen * self._tree.guess[:, used])
        return np.stack([np.bincount(numbers, each.ravel(), len(self._tree.typical)) for each in sums])


def _correction(found: Floats, expected: Floats, typical: Floats) -> Floats:
    """How many times more often than guessed decisions fell this way, among similar guesses."""
    prior = _GUESS_WEIGHT * typical
    return (found + prior) / (expected + prior)
