"""Takes the stored and the runtime file apart, layer by layer."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime

from compression.engine.files.stored_file import decode_by_tensor
from compression.engine.laboratory.bench import Bench, Measured
from compression.engine.laboratory.names import baseline_names, is_other_family, names_of, original_of
from compression.engine.laboratory.network_picture import picture_of
from compression.engine.laboratory.onnx_layers import Call, Weight, calls_of, kind_in_words, weight_of
from compression.engine.laboratory.profiling import Profile, profile
from compression.engine.measure.evaluation import open_session
from compression.engine.onnx_graph import OnnxGraph, giving
from compression.inquiries.anatomy import Anatomy, AnatomyInquiry, FileAnatomy, LayerRow
from compression.recipe.recipe import Recipe
from compression.results.machine import BATCH_SIZE, THREADS

SHARED, OTHERS = "shared", "others"
"""Bytes of numbers that several layers use, and of those that belong to none: ranges of activations, shapes."""


@dataclass(frozen=True)
class Opened:
    """A decoded stored file with its calls of weighted layers, the layer's name for each, and bytes by initializer."""

    model: onnx.ModelProto
    calls: list[Call]
    names: list[str]
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
    before = open_baseline(bench)
    after, named = open_subject(inquiry.recipe, bench)
    other = is_other_family(inquiry.recipe)
    originals = [] if other or not named else before.names
    timed = [
        profile(one.model, one.calls, one.names, bench.watch.part(*share))
        for one, share in ((before, (0.2, 0.6)), (after, (0.6, 1.0)))
    ]
    boxes, arrows = picture_of(after.model, after.calls, after.names)
    return Anatomy(
        subject=_file(after, bench.variant, timed[1], originals),
        baseline=_file(before, bench.baseline, timed[0], before.names),
        boxes=boxes,
        arrows=arrows,
        named=named,
        other_family=other,
    )


def open_baseline(bench: Bench) -> Opened:
    """The baseline's stored file."""
    model, sizes, rest = decode_by_tensor(bench.baseline.stored)
    calls = calls_of(OnnxGraph(model.graph))
    return Opened(model, calls, baseline_names(bench, calls), sizes, rest)


def open_subject(recipe: Recipe, bench: Bench) -> tuple[Opened, bool]:
    """The recipe's stored file, and whether its layers have names that mean something."""
    model, sizes, rest = decode_by_tensor(bench.variant.stored)
    calls = calls_of(OnnxGraph(model.graph))
    names, named = names_of(recipe, bench, calls)
    return Opened(model, calls, names, sizes, rest), named


@dataclass(frozen=True)
class _Facts:
    """What rows are made from: who owns what, and the shapes of what layers give."""

    opened: Opened
    timed: Profile
    owners: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]


def _file(opened: Opened, measured: Measured, timed: Profile, originals: Sequence[str]) -> FileAnatomy:
    owners = _owners(opened)
    shapes = output_shapes(opened.model, [call.output for call in opened.calls])
    facts = _Facts(opened, timed, owners, shapes)
    rest = opened.rest | {
        SHARED: sum(size for name, size in opened.sizes.items() if owners.get(name) == SHARED),
        OTHERS: sum(size for name, size in opened.sizes.items() if name not in owners),
    }
    return FileAnatomy(
        layers=tuple(_row(name, calls, facts, original_of(name, originals)) for name, calls in opened.groups.items()),
        rest=rest,
        stored_bytes=len(measured.stored),
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
        macs=sum(_macs(weight, facts.shapes[one.output]) for one in calls),
        integer=name in timed.integer,
        ms=sum(node.ms for node in timed.nodes if node.layer == name),
    )


def _macs(weight: Weight, output: tuple[int, ...]) -> int:
    """Each weight takes part once in each position of the output."""
    return int(weight.values.size * math.prod(output[2:]))


def output_shapes(model: onnx.ModelProto, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The shapes of these values for one image, by running it."""
    session = watching(model, names)
    source = session.get_inputs()[0]
    found = session.run(list(names), {source.name: np.zeros((BATCH_SIZE, *source.shape[1:]), np.float32)})
    return {name: tuple(value.shape) for name, value in zip(names, found, strict=True)}


def watching(model: onnx.ModelProto, names: Sequence[str]) -> onnxruntime.InferenceSession:
    """A session of the file as it is, that gives these values instead of the logits."""
    return open_session(giving(model, names).SerializeToString(), THREADS, optimize=False)
