"""Adaptive arithmetic coding of a layer's codes, with contexts from codes that are known already.

A matrix of small integers (rows are output channels) is written as binary decisions: is it zero, its sign,
is its magnitude at least 2, 4, 8, ..., then the bits below the highest one (Exp-Golomb; Teuhola, 1978). Each
decision goes to a range coder with its own probability, as in DeepCABAC (Wiedemann et al., 2020). What is
known of a code before it is read comes from codes that are earlier in the file:

* how large codes are in its row and in its input channel, on average, and next to it: that gives the scale;
* its neighbours to the left, above, and beside these, within a filter or an image (LOCO-I's; Weinberger et
  al., 2000): a linear prediction, whose four coefficients stand in the file, gives the mean.

Scale and mean, both rounded to a few levels, are the *context*. A logistic distribution of that scale and
mean gives the first guess of each probability. Counts then correct it, twice: over all contexts where the
guess was alike, and in the single context.

Decisions are made in blocks, so that everything is vectorised: within a block probabilities are fixed, and
a block depends on earlier blocks only. Neighbours are known in time since the places of a filter or image
are visited in waves, x + 2 y = 0, 1, 2, ...; blocks grow with what is known.

Exact on every machine: sums and counts are whole numbers, everything else is single additions,
multiplications, divisions and comparisons of float64 (IEEE 754), without any sum of floats whose order could
differ, and without functions of a mathematics library. Probabilities are whole multiples of 2^-16, which
the range coder (the `constriction` package; Bamler, 2022) takes as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import constriction
import numpy as np
from numpy.typing import NDArray

from compression.errors import CorruptFile

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ONE = 1 << 16
"""Probabilities are counted in parts of this."""
_RAREST = 16
"""The smallest probability that a decision gets: 12 bits at worst, and a sure one costs 0.0004 bits."""
MAX_MAGNITUDE = 511
"""Holds 8-bit codes, indices of codebooks and the exponents of floats."""
_CLASSES = 8
"""Binary logarithms of the magnitudes, rounded down: 0..8."""

_SCALES = 23
_SCALE_STEP = 1.4142135623730951
"""Square root of two: finer steps gain nothing."""
_SMALLEST_SCALE = 0.0625
"""The mean magnitude is then 0.0006; the largest scale is about 150."""
_MEANS = 8
"""Levels of the mean on each side of zero."""
_MEAN_STEP = 0.4
"""Of the scale, from one level of the mean to the next."""
_CONTEXTS = _SCALES * (2 * _MEANS + 1)

_UNITS = 64
"""Coefficients and mean magnitude are stored in parts of this."""
_PRIOR = 4
"""How many codes the average of the whole matrix stands for in the averages of rows and channels."""
_NEIGHBOUR_SHARE = 0.1
"""Of the scale, comes from each neighbour that there is; the rest from row and channel."""
_GUESS_WEIGHT = 20.0
"""How many decisions the first guess stands for against the counts of similar guesses,"""
_SIMILAR_WEIGHT = 50.0
"""and these against the counts of the single context."""
_MEMORY = 400
"""Decisions of one context that the next matrix is told of: enough to start well, few enough to change."""

MAX_WAVES = 4096
"""Each takes at least one round of vectorised work, so that more would take long."""
_FIRST_BLOCK = 256
_BLOCK_SHARE = 8
"""A block is about this part of what is known: smaller ones learn faster and take longer."""
_BANDS = 4
"""Rows are cut into at most this many bands, so that input channels, too, are known from a part of a block's rows."""


class Coder(Protocol):
    """Writes or reads decisions."""

    def code(self, kind: int, ones: Ints, decisions: Bools | None) -> Bools:
        """Code decisions whose probabilities to be true are `ones` (parts of `ONE`).

        The encoder is given the decisions, the decoder None; both return them. `kind` is a node's number.
        """
        ...


