"""Adaptive arithmetic coding of a layer's codes, with contexts from codes that are known already.

A matrix of small integers (rows are output channels) is written code by code. What is known of a code before it is
read comes from codes that are earlier in the file (`scan_order`):

* how large codes are in its row and in its input channel, on average, and next to it: that gives the scale;
* its neighbours to the left, above, and beside these: a linear prediction, whose four coefficients stand in the
  file, gives the mean.

Scale and mean are the context, from which, with all that was counted in it, comes how likely each token is
(`adaptive_model`). A token goes to a range coder (Martin, 1979; the `constriction` package; Bamler, 2022), and so do
the bits of large magnitudes below the token, as one of so many equally likely numbers.

Codes are coded in blocks, so that everything is vectorised: within a block probabilities are fixed, and a block
depends on earlier blocks only. All of a block's tokens come first, then the lower bits of those that have some.

Exact on every machine: `constriction` makes its whole-numbered probabilities from ours by a float32 sum that is
exact, one division and one multiplication; `adaptive_model` says why ours are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from compression.engine.files.codec.adaptive_model import (
    CONTEXTS,
    MEAN_STEP,
    MEANS,
    Alphabet,
    Floats,
    Ints,
    Model,
    Table,
    Tokens,
    scales,
)
from compression.engine.files.codec.scan_order import MAX_WAVES, Layout, blocks_of, layout_of
from compression.errors import CorruptFile

Matrix = NDArray[np.integer[Any]]

_UNITS = 64
"""Coefficients and mean magnitude are stored in parts of this."""
_PRIOR = 4
"""How many codes the average of the whole matrix stands for in the averages of rows and channels."""
_NEIGHBOUR_SHARE = 0.1
"""Of the scale, comes from each neighbour that there is; the rest from row and channel."""
_CHUNK = 1 << 12
"""Tokens whose probabilities are laid out at once: a megabyte at most, which stays in the processor's cache."""

_TOKENS = constriction.stream.model.Categorical(perfect=False)
_EVEN = constriction.stream.model.Uniform()


@dataclass(frozen=True)
class _Block:
    alphabet: Alphabet
    table: Table
    contexts: NDArray[np.uint16]
    tokens: NDArray[np.uint8]
    rest: NDArray[np.uint8]
    """Of the codes whose tokens stand for several: how far they are from the first of these."""


class Recorder:
    """Keeps codes for the encoder, and what they cost."""

    def __init__(self) -> None:
        self.blocks: list[_Block] = []
        self.bits = 0.0

    def code(self, alphabet: Alphabet, table: Table, contexts: Ints, codes: Matrix | None) -> tuple[Matrix, Tokens]:
        """Keep them."""
        assert codes is not None
        tokens = alphabet.tokens(codes)
        rest = np.abs(codes - alphabet.starts[tokens])[alphabet.widths[tokens] > 1].astype(np.uint8)
        self.blocks.append(_Block(alphabet, table, contexts.astype(np.uint16), tokens, rest))
        return codes, tokens

    def count(self, alphabet: Alphabet, table: Table, counted: Floats) -> None:
        """Add up what the last block costs, in which tokens occurred so often in each context."""
        self.bits += sum(_costs(alphabet, table, counted))


class Decoder:
    """Reads codes from a stream; with `counts` it adds up what zero flags and all else cost, in bits."""

    def __init__(self, stream: bytes | memoryview, *, counts: bool = False) -> None:
        padded = bytes(stream) + bytes(-len(stream) % 4)
        self._coder = constriction.stream.queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))
        self._counts = counts
        self.zero_bits, self.other_bits = 0.0, 0.0

    def code(
        self, alphabet: Alphabet, table: Table, contexts: Ints, codes: Matrix | None = None
    ) -> tuple[Matrix, Tokens]:
        """Read one code for each context; raises `CorruptFile`."""
        try:
            found, tokens = self._read(alphabet, table, contexts)
        except AssertionError as error:
            raise CorruptFile(f"The codes in the stored file are damaged: {error}") from error
        return found, tokens

    def count(self, alphabet: Alphabet, table: Table, counted: Floats) -> None:
        """As the recorder does, where that is wanted."""
        if self._counts:
            zero, other = _costs(alphabet, table, counted)
            self.zero_bits += zero
            self.other_bits += other

    def _read(self, alphabet: Alphabet, table: Table, contexts: Ints) -> tuple[Matrix, Tokens]:
        parts = [self._coder.decode(_TOKENS, table[contexts[chunk]]) for chunk in _chunks(len(contexts))]
        tokens = np.concatenate(parts)
        found, widths = alphabet.starts[tokens], alphabet.widths[tokens]
        several = np.flatnonzero(widths > 1)
        if len(several):
            rest = self._coder.decode(_EVEN, widths[several])
            found[several] += np.where(found[several] > 0, rest, -rest)
        return found, tokens


