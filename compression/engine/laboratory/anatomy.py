"""Takes the stored and the runtime file apart, layer by layer."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from compression.engine.files.stored_file import decode_by_tensor
from compression.engine.laboratory.bench import Bench
from compression.engine.laboratory.names import is_other_family, names_of, original_of
from compression.engine.laboratory.network_picture import picture_of
from compression.engine.laboratory.profiling import Profile, profile
from compression.engine.measure.memory import values_of
from compression.engine.onnx_graph import OnnxGraph
from compression.engine.onnx_layers import Call, calls_of, kind_in_words, weight_of
from compression.engine.run import RunOutput
from compression.inquiries.anatomy import Anatomy, AnatomyInquiry, FileAnatomy, LayerRow
from compression.recipe.recipe import Recipe

SHARED, OTHERS = "shared", "others"
"""Bytes of numbers that several layers use, and of those that belong to none: ranges of activations, shapes."""


@dataclass(frozen=True)
class Opened:
    """A decoded stored file with its calls of weighted layers, the layer's name for each, and bytes by initializer.

    `named` where the names are those of the network's modules.
    """

    model: onnx.ModelProto
    calls: list[Call]
    names: list[str]
    named: bool
    sizes: dict[str, int]
    rest: dict[str, int]

    @functools.cached_property
    def graph(self) -> OnnxGraph:
        """For walking in the model's graph."""
        return OnnxGraph(self.model.graph)

    @property
    def groups(self) -> dict[str, list[Call]]:
        """The calls of each layer by its name, in the order of first calls."""
        found: dict[str, list[Call]] = {}
        for name, call in zip(self.names, self.calls, strict=True):
            found.setdefault(name, []).append(call)
        return found


def anatomy(inquiry: AnatomyInquiry, bench: Bench) -> Anatomy:
    """Rows of this network and of its baseline, nodes with their times, and a picture."""
    bench.watch.report(0, "reading the stored files")
    before, after = open_both(inquiry.recipe, bench)
    other = is_other_family(inquiry.recipe)
    originals = [] if other or not after.named else before.names
    timed = [
        profile(one.model, one.calls, one.names, bench.watch.part(*share))
        for one, share in ((before, (0.2, 0.6)), (after, (0.6, 1.0)))
    ]
    boxes, arrows = picture_of(after.model, after.calls, after.names)
    return Anatomy(
        subject=_file(after, timed[1], originals),
        baseline=_file(before, timed[0], before.names),
        boxes=boxes,
        arrows=arrows,
        named=after.named,
        other_family=other,
    )


def open_both(recipe: Recipe, bench: Bench) -> tuple[Opened, Opened]:
    """The stored file of the recipe's baseline, and its own."""
    return _opened(recipe.baseline(), bench.baseline, bench), _opened(recipe, bench.variant, bench)


def _opened(recipe: Recipe, measured: RunOutput, bench: Bench) -> Opened:
    model, sizes, rest = decode_by_tensor(measured.stored)
    calls = calls_of(OnnxGraph(model.graph))
    return Opened(model, calls, *names_of(recipe, bench, calls), sizes, rest)


@dataclass(frozen=True)
class _Facts:
    """What rows are made from: who owns what, and the shapes of what layers give."""

    opened: Opened
    timed: Profile
    owners: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]


def _file(opened: Opened, timed: Profile, originals: Sequence[str]) -> FileAnatomy:
    owners = _owners(opened)
    answers = values_of(opened.model, [call.output for call in opened.calls])
    facts = _Facts(opened, timed, owners, {name: value.shape for name, value in answers.items()})
    rest = opened.rest | {
        SHARED: sum(size for name, size in opened.sizes.items() if owners.get(name) == SHARED),
        OTHERS: sum(size for name, size in opened.sizes.items() if name not in owners),
    }
    return FileAnatomy(
        layers=tuple(_row(name, calls, facts, original_of(name, originals)) for name, calls in opened.groups.items()),
        rest=rest,
        stored_bytes=sum(opened.sizes.values()) + sum(opened.rest.values()),
        nodes=timed.nodes,
        run_ms=timed.run_ms,
        overhead_ms=timed.overhead_ms,
        runs=timed.runs,
    )


def _owners(opened: Opened) -> dict[str, str]:
    """The layer that each initializer belongs to; `SHARED` where several use it. Others are left out."""
    users: dict[str, set[str]] = {}
    for name, call in zip(opened.names, opened.calls, strict=True):
        for tensor in call.tensors:
            users.setdefault(tensor, set()).add(name)
    return {tensor: next(iter(names)) if len(names) == 1 else SHARED for tensor, names in users.items()}


def _row(name: str, calls: Sequence[Call], facts: _Facts, original: str) -> LayerRow:
    opened, timed, call = facts.opened, facts.timed, calls[0]
    weight = weight_of(opened.graph, call)
    mine = {tensor for one in calls for tensor in one.tensors if facts.owners[tensor] == name}
    codes = opened.graph.holder(call.weight_name)
    return LayerRow(
        name=name,
        kind=kind_in_words(call, weight.values.shape),
        shape=weight.values.shape,
        original=original,
        calls=len(calls),
        groups=call.groups,
        weights=weight.values.size,
        parameters=weight.values.size + call.biases,
        nonzero=int(np.count_nonzero(weight.values)),
        format=weight.format,
        bits=weight.bits,
        levels=weight.levels,
        stored_bytes=sum(opened.sizes[tensor] for tensor in mine),
        weight_bytes=opened.sizes[codes] if codes in mine else 0,
        runtime_bytes=sum(len(opened.graph.tensors[tensor].raw_data) for tensor in mine),
        macs=sum(weight.values.size * math.prod(facts.shapes[one.output][2:]) for one in calls),  # once a position
        integer=name in timed.integer,
        ms=sum(node.ms for node in timed.nodes if node.layer == name),
    )
