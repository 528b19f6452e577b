"""Sums that a student can do by hand: sizes, operations, code words. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FLOAT_BITS = 32
"""Bits of an ordinary weight."""


def theoretical_bytes(weights: int, others: int, bits: int, zeros: float) -> float:
    """Bytes of the weights that are not zero, at `bits` each, and of all other numbers at 32."""
    return (weights * (1 - zeros) * bits + others * FLOAT_BITS) / 8


@dataclass(frozen=True)
class ConvolutionCost:
    """Weights of a convolution with its biases, and multiply-accumulates for one image."""

    params: int
    macs: int


def whole(kernel: int, inputs: int, outputs: int, side: int) -> ConvolutionCost:
    """An ordinary convolution: each output looks at every input through its own `kernel` x `kernel` window."""
    weights = kernel * kernel * inputs * outputs
    return ConvolutionCost(weights + outputs, weights * side * side)


def separable(kernel: int, inputs: int, outputs: int, side: int) -> ConvolutionCost:
    """One window for each input, then a mixing of the inputs (Howard et al., 2017)."""
    weights = kernel * kernel * inputs + inputs * outputs
    return ConvolutionCost(weights + outputs, weights * side * side)


def thin_weights(outputs: int, inputs: int, rank: int) -> int:
    """Weights of a product of two layers with `rank` numbers between them."""
    return rank * (outputs + inputs)


def break_even_rank(outputs: int, inputs: int) -> int:
    """The largest rank at which the product has fewer weights than the layer."""
    return (outputs * inputs - 1) // (outputs + inputs)


def code_words(lengths: Sequence[int]) -> list[str]:
    """Canonical code words of these lengths (0: no word); no word is the beginning of another one."""
    words = [""] * len(lengths)
    code, before = 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - before
        words[symbol] = f"{code:0{length}b}"
        code, before = code + 1, length
    return words


def wrong_verdicts(times: ArrayLike, runs: Sequence[int]) -> NDArray[np.float64]:
    """How often the median of so many runs of each puts the slower of two networks first; a share for each of `runs`.

    `times` is 2 x rounds x n. Whoever measures takes neighbouring runs, so each trial is a stretch of them, from
    every place of every round. What is true is what all runs together say.
    """
    both = np.asarray(times, dtype=np.float64)
    truth = np.median(both[0]) < np.median(both[1])
    return np.array([_wrong_share(both, count, bool(truth)) for count in runs])


def _wrong_share(both: NDArray[np.float64], count: int, truth: bool) -> float:
    flat = both.reshape(2, -1) if count > both.shape[2] else both
    windows = np.lib.stride_tricks.sliding_window_view(flat, count, axis=-1)
    medians = np.median(windows, axis=-1)
    return float(((medians[0] < medians[1]) != truth).mean())