class Recorder:
    """Keeps decisions for the encoder, and what they cost."""

    def __init__(self) -> None:
        self.decisions: list[Bools] = []
        self.ones: list[Ints] = []
        self.bits = 0.0

    def code(self, kind: int, ones: Ints, decisions: Bools | None) -> Bools:
        """Keep them."""
        assert decisions is not None
        self.decisions.append(decisions)
        self.ones.append(ones)
        self.bits += cost(ones, decisions)
        return decisions


class Decoder:
    """Reads decisions from a stream; with `counts` it adds up what zero flags and all other decisions cost, in bits."""

    def __init__(self, stream: bytes | memoryview, *, counts: bool = False) -> None:
        padded = bytes(stream) + bytes(-len(stream) % 4)
        self._coder = constriction.stream.queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))
        self._counts = counts
        self.zero_bits, self.other_bits = 0.0, 0.0

    def code(self, kind: int, ones: Ints, decisions: Bools | None = None) -> Bools:
        """Read one decision for each probability; raises `CorruptFile`."""
        try:
            found: Bools = self._coder.decode(_BERNOULLI, _probabilities(ones)).astype(np.bool_)
        except AssertionError as error:
            raise CorruptFile(f"The codes in the stored file are damaged: {error}") from error
        if self._counts and kind == _NONZERO:
            self.zero_bits += cost(ones, found)
        elif self._counts:
            self.other_bits += cost(ones, found)
        return found


def stream_of(recorders: list[Recorder]) -> bytes:
    """All decisions kept, one after the other, as one range-coded stream."""
    coder = constriction.stream.queue.RangeEncoder()
    for recorder in recorders:
        if recorder.ones:
            ones, decisions = np.concatenate(recorder.ones), np.concatenate(recorder.decisions)
            coder.encode(decisions.astype(np.int32), _BERNOULLI, _probabilities(ones))
    stream: bytes = coder.get_compressed().astype(">u4").tobytes()
    return stream.rstrip(b"\0")


def cost(ones: Ints, decisions: Bools) -> float:
    """Bits that the decisions take."""
    return float(-np.log2(np.where(decisions, ones, ONE - ones) / ONE).sum())


_BERNOULLI = constriction.stream.model.Bernoulli(perfect=False)


def _probabilities(ones: Ints) -> NDArray[np.float32]:
    return (ones / ONE).astype(np.float32)  # exact: 16 bits fit into 24


# --- the order in which a matrix is written ----------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """Where the elements of a tensor stand: `columns[k]` is the place in each row of the k-th column visited.

    `channel` is each visited column's input channel, `waves` says where waves start, and `neighbours`
    (4 x columns) which earlier column stands to the left, above, above to the left and above to the right; the
    number of columns where there is none.
    """

    rows: int
    columns: Ints
    channel: Ints
    waves: Ints
    neighbours: Ints


@functools.lru_cache(maxsize=64)
def layout_of(shape: tuple[int, ...], width: int) -> Layout:
    """The layout of a tensor; `width` is that of the image that a row of a matrix looks at, 0 if it is none."""
    rows = shape[0] if len(shape) > 1 else 1
    count = int(np.prod(shape)) // max(1, rows)
    height, width = (shape[2], shape[3]) if len(shape) == 4 else (-(-count // width), width) if width else (1, 1)
    place = np.arange(count)
    channel, y, x = place // (height * width), place // width % height, place % width
    columns = np.lexsort((y * width + x, channel, x + 2 * y))
    visited = np.full(count + 1, count)
    visited[columns] = place
    neighbours = [
        visited[np.where((y >= up) & (x >= left) & (x - left < width), place - up * width - left, count)[columns]]
        for up, left in ((0, 1), (1, 0), (1, 1), (1, -1))
    ]
    waves = np.append(np.flatnonzero(np.diff((x + 2 * y)[columns], prepend=-1)), count)
    return Layout(rows, columns, channel[columns], waves, np.stack(neighbours))


def _blocks(layout: Layout) -> Iterator[tuple[slice, slice]]:
    """Rows and visited columns of each block, in order; none crosses a wave."""
    rows, known = layout.rows, 0
    for first, stop in pairwise(layout.waves.tolist()):
        start = first
        while start < stop:
            size = max(_FIRST_BLOCK, known // _BLOCK_SHARE)
            height = max(-(-rows // _BANDS), min(rows, size // (stop - start)))
            end = min(stop, start + max(1, size // height))
            for row in range(0, rows, height):
                yield slice(row, min(rows, row + height)), slice(start, end)
            known += rows * (end - start)
            start = end


# --- nodes: the decisions that a magnitude consists of -----------------------------------------------------------

_NONZERO, _POSITIVE = 0, 1
_CLASS = 2
"""Node 1 + k: is the magnitude at least 2^k? k = 1..8."""
_HALF = _CLASS + _CLASSES
"""Node _HALF + k - 1: is it in the upper half of 2^k..2^(k+1)-1?"""
_QUARTER = _HALF + _CLASSES
"""Node _QUARTER + 2 (k - 2) + h: in the upper half of that half h? k = 2..8. Lower bits are as good as even."""
_NEGATIVE = _QUARTER + 2 * (_CLASSES - 1) - _CLASS
"""Nodes of negative codes' magnitudes come this much later: grids need not be symmetric."""
_NODES = _CLASS + 2 * _NEGATIVE


