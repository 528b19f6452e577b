"""What a layer's codes cost to write down."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compression.engine.build import load_network
from compression.engine.files.codec.coders import encode_vector, packed_vector, single_code_bytes
from compression.engine.files.codec.context_coder import ContextEncoder, plan_of
from compression.engine.laboratory.bench import Bench
from compression.engine.laboratory.course.chosen_layer import layer_of, network_of
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.patterns import pattern_masks
from compression.inquiries.course import BITS, CODED_SPARSITIES, Coded, CodingInquiry


def coding(inquiry: CodingInquiry, bench: Bench) -> Coded:
    """The layer pruned by size, then rounded with a clipped grid for each output, then written in three ways.

    As in a recipe, weights go before batch norm is folded into the layer, which changes their sizes.
    """
    trained, folded = (
        layer_of(one, inquiry).weight.detach() for one in (load_network(bench.subject), network_of(bench))
    )
    rows = []
    for number, (sparsity, bits) in enumerate(itertools.product(CODED_SPARSITIES, BITS)):
        bench.watch.check()
        done = number / (len(CODED_SPARSITIES) * len(BITS))
        bench.watch.report(done, f"{bits} bits, {100 * sparsity:.0f} % zeros")
        rows.append(_measured(codes_of(trained, folded, sparsity, bits), tuple(folded.shape)))
    columns = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    table = (len(CODED_SPARSITIES), len(BITS))
    return Coded(size=folded.numel(), **{name: one.reshape(*table, *one.shape[1:]) for name, one in columns.items()})


def codes_of(trained: Tensor, folded: Tensor, sparsity: float, bits: int) -> NDArray[np.int8]:
    """The integer of each `folded` weight, of which the smallest `trained` ones are zero: with the code 0 in any grid.

    Both are the layer's weights, one shape, before and after batch norm was folded into them.
    """
    mask = pattern_masks([trained.abs()], sparsity, "layer", "weights")[0]
    kept = folded * mask
    grid = fit_affine(kept, bits, mask=mask)
    codes: NDArray[np.int8] = (grid.quantize(kept) * mask).to(torch.int8).flatten().numpy()
    return codes


def _measured(codes: NDArray[np.int8], shape: tuple[int, ...]) -> dict[str, Any]:
    """Counts, lengths of Huffman codes, then bits a weight: entropy, Huffman, arithmetic, plain."""
    counts = np.bincount(codes.astype(np.int64) - int(codes.min()), minlength=256)
    plan = plan_of(codes, shape)
    return {
        "counts": counts,
        "lengths": huffman_lengths(counts.tolist()),
        "entropy": 8 * single_code_bytes(codes) / codes.size,
        "huffman": 8 * len(encode_vector(codes, rows=shape[0])) / codes.size,
        "arithmetic": 8 * (ContextEncoder().attempt(plan).size if plan else np.nan) / codes.size,
        "plain": 8 * len(packed_vector(codes)) / codes.size,
    }


def huffman_lengths(counts: Sequence[int]) -> NDArray[np.int64]:
    """Bits of each symbol in a best prefix code (Huffman, 1952); 0 where a symbol never occurs, 1 if it is alone."""
    lengths = np.zeros(len(counts), np.int64)
    heap = [(count, symbol, [symbol]) for symbol, count in enumerate(counts) if count]
    if len(heap) == 1:
        lengths[heap[0][1]] = 1
    heapq.heapify(heap)
    while len(heap) > 1:
        (one, tie, first), (other, _, second) = heapq.heappop(heap), heapq.heappop(heap)
        lengths[first + second] += 1
        heapq.heappush(heap, (one + other, tie, first + second))
    return lengths