Coder = Recorder | Decoder
"""With `code` they write or read the codes of a block, and give back codes and tokens. `table` (contexts x tokens) says
how likely tokens are, and `contexts` has one for each; the recorder is given the codes, the decoder None. `count` is
told how often each token occurred in each context (tokens x contexts)."""


class Encoder:
    """Writes codes that were recorded into one range-coded stream."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def write(self, recorder: Recorder) -> None:
        """Write all that is recorded, after what was written before."""
        for block in recorder.blocks:
            for chunk in _chunks(len(block.tokens)):
                self._coder.encode(block.tokens[chunk].astype(np.int32), _TOKENS, block.table[block.contexts[chunk]])
            if len(block.rest):
                widths = block.alphabet.widths[block.tokens]
                self._coder.encode(block.rest.astype(np.int32), _EVEN, widths[widths > 1])

    def stream(self) -> bytes:
        """All that was written."""
        stream: bytes = self._coder.get_compressed().astype(">u4").tobytes()
        return stream.rstrip(b"\0")


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, count, _CHUNK))


def _costs(alphabet: Alphabet, table: Table, counted: Floats) -> tuple[float, float]:
    """Bits that zero flags take, and all else."""
    total = table.sum(1, dtype=np.float64)
    zeros, each = counted[0], counted.sum(0)
    nonzero = total - table[:, 0]
    flags = zeros @ np.log2(total / table[:, 0]) + (each - zeros) @ np.log2(total / nonzero)
    tokens = (counted[1:] * np.log2(nonzero / table[:, 1:].T)).sum()
    return float(flags), float(tokens + counted.sum(1) @ np.log2(alphabet.widths))


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


def code_matrix(coder: Coder, model: Model, layout: Layout, settings: Settings, codes: Matrix | None) -> Matrix:
    """Write or read integers (rows x places) and teach the model; an encoder is given them, a decoder None.

    Returns them. Every magnitude is at most `settings.largest`. Inside, columns are visited in the layout's order,
    and all arrays are columns x rows.
    """
    counts = model.start(settings.largest)
    known = np.zeros((len(layout.columns) + 1, layout.rows), np.int32)
    given = None if codes is None else codes.T[layout.columns]
    sizes = _Sizes(layout, settings.mean)
    for row, column in blocks_of(layout):
        mean = _prediction(known[:, row], layout.neighbours[:, column], settings.weights)
        levels = sizes.scale_levels(row, column)
        used, contexts = _used(_contexts(levels, mean).ravel())
        block = None if given is None else given[column, row].ravel()
        table = counts.table(used)
        found, tokens = coder.code(counts.alphabet, table, contexts, block)
        known[column, row] = found.reshape(levels.shape)
        scaled = _UNITS * known[column, row]
        sizes.learn(row, column, np.abs(scaled if mean is None else scaled - mean))
        coder.count(counts.alphabet, table, counts.learn(used, contexts, tokens))
    model.keep(counts)
    if codes is not None:
        return codes
    result = np.empty((layout.rows, len(layout.columns)), np.int32)
    result[:, layout.columns] = known[:-1].T
    return result


def _prediction(known: NDArray[np.int32], neighbours: Ints, weights: tuple[int, ...]) -> NDArray[np.int32] | None:
    """Weighted sum of the four neighbours, in 64ths, columns x rows; None if nothing is predicted."""
    parts = [weight * known[columns] for weight, columns in zip(weights, neighbours, strict=True) if weight]
    return sum(parts[1:], parts[0]) if parts else None


def _contexts(levels: Ints, mean: NDArray[np.int32] | None) -> Ints:
    """Numbers of the contexts of levels of the scale and predicted means (in 64ths)."""
    centre = levels * (2 * MEANS + 1) + MEANS
    if mean is None:
        return centre
    ratio = mean / (scales()[0] * (_UNITS * MEAN_STEP))[levels]
    return centre + np.clip(np.rint(ratio), -MEANS, MEANS).astype(np.int64)


def _used(contexts: Ints) -> tuple[Ints, Ints]:
    """The contexts that occur, in rising order, and for each the index among them."""
    is_used = np.bincount(contexts, minlength=CONTEXTS) > 0
    return np.flatnonzero(is_used), (np.cumsum(is_used) - 1)[contexts]


class _Sizes:
    """Errors of prediction so far, in 64ths: of each element, and summed over each row and each input channel."""

    def __init__(self, layout: Layout, mean: int) -> None:
        self._layout, self._mean = layout, mean
        channels = int(layout.channel.max(initial=0)) + 1
        self._row_sum, self._row_count = np.zeros((2, layout.rows), np.int64)
        self._channel_sum, self._channel_count = np.zeros((2, channels), np.int64)
        self._errors = np.zeros((len(layout.columns) + 1, layout.rows), np.int32)
        self._shares = (layout.neighbours < len(layout.columns)).sum(0) * _NEIGHBOUR_SHARE

    def scale_levels(self, row: slice, column: slice) -> Ints:
        """The expected error as a level of the scale; columns x rows."""
        channel, share = self._layout.channel[column], self._shares[column]
        prior = _PRIOR * self._mean
        of_row = (self._row_sum[row] + prior) / (self._row_count[row] + _PRIOR)
        of_channel = (self._channel_sum[channel] + prior) / (self._channel_count[channel] + _PRIOR)
        expected = (of_channel / (self._mean * _UNITS) * (1 - share))[:, None] * of_row
        if share.any():
            around = self._errors[:, row][self._layout.neighbours[:, column]].sum(0)
            expected += around * (_NEIGHBOUR_SHARE / _UNITS)
        levels: Ints = np.searchsorted(scales()[1], expected)
        return levels

    def learn(self, row: slice, column: slice, errors: NDArray[np.int32]) -> None:
        """Know a block's errors of prediction (columns x rows)."""
        self._row_sum[row] += errors.sum(0)
        self._row_count[row] += len(errors)
        channel = self._layout.channel[column]
        np.add.at(self._channel_sum, channel, errors.sum(1))
        np.add.at(self._channel_count, channel, errors.shape[1])
        self._errors[column, row] = errors


