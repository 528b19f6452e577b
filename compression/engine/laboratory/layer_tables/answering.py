"""What each layer costs and loses at each level of each technique, the layer alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from compression.engine.build import load_network
from compression.engine.files.stored_file import decode_by_tensor
from compression.engine.laboratory.bench import Bench
from compression.engine.laboratory.layer_tables.groups import Narrower, narrower
from compression.engine.laboratory.layer_tables.lone_forms import (
    Form,
    bias_bytes,
    both_of,
    forms_of,
    seen_by_layers,
)
from compression.engine.laboratory.layer_tables.lone_layers import Key, Lone, Stopwatch, lone
from compression.engine.laboratory.layer_tables.sizes import floats_bytes
from compression.engine.network.form import WeightedLayer, weighted_calls
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.bit_allocation import divergences
from compression.engine.primitives.curvature import squared_derivatives
from compression.engine.primitives.execution import Changed, Rehearsal
from compression.engine.primitives.thin_layers import ThinForm
from compression.engine.techniques.context import fitting_images
from compression.engine.techniques.low_rank import thin_forms
from compression.inquiries.layer_tables import Cell, LayerTable, Left, TableInquiry, Tables
from compression.watch import Watch

CURVATURE_IMAGES = 64
"""Half of what weight sharing takes: the order of weights is much the same."""
FITTING_IMAGES = 256
"""Inputs of layers are taken from these, not from validation images."""
MOST_IMAGES, FEWEST_IMAGES = 500, 64
"""One of the most is a fifth of a point. Divergences are smooth: 64 give the same order of layers."""
WORK = 7.5e11
"""Multiply-accumulates of all variants on all images: 25 seconds of one core (measured: 3e10 a second)."""
BATCH = 50
"""What all layers answered to these is kept, so that only what comes behind the changed layer is computed anew."""
AT_ONCE = 4
"""Variants that go through the network together: convolutions of few images do not keep a processor busy."""


@dataclass(frozen=True)
class _Layer:
    """A layer with its calls, its forms, and how it is timed."""

    name: str
    layer: WeightedLayer
    calls: Sequence[Lone]
    forms: Sequence[Form]
    thin: ThinForm | None

    @property
    def macs(self) -> float:
        """Multiply-accumulates for one image."""
        return float(self.layer.weight.numel() * sum(call.places for call in self.calls))

    @property
    def bytes(self) -> float:
        """As floats."""
        return floats_bytes(self.layer.weight) + bias_bytes(self.layer)


@dataclass
class _Judged:
    """Sums over images of what each variant loses and gets right."""

    loss: NDArray[np.float64]
    right: NDArray[np.int64]
    whole: int = 0
    images: int = 0

    def of(self, number: int) -> tuple[float, float]:
        """Loss and accuracy of one variant."""
        return max(0.0, float(self.loss[number]) / self.images), float(self.right[number]) / self.images


def tables(inquiry: TableInquiry, bench: Bench) -> Tables:
    """Every layer of the uncompressed network at every level, fitted as the technique fits it, the others as they are.

    Quantization: GPTQ, each layer on its own inputs; zeros: the smallest weights, the others fitted; shared values:
    k-means weighted with the curvature; low rank: Tucker-2 or two matrices, weighted with the inputs; channels: the
    least by l2, their readers fitted. Biases make up for what changes on average.
    """
    original = load_network(bench.subject)
    model = fold_batch_norm(original)
    layers, groups = _variants(original, model, bench)
    changes: list[Mapping[str, Changed]] = [{one.name: form.changed} for one in layers.values() for form in one.forms]
    changes += [group.changed for group in groups]
    judged = _judge(model, changes, bench)
    watch = bench.watch.part(0.9, 1)
    clock = _Clock(layers, groups)
    clock.run(watch)
    return _tables(layers, groups, judged, clock, bench)


def _variants(
    original: fx.GraphModule, model: fx.GraphModule, bench: Bench
) -> tuple[dict[str, _Layer], list[Narrower]]:
    """All layers with their forms, and all groups of channels at each width."""
    watch = bench.watch.part(0, 0.3)
    calls: dict[str, list[tuple[fx.Node, WeightedLayer]]] = {}
    for node, layer in weighted_calls(model):
        calls.setdefault(str(node.target), []).append((node, layer))
    x = fitting_images(bench.dataset, FITTING_IMAGES)
    with torch.no_grad():
        seen = seen_by_layers(model, x, watch)
    curvature = squared_derivatives(model, x[:CURVATURE_IMAGES], 0, watch)
    thin = thin_forms(model, "tucker")
    found = {}
    with torch.no_grad():
        for number, (name, each) in enumerate(calls.items()):
            watch.report(number / len(calls), f"fitting {name}")
            layer = each[0][1]
            forms = forms_of(layer, seen[name], curvature[name], thin.get(name), watch)
            lones = [lone(model, node, layer) for node, _ in each]
            found[name] = _Layer(name, layer, lones, forms, thin.get(name))
        modules = {name: one.layer for name, one in found.items()}
        return found, list(narrower(original, model, modules, seen))


def _judge(model: fx.GraphModule, changes: Sequence[Mapping[str, Changed]], bench: Bench) -> _Judged:
    """Every variant on as many validation images as there is time for."""
    watch = bench.watch.part(0.3, 0.9)
    images = bench.dataset.validation.head(_images(model, changes))
    judged = _Judged(np.zeros(len(changes)), np.zeros(len(changes), np.int64))
    for x, y in images.batches(BATCH):
        watch.report(judged.images / len(images), f"image {judged.images:,} of {len(images):,}")
        _add_batch(Rehearsal(model, torch.from_numpy(x), watch), torch.from_numpy(y), changes, judged)
    return judged


def _images(model: fx.GraphModule, changes: Sequence[Mapping[str, Changed]]) -> int:
    """How many validation images are judged, by the operations behind what each variant changes."""
    behind: dict[str, float] = {}
    total = 0.0
    for node, layer in reversed(weighted_calls(model)):
        total += layer.weight.numel() * lone(model, node, layer).places
        behind[str(node.target)] = total
    work = sum(max((behind[name] for name in changed), default=0.0) for changed in changes)
    return max(FEWEST_IMAGES, min(MOST_IMAGES, int(WORK / max(1.0, work))))


def _add_batch(run: Rehearsal, y: Tensor, changes: Sequence[Mapping[str, Changed]], judged: _Judged) -> None:
    with torch.no_grad():
        for number, logits in enumerate(run.logits_with_each(changes, AT_ONCE)):
            judged.loss[number] += float(divergences(run.logits, logits).sum())
            judged.right[number] += int((logits.argmax(1) == y).sum())
    judged.whole += int((run.logits.argmax(1) == y).sum())
    judged.images += len(y)


class _Clock:
    """The times of all layers in all forms and sizes."""

    def __init__(self, layers: Mapping[str, _Layer], groups: Sequence[Narrower]) -> None:
        self._watch = Stopwatch()
        self._keys: dict[object, list[Key]] = {}
        for name, one in layers.items():
            self._keys[name] = [self._watch.of_sizes(call, _sizes(one.layer)) for call in one.calls]
            self._keys[name, "integers"] = [self._watch.on_integers(call) for call in one.calls]
            for form in one.forms:
                if form.ranks is not None and one.thin is not None:
                    self._keys[name, form.ranks] = [
                        self._watch.of_factors(call, one.thin, form.thinner) for call in one.calls
                    ]
        for group in groups:
            for name, sizes in group.sizes.items():
                self._keys[name, sizes] = [self._watch.of_sizes(call, sizes) for call in layers[name].calls]

    def run(self, watch: Watch) -> None:
        """Time them."""
        self._watch.run(watch)

    def ms(self, what: object) -> float:
        """Of a layer, by name, or by name and ranks or sizes."""
        return sum(map(self._watch.ms, self._keys[what]))


def _sizes(layer: WeightedLayer) -> tuple[int, int]:
    outputs, inputs = layer.weight.shape[:2]
    return outputs, inputs


def _tables(
    layers: Mapping[str, _Layer], groups: Sequence[Narrower], judged: _Judged, clock: _Clock, bench: Bench
) -> Tables:
    numbers = iter(range(len(judged.loss)))
    cells = {
        name: [_cell(one, form, judged.of(next(numbers)), clock) for form in one.forms] for name, one in layers.items()
    }
    for group in groups:
        cells[group.layer].append(_group_cell(group, layers, judged.of(next(numbers)), clock))
    rows = tuple(
        LayerTable(
            name=name,
            weights=one.layer.weight.numel(),
            bytes=one.bytes,
            macs=one.macs,
            ms=clock.ms(name),
            integer_ms=clock.ms((name, "integers")),
            cells=tuple(cells[name]),
            both=tuple(both_of(one.layer, one.forms)),
        )
        for name, one in layers.items()
    )
    return Tables(
        n_images=judged.images,
        accuracy=judged.whole / judged.images,
        layers=rows,
        other_bytes=sum(decode_by_tensor(bench.baseline.stored)[2].values()),
        other_ms=max(0.0, bench.baseline.result.latency_p50_ms - sum(row.ms for row in rows)),
    )


def _cell(one: _Layer, form: Form, found: tuple[float, float], clock: _Clock) -> Cell:
    macs, ms = one.macs, clock.ms(one.name)
    if form.ranks is not None and one.thin is not None:
        macs, ms = float(one.thin.cost_at(form.ranks).macs), clock.ms((one.name, form.ranks))
    loss, accuracy = found
    return Cell(
        technique=form.technique, level=form.level, bytes=form.bytes, macs=macs, ms=ms, loss=loss, accuracy=accuracy
    )


def _group_cell(group: Narrower, layers: Mapping[str, _Layer], found: tuple[float, float], clock: _Clock) -> Cell:
    left = tuple(
        Left(layer=name, share=outputs * inputs / np.prod(_sizes(layers[name].layer)), ms=clock.ms((name, sizes)))
        for name, sizes in group.sizes.items()
        for outputs, inputs in [sizes]
    )
    loss, accuracy = found
    return Cell(
        technique="channel_pruning",
        level=group.level,
        bytes=sum(layers[one.layer].bytes * one.share for one in left),
        macs=sum(layers[one.layer].macs * one.share for one in left),
        ms=sum(one.ms for one in left),
        loss=loss,
        accuracy=accuracy,
        left=left,
    )