@functools.cache
def _intervals(largest: int) -> tuple[Ints, Floats, Floats, Floats]:
    """Nodes of magnitudes up to `largest`; for each its interval's start, the threshold, and the end."""
    found = []
    for k in range(1, _CLASSES + 1):
        low, end = 1 << k, largest + 1
        found.append((_CLASS + k - 1, low // 2, low, end))
        found.append((_HALF + k - 1, low, low + low // 2, min(2 * low, end)))
        for half in range(2 if k > 1 else 0):
            start = low + half * low // 2
            found.append((_QUARTER + 2 * (k - 2) + half, start, start + low // 4, min(start + low // 2, end)))
    used = [interval for interval in found if interval[2] <= largest]
    node, low, middle, high = np.array(used or np.empty((0, 4))).T
    return node.astype(np.int64), low - 0.5, middle - 0.5, high - 0.5


@functools.cache
def _scales() -> tuple[Floats, Floats]:
    """Scales of the levels, and the mean magnitudes at which one level gives way to the next."""
    scale = np.empty(_SCALES)
    value = _SMALLEST_SCALE
    for level in range(_SCALES):
        scale[level] = value
        value *= _SCALE_STEP
    mean = np.zeros(_SCALES)
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
def _guesses(largest: int) -> tuple[Ints, Ints]:
    """Nodes in use for magnitudes up to `largest`, and the first guess of each in each context (parts of `ONE`)."""
    scale = np.repeat(_scales()[0], 2 * _MEANS + 1)
    mean = np.tile(np.arange(-_MEANS, _MEANS + 1) * _MEAN_STEP, _SCALES) * scale
    above, below = _survival((0.5 - mean) / scale), _survival((0.5 + mean) / scale)
    nodes, low, middle, high = _intervals(largest)
    start, threshold, end = (_survival((edge[:, None] - mean) / scale) for edge in (low, middle, high))
    magnitudes = (threshold - end) / np.maximum(start - end, 1e-30)
    guesses = np.concatenate([(above + below)[None], (above / (above + below))[None], magnitudes, magnitudes])
    limited = np.clip(np.rint(guesses * ONE), _RAREST, ONE - _RAREST).astype(np.int64)
    return np.concatenate([[_NONZERO, _POSITIVE], nodes, nodes + _NEGATIVE]), limited


@functools.cache
def _likeness() -> tuple[NDArray[np.uint8], Floats]:
    """A level for each guess (in parts of `ONE`), in steps of doubled odds, and the levels' typical guesses."""
    odds = np.ldexp(1.0, np.arange(-9, 10))
    edges = odds / (1 + odds)
    level = np.searchsorted(edges, np.arange(ONE + 1) / ONE).astype(np.uint8)
    middle = np.ldexp(1.5, np.arange(-10, 10))
    return level, middle / (1 + middle)


class Model:
    """What has been learned: decisions so far, and true ones, at each node in each context.

    One model serves all matrices of a file: what the first has taught helps with the next.
    """

    def __init__(self) -> None:
        self.seen = np.zeros((_NODES, _CONTEXTS), np.int64)
        self.true = np.zeros((_NODES, _CONTEXTS), np.int64)

    def copy(self) -> Model:
        """An independent copy, to try something."""
        copied = Model()
        copied.seen, copied.true = self.seen.copy(), self.true.copy()
        return copied

    def fade(self) -> None:
        """Forget most of what was often seen, before another matrix starts."""
        kept = np.minimum(self.seen, _MEMORY)
        self.true = self.true * kept // np.maximum(self.seen, 1)
        self.seen = kept

    def probabilities(self, largest: int) -> Ints:
        """Nodes x contexts, parts of `ONE`, for matrices with magnitudes up to `largest`."""
        nodes, guess = _guesses(largest)
        level, typical = _likeness()
        seen, true = self.seen[nodes], self.true[nodes]
        alike = (np.arange(len(nodes))[:, None] * len(typical) + level[guess]).ravel()
        typical = np.tile(typical, len(nodes))
        ones = _correction(alike, true, seen * guess, typical)
        zeros = _correction(alike, seen - true, seen * (ONE - guess), 1 - typical)
        likely, unlikely = guess * ones, (ONE - guess) * zeros
        similar = likely / (likely + unlikely)
        single = (true + _SIMILAR_WEIGHT * similar) / (seen + _SIMILAR_WEIGHT)
        table = np.full((_NODES, _CONTEXTS), ONE // 2, np.int64)
        table[nodes] = np.clip(np.rint(single * ONE), _RAREST, ONE - _RAREST).astype(np.int64)
        return table

    def learn(self, cells: Ints, decisions: Bools) -> None:
        """Count decisions; a cell is a node and a context."""
        np.add.at(self.seen.reshape(-1), cells, 1)
        np.add.at(self.true.reshape(-1), cells[decisions], 1)


def _correction(alike: Ints, found: Ints, expected: Ints, typical: Floats) -> Floats:
    """How many times more often than guessed a decision fell this way, among similar guesses; nodes x contexts."""
    size = len(typical)
    happened = np.bincount(alike, weights=found.ravel(), minlength=size)  # sums of whole numbers: exact
    guessed = np.bincount(alike, weights=expected.ravel(), minlength=size) / ONE
    prior = _GUESS_WEIGHT * typical
    factors: Floats = (happened + prior) / (guessed + prior)
    return factors[alike].reshape(found.shape)


# --- coding a matrix ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """What the decoder has to know before the first block.

    `largest` magnitude (1..`MAX_MAGNITUDE`), `mean` magnitude of the errors of prediction in 64ths (at least 1),
    and the weights of the four neighbours in 64ths (-128..127).
    """

    largest: int
    mean: int
    weights: tuple[int, int, int, int] = (0, 0, 0, 0)


def code_matrix(coder: Coder, model: Model, layout: Layout, settings: Settings, codes: Ints | None) -> Ints:
    """Write or read integers (rows x places) and teach the model; an encoder is given them, a decoder None.

    Returns them. Every magnitude is at most `settings.largest`.
    """
    model.fade()
    rows, count = layout.rows, len(layout.columns)
    known = np.zeros((rows, count + 1), np.int64)
    given = None if codes is None else codes[:, layout.columns]
    sizes = _Sizes(layout, settings.mean)
    for row, column in _blocks(layout):
        mean = _prediction(known[row], layout.neighbours[:, column], settings.weights)
        block = _Block(coder, model.probabilities(settings.largest), settings.largest)
        found = block.code(sizes.scale_levels(row, column), mean, None if given is None else given[row, column])
        known[row, column] = found
        sizes.learn(row, column, np.abs(_UNITS * found - mean))
        model.learn(np.concatenate(block.cells), np.concatenate(block.decisions))
    result = np.empty((rows, count), np.int64)
    result[:, layout.columns] = known[:, :count]
    return result


def _prediction(known: Ints, neighbours: Ints, weights: tuple[int, ...]) -> Ints:
    """Weighted sum of the four neighbours, in 64ths; rows x columns."""
    total = np.zeros((len(known), neighbours.shape[1]), np.int64)
    for weight, columns in zip(weights, neighbours, strict=True):
        if weight:
            total += weight * known[:, columns]
    return total


class _Sizes:
    """Errors of prediction so far, in 64ths: of each element, and summed over each row and each input channel."""

    def __init__(self, layout: Layout, mean: int) -> None:
        self._layout, self._mean = layout, mean
        rows, count = layout.rows, len(layout.columns)
        channels = int(layout.channel.max(initial=0)) + 1
        self._row_sum, self._row_count = np.zeros((2, rows), np.int64)
        self._channel_sum, self._channel_count = np.zeros((2, channels), np.int64)
        self._errors = np.zeros((rows, count + 1), np.int64)

    def scale_levels(self, row: slice, column: slice) -> Ints:
        """The expected error as a level of the scale; rows x columns."""
        channel, neighbours = self._layout.channel[column], self._layout.neighbours[:, column]
        prior = _PRIOR * self._mean
        of_row = (self._row_sum[row] + prior) / (self._row_count[row] + _PRIOR)
        of_channel = (self._channel_sum[channel] + prior) / (self._channel_count[channel] + _PRIOR)
        expected = of_row[:, None] * (of_channel / (self._mean * _UNITS))
        share = (neighbours < len(self._layout.columns)).sum(0) * _NEIGHBOUR_SHARE
        if share.any():
            errors = self._errors[row]
            around = sum(errors[:, columns] for columns in neighbours) * (_NEIGHBOUR_SHARE / _UNITS)
            expected = expected * (1 - share) + around
        return np.searchsorted(_scales()[1], expected)

    def learn(self, row: slice, column: slice, errors: Ints) -> None:
        self._row_sum[row] += errors.sum(1)
        self._row_count[row] += errors.shape[1]
        channel = self._layout.channel[column]
        np.add.at(self._channel_sum, channel, errors.sum(0))
        np.add.at(self._channel_count, channel, len(errors))
        self._errors[row, column] = errors


class _Block:
    """Decisions of one block, all with probabilities of one table."""

    def __init__(self, coder: Coder, table: Ints, largest: int) -> None:
        self._coder, self._table, self._largest = coder, table.ravel(), largest
        self.cells: list[Ints] = []
        self.decisions: list[Bools] = []

    def code(self, levels: Ints, mean: Ints, codes: Ints | None) -> Ints:
        """Codes of the block (rows x columns); `mean` is in 64ths."""
        ratio = mean / (_scales()[0][levels] * (_UNITS * _MEAN_STEP))
        offset = np.clip(np.rint(ratio), -_MEANS, _MEANS).astype(np.int64).ravel()
        centre = (levels * (2 * _MEANS + 1) + _MEANS).ravel()
        given = None if codes is None else codes.ravel()
        nonzero = self._decide(_NONZERO, centre + offset, None if given is None else given != 0)
        index = np.flatnonzero(nonzero)
        centre, offset = centre[index], offset[index]
        given = None if given is None else given[index]
        positive = self._decide(_POSITIVE, centre + offset, None if given is None else given > 0)
        context = np.where(positive, centre + offset, centre - offset + _NEGATIVE * _CONTEXTS)
        magnitude = self._magnitudes(context, None if given is None else np.abs(given))
        found = np.zeros(nonzero.shape, np.int64)
        found[index] = np.where(positive, magnitude, -magnitude)
        return found.reshape(levels.shape)

    def _magnitudes(self, context: Ints, given: Ints | None) -> Ints:
        """Magnitudes of codes that are not zero: their classes, then bit by bit what is below the highest."""
        low = np.ones(len(context), np.int64)
        left = np.arange(len(context))
        for k in range(1, self._largest.bit_length()):
            is_larger = self._decide(_CLASS + k - 1, context[left], None if given is None else given[left] >= 1 << k)
            left = left[is_larger]
            low[left] = 1 << k
        size = low.copy()
        for depth in range(self._largest.bit_length() - 1):
            size >>= 1
            left = np.flatnonzero((size > 0) & (low + size <= self._largest))
            decisions = None if given is None else given[left] >= low[left] + size[left]
            low[left] += size[left] * self._bits(depth, low[left], context[left], decisions)
        return low

    def _bits(self, depth: int, low: Ints, context: Ints, decisions: Bools | None) -> Bools:
        """The bit `depth` places below the second highest, of magnitudes of which the higher bits are known."""
        if depth > 1:
            return self._coder.code(_NODES, np.full(len(low), ONE // 2), decisions)
        highest = _BIT_LENGTH[low] - 1
        if depth == 0:
            return self._decide(_HALF - 1 + highest, context, decisions)
        half = (low >> (highest - 1)) & 1
        return self._decide(_QUARTER + 2 * (highest - 2) + half, context, decisions)

    def _decide(self, node: Ints | int, context: Ints, decisions: Bools | None) -> Bools:
        cells = node * _CONTEXTS + context
        kind = node if isinstance(node, int) else _HALF
        found = self._coder.code(kind, self._table[cells], decisions)
        self.cells.append(cells)
        self.decisions.append(found)
        return found


_BIT_LENGTH = np.array([magnitude.bit_length() for magnitude in range(MAX_MAGNITUDE + 1)])


# --- choosing the settings ---------------------------------------------------------------------------------------

_LEAST_GAIN = 0.05
"""Part of the variance that prediction must explain: below, its coefficients cost more than they save."""


def fit_settings(codes: NDArray[Any], shape: tuple[int, ...]) -> tuple[int, Settings]:
    """The width of the image that rows look at (0: none, 1 for filters), and settings.

    Codes are rows x places; `shape` is theirs, or that of filters (rows x channels x height x width).
    """
    largest = int(np.abs(codes).max(initial=0))
    plain = Settings(largest, _mean_size(codes.astype(np.float64)))
    width = _image_width(codes) if len(shape) == 2 else int(shape[2] * shape[3] > 1)
    layout = layout_of(shape, width)
    if not width or len(layout.waves) > MAX_WAVES:
        return 0, plain
    known = np.concatenate([codes[:, layout.columns], np.zeros((len(codes), 1), codes.dtype)], axis=1)
    known = known.astype(np.float64)
    features = np.stack([known[:, columns].ravel() for columns in layout.neighbours])
    target = known[:, :-1].ravel()
    gram = features @ features.T
    exact = np.linalg.solve(gram + 1e-6 * (1 + np.trace(gram)) * np.eye(4), features @ target)
    weights = np.clip(np.rint(exact * _UNITS), -128, 127)
    error = target - (weights / _UNITS) @ features
    if np.square(error).sum() > (1 - _LEAST_GAIN) * np.square(target).sum():
        return 0, plain
    left, above, corner, other = (int(weight) for weight in weights)
    return width, Settings(largest, _mean_size(error), (left, above, corner, other))


def _mean_size(values: Floats) -> int:
    return max(1, round(float(np.abs(values).mean()) * _UNITS)) if values.size else 1


def _image_width(codes: NDArray[Any]) -> int:
    """The distance, over 2, at which elements of a row are most alike, if they are at distance 1; else 0."""
    count = codes.shape[1]
    spectrum = np.abs(np.fft.rfft(codes.astype(np.float64), 2 * count)) ** 2
    alike = np.fft.irfft(spectrum.sum(0), 2 * count)[: count // 2]
    if len(alike) < 6 or alike[1] < 0.05 * alike[0]:
        return 0
    return 3 + int(np.argmax(alike[3:]))