# --- choosing the settings ---------------------------------------------------------------------------------------

_LEAST_GAIN = 0.05
"""Part of the variance that prediction must explain: below, its coefficients cost more than they save."""


_FIT = 1 << 19
"""Numbers from which settings are found, at least: of a larger matrix only every so many rows."""


def fit_settings(codes: NDArray[Any], shape: tuple[int, ...]) -> tuple[int, Settings]:
    """The width of the image that rows look at (0: none, 1 for filters), and settings.

    Codes are rows x places; `shape` is theirs, or that of filters (rows x channels x height x width).
    """
    largest = int(max(codes.max(initial=0), -codes.min(initial=0)))
    codes = codes[:: max(1, min(codes.size // _FIT, len(codes)))]
    plain = Settings(largest, _mean_size(codes))
    width = _image_width(codes) if len(shape) == 2 else int(shape[2] * shape[3] > 1)
    layout = layout_of(shape, width)
    if not width or len(layout.waves) > MAX_WAVES:
        return 0, plain
    known = np.zeros((codes.shape[1] + 1, len(codes)), np.float32)
    known[:-1] = codes.T[layout.columns]
    features = known[layout.neighbours].reshape(4, -1)
    target = known[:-1].ravel()
    gram = (features @ features.T).astype(np.float64)
    exact = np.linalg.solve(gram + 1e-6 * (1 + np.trace(gram)) * np.eye(4), features @ target)
    weights = np.clip(np.rint(exact * _UNITS), -128, 127)
    error = target - (weights / _UNITS).astype(np.float32) @ features
    if np.square(error).sum() > (1 - _LEAST_GAIN) * np.square(target).sum():
        return 0, plain
    left, above, corner, other = (int(weight) for weight in weights)
    return width, Settings(largest, _mean_size(error), (left, above, corner, other))


def _mean_size(values: NDArray[Any]) -> int:
    return max(1, round(float(np.abs(values).mean()) * _UNITS)) if values.size else 1


def _image_width(codes: NDArray[Any]) -> int:
    """The distance, over 2, at which elements of a row are most alike, if they are at distance 1; else 0.

    A single row, such as biases, looks at no image.
    """
    count = codes.shape[1]
    if len(codes) < 2:
        return 0
    spectrum = np.abs(np.fft.rfft(codes.astype(np.float64), 2 * count)) ** 2
    alike = np.fft.irfft(spectrum.sum(0), 2 * count)[: count // 2]
    if len(alike) < 6 or alike[1] < 0.05 * alike[0]:
        return 0
    return 3 + int(np.argmax(alike[3:]))
