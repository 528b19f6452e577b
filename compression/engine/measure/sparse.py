"""Time of sparse execution against dense, for a network's own layers.

Runtimes for neural networks multiply by zeros like by any other number. Here is what skipping them would be
worth: each layer's weight as a matrix (linear: outputs x inputs; convolution: output channels x inputs of
one position, k x k pixels of every input channel) times a dense matrix of activations, one column for each
image and position of the output.

* dense: ONNX Runtime's product, with weights rearranged when they are loaded, as in `measurement`;
* sparse: SciPy's product of a CSR matrix (compressed sparse rows), which works through the weights that are
  not zero.

Both on one thread, in turn, from numbers in memory to numbers in memory. Gathering a convolution's columns is
left out of both: ONNX Runtime's own convolutions need less time than their product of matrices says, so what
is measured favours sparse execution a little. `compression.results.sparse` reads from such points where the two meet.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from scipy import sparse
from torch import fx, nn

from compression.engine.measure.evaluation import Run, bound, open_session
from compression.engine.measure.machine_lock import machine_lock
from compression.engine.network.form import module_of
from compression.engine.onnx_graph import make_model
from compression.errors import NotApplicable
from compression.results.machine import THREADS
from compression.results.record import SparseTiming
from compression.watch import SILENT, Watch

MIN_SPARSITY = 0.3
"""Layers with fewer zeros are left alone: sparse products lose by far there."""
BATCH_SIZES = (1, 16)
MAX_LAYERS = 3
"""The largest ones, where there is most to gain."""
SECONDS = 0.15
"""For all layers and batch sizes together: a slider waits for it."""
SPARSITIES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
"""Of a curve: from where sparse products lose for certain to where hardly anything is left."""
MIN_PAIRS, MAX_PAIRS = 5, 100
"""A median of fewer says little; more do not change it."""
WARM_UP_RUNS = 1
"""The first run finds nothing in the processor's caches."""


@dataclass(frozen=True)
class Product:
    """A layer's weight as a matrix (outputs x inputs) and the columns it is multiplied by for one image."""

    layer: str
    weight: NDArray[np.float32]
    columns: int

    @property
    def sparsity(self) -> float:
        """Share of the weights that are zero."""
        return 1 - np.count_nonzero(self.weight) / self.weight.size

    def pruned(self, sparsity: float) -> Product:
        """The same with this share of the weights zero, those of smallest magnitude (Han et al., 2015)."""
        count = round(sparsity * self.weight.size)
        weight = self.weight.copy()
        weight.flat[np.argsort(np.abs(weight), axis=None, kind="stable")[:count]] = 0
        return replace(self, weight=weight)


def products(model: fx.GraphModule) -> list[Product]:
    """The layers of a network that are one product of matrices, largest weight first.

    Convolutions in groups (depthwise ones, say) are many small products, and left out.
    """
    found = [
        _product(node, layer)
        for node in model.graph.nodes
        if isinstance(layer := module_of(model, node), nn.Linear)
        or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
    ]
    return sorted(found, key=lambda product: -product.weight.size)


def _product(node: fx.Node, layer: nn.Conv2d | nn.Linear) -> Product:
    weight = layer.weight.detach().cpu().numpy().reshape(len(layer.weight), -1)
    height, width = node.meta["shape"][2:] if isinstance(layer, nn.Conv2d) else (1, 1)
    return Product(str(node.target), weight, height * width)


def measure_sparse(model: fx.GraphModule, *, watch: Watch = SILENT) -> tuple[SparseTiming, ...]:
    """Timings of the `MAX_LAYERS` largest layers of which at least `MIN_SPARSITY` are zeros, in some `SECONDS`.

    Empty for a network without such layers. Only one measurement runs on this machine at a time.
    """
    chosen = [product for product in products(model) if product.sparsity >= MIN_SPARSITY][:MAX_LAYERS]
    if not chosen:
        return ()
    with machine_lock(watch):
        return tuple(measure_products(chosen, SECONDS, watch))


def sparsity_curve(model: fx.GraphModule, seconds: float, *, watch: Watch = SILENT) -> list[SparseTiming]:
    """The `MAX_LAYERS` largest layers at each of `SPARSITIES`, weights pruned by magnitude, in about `seconds`.

    Raises `NotApplicable` for a network without any layer that is one product of matrices.
    """
    layers = products(model)[:MAX_LAYERS]
    if not layers:
        raise NotApplicable("This network has no layer that is one product of matrices. Choose another model.")
    timings: list[SparseTiming] = []
    with machine_lock(watch):
        for number, sparsity in enumerate(SPARSITIES):
            watch.report(number / len(SPARSITIES), f"measuring products with {100 * sparsity:.0f} % zeros")
            pruned = [layer.pruned(sparsity) for layer in layers]
            timings += measure_products(pruned, seconds / len(SPARSITIES), watch)
    return timings


def measure_products(chosen: Sequence[Product], seconds: float, watch: Watch = SILENT) -> Iterator[SparseTiming]:
    """Each product at each of `BATCH_SIZES`, in about `seconds` (> 0) together; hold the machine's lock meanwhile."""
    share = seconds / (len(chosen) * len(BATCH_SIZES))
    for product in chosen:
        for batch_size in BATCH_SIZES:
            watch.check()
            yield _measure(product, batch_size, share)


def _measure(product: Product, batch_size: int, seconds: float) -> SparseTiming:
    runs = prepare(product, batch_size * product.columns)
    dense_ms, sparse_ms = (1e3 * seconds for seconds in time_in_turn(runs, seconds))
    rows, columns = product.weight.shape
    return SparseTiming(
        layer=product.layer,
        rows=rows,
        columns=columns,
        sparsity=product.sparsity,
        batch_size=batch_size,
        dense_ms=dense_ms,
        sparse_ms=sparse_ms,
    )


def prepare(product: Product, columns: int) -> tuple[Run, Run]:
    """Calls that multiply the weight by `columns` columns of random activations: dense, sparse.

    Each gets its activations laid out as it likes them: dense columns x inputs, sparse inputs x columns.
    """
    random = np.random.default_rng(0)
    x = random.standard_normal((columns, product.weight.shape[1]), dtype=np.float32)
    matrix, transposed = sparse.csr_array(product.weight), np.ascontiguousarray(x.T)
    session = open_session(_matmul(product.weight).SerializeToString(), THREADS)
    return bound(session, x), lambda: matrix @ transposed


def _matmul(weight: NDArray[np.float32]) -> onnx.ModelProto:
    rows, columns = weight.shape
    product = helper.make_node("MatMul", ["x", "w"], ["y"])
    tensor = numpy_helper.from_array(np.ascontiguousarray(weight.T), "w")
    return make_model([product], {"x": ("N", columns)}, {"y": ("N", rows)}, [tensor])


def time_in_turn(runs: tuple[Run, Run], seconds: float) -> tuple[float, float]:
    """Median seconds of either call, in pairs until `seconds` are over, `MIN_PAIRS` to `MAX_PAIRS` of them."""
    for _ in range(WARM_UP_RUNS):
        for run in runs:
            run()
    times: tuple[list[float], list[float]] = ([], [])
    started = time.perf_counter()
    while len(times[0]) < MIN_PAIRS or (len(times[0]) < MAX_PAIRS and time.perf_counter() - started < seconds):
        for run, seen in zip(runs, times, strict=True):
            before = time.perf_counter()
            run()
            seen.append(time.perf_counter() - before)
    return statistics.median(times[0]), statistics.median(times[1])
