"""Rules on why an inference is not faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from compression import units
from compression.explain.layers import time_by_kind
from compression.explain.reasons.evidence import NAMED, Evidence, Finding, percent
from compression.inquiries.anatomy import LayerRow
from compression.recipe.recipe import Recipe
from compression.recipe.steps import ChannelPruning, Quantization, WeightSharing

DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}
"""Instructions that multiply and add 8-bit numbers four or more at a time."""

SMALL_MS = 0.005
"""A node that takes less than five microseconds is mostly the work of starting it."""

KERNEL_BLOCK = 8
"""Channels that a vector instruction takes at once; ONNX Runtime's convolutions work on blocks of 8 or 16."""


def _slow_integers(seen: Evidence) -> Finding:
    machine = seen.result.machine
    integer = [row for row in seen.layers if row.integer]
    found = sorted(DOT_PRODUCTS & set(machine.instruction_sets))
    has = f"This CPU ({machine.cpu}) has {', '.join(found)}" if found else f"This CPU ({machine.cpu}) has none of these"
    use = f"{len(integer)} of {len(seen.layers)} layers run on integers."
    return Finding(
        "speed",
        "The CPU has no instructions for 8-bit products",
        bool(integer) and not found,
        f"{has}. {use}",
        "Integers pay on a CPU with VNNI, AMX or dot products (x86 servers since 2019, most phones). Here, channel "
        "pruning or a smaller student saves time.",
    )


def _float_kernels(seen: Evidence) -> Finding:
    slow = [row for row in seen.layers if not row.integer]
    coded = [row for row in slow if row.format != "float32"]
    wants = bool(coded) or seen.has(Quantization)
    share = sum(row.macs for row in slow) / max(1, seen.result.macs)
    how = f"; {len(coded)} of them hold codes that are turned into floats at loading" if coded else ""
    return Finding(
        "speed",
        "Layers compute in float",
        wants and share >= 0.1,
        f"{len(slow)} of {len(seen.layers)} layers compute in 32-bit floats, {percent(share)} of the operations{how}.",
        "Integer kernels need 8-bit activations as well: quantize both. Shared values and 16 bits only save bytes.",
        _integers(seen) if wants and share >= 0.1 else None,
    )


def _integers(seen: Evidence) -> Recipe | None:
    if seen.has(WeightSharing):
        return None
    changes: dict[str, Any] = {"activation_bits": 8}
    step = next((step for step in seen.recipe.steps if isinstance(step, Quantization)), None)
    if step is None or step.weight_bits == 16:
        changes["weight_bits"] = 8
    return seen.with_step(Quantization, **changes)


def _rounding_time(seen: Evidence) -> Finding:
    kinds = time_by_kind(seen.anatomy.subject)
    spent = kinds["rounding"] + kinds["ranges"]
    share = spent / max(1e-9, seen.anatomy.subject.nodes_ms)
    dynamic = any(isinstance(step, Quantization) and step.activations == "dynamic" for step in seen.recipe.steps)
    return Finding(
        "speed",
        "Rounding takes the time that integers save",
        share >= 0.1,
        f"{1000 * spent:.0f} µs or {percent(share)} of the time of all nodes go into rounding to integers and "
        "back" + (" and into finding ranges for each image." if kinds["ranges"] else "."),
        "Fixed ranges cost less than finding them for each image."
        if dynamic
        else "Rounding costs the same however large a layer is: it pays in larger models.",
        seen.with_step(Quantization, activations="static") if dynamic and share >= 0.1 else None,
    )


def _odd_channels(seen: Evidence) -> Finding:
    before = {row.name: row for row in seen.anatomy.baseline.layers}
    odd = [
        row
        for row in seen.layers
        if row.kind != "Linear"
        and row.shape[0] % KERNEL_BLOCK
        and not (row.original in before and before[row.original].shape == row.shape)
    ]
    share = sum(row.ms for row in odd) / max(1e-9, seen.anatomy.subject.nodes_ms)
    text = (
        f"{len(odd)} convolution{'s have' if len(odd) > 1 else ' has'} a number of channels that {KERNEL_BLOCK} does "
        f"not divide{_channels(odd)}; {'they take' if len(odd) > 1 else 'it takes'} "
    )
    return Finding(
        "speed",
        f"Channels are no multiple of {KERNEL_BLOCK}",
        bool(odd) and share >= 0.1,
        text + f"{percent(share)} of the time."
        if odd
        else f"All convolutions whose shape was changed have a multiple of {KERNEL_BLOCK} channels.",
        f"Round channels to multiples of {KERNEL_BLOCK}: kernels fill whole blocks, and more channels may be faster.",
        seen.with_step(ChannelPruning, round_to=KERNEL_BLOCK) if odd and seen.has(ChannelPruning) else None,
    )


def _channels(rows: Sequence[LayerRow]) -> str:
    named = ", ".join(f"{row.name}: {row.shape[0]}" for row in rows[:NAMED])
    return f" ({named}{', …' if len(rows) > NAMED else ''})" if rows else ""


def _tiny_nodes(seen: Evidence) -> Finding:
    nodes = seen.anatomy.subject.nodes
    tiny = [node.ms for node in nodes if node.ms < SMALL_MS]
    share = sum(tiny) / max(1e-9, seen.anatomy.subject.nodes_ms)
    return Finding(
        "speed",
        "The model is so small that starting its nodes takes the time",
        share >= 0.3,
        f"{len(tiny)} of {len(nodes)} nodes take less than {1000 * SMALL_MS:.0f} µs each, {percent(share)} of "
        "the time of all nodes together. Such a node is mostly started, not computed.",
        "Fewer layers help, narrower ones hardly do. Several images at once (a batch) start each node only once.",
    )


def _multiplied_zeros(seen: Evidence) -> Finding:
    macs = sum(row.macs for row in seen.layers)
    wasted = sum(row.macs * (1 - row.nonzero / row.weights) for row in seen.layers) / max(1, macs)
    single = next((timing for timing in seen.result.sparse if timing.batch_size == 1), None)
    skipping = ""
    if single is not None:
        factor = single.dense_ms / single.sparse_ms
        ratio = f"{units.factor(factor)} faster" if factor > 1 else f"{units.factor(1 / factor)} slower"
        skipping = f" A product that skips them would be {ratio} in {single.layer} (measured apart)."
    return Finding(
        "speed",
        "Zeros are multiplied like any other number",
        wasted >= 0.2,
        f"{percent(wasted)} of the operations multiply by a weight that is zero; ONNX Runtime skips none.{skipping}",
        "Remove whole channels instead of single weights: then the layers really get smaller.",
        seen.channels_instead() if wasted >= 0.2 else None,
    )


def _more_nodes(seen: Evidence) -> Finding:
    now, before = len(seen.anatomy.subject.nodes), len(seen.anatomy.baseline.nodes)
    return Finding(
        "speed",
        "There are more nodes to run",
        now > 1.2 * before,
        f"The runtime runs {now} nodes, {before} before.",
        "Each node has to be started and passes its numbers through memory. That pays where it saves more, which is in "
        "larger layers.",
    )


def _same_work(seen: Evidence) -> Finding:
    result = seen.result
    fewer = result.baseline.params / max(1, result.params)
    less = result.baseline.macs / max(1, result.macs)
    fired = fewer > 1.3 and less < 1 + (fewer - 1) / 3
    return Finding(
        "speed",
        "Weights went where there is little work",
        fired,
        f"{units.factor(fewer)} fewer parameters, but {units.factor(less)} fewer operations."
        if fewer > 1.005
        else f"The network has as many parameters as before ({units.count(result.params)}), and as many operations.",
        "Have channels pruned for operations (MACs) or for measured time instead of for their number."
        if seen.has(ChannelPruning)
        else "Most weights are often in linear layers, most operations in convolutions: compress the layers with many "
        "MACs (sort the table of layers by them).",
        seen.with_step(ChannelPruning, target="macs") if fired and seen.has(ChannelPruning) else None,
    )


def _slower_layers(seen: Evidence) -> Finding:
    before = {row.name: row for row in seen.anatomy.baseline.layers}
    slower = [
        row
        for row in seen.layers
        if row.name in before
        and row.original == row.name
        and row.ms > 1.3 * before[row.name].ms
        and row.ms - before[row.name].ms > SMALL_MS
    ]
    lost = sum(row.ms - before[row.name].ms for row in slower)
    worst = sorted(slower, key=lambda row: before[row.name].ms - row.ms)[:NAMED]
    named = ", ".join(f"{row.name} {1000 * row.ms:.0f} µs, {1000 * before[row.name].ms:.0f} before" for row in worst)
    rounded = bool(slower) and all(row.integer for row in slower)
    return Finding(
        "speed",
        "Some layers got slower",
        bool(slower),
        f"{len(slower)} of {len(seen.layers)} layers take{'' if len(slower) > 1 else 's'} longer, together "
        f"{1000 * lost:.0f} µs more: {named}."
        if slower
        else "No layer that was there before takes much longer now.",
        "Integer kernels are slow where there are few channels, as in a first layer: what they save elsewhere must "
        "make up for it. Weights alone in few bits leave the float kernels as they were."
        if rounded
        else "Kernels are made for certain shapes: a multiple of 8 channels, or the shape as it was, can be faster.",
        seen.with_step(Quantization, activation_bits=None, activations="static")
        if rounded and seen.has(Quantization)
        else None,
    )


def _other_time(seen: Evidence) -> Finding:
    kinds = time_by_kind(seen.anatomy.subject)
    share = (kinds["layout"] + kinds["others"]) / max(1e-9, seen.anatomy.subject.nodes_ms)
    return Finding(
        "speed",
        "The time is not spent in layers with weights",
        share >= 0.25,
        f"{percent(share)} of the time of all nodes go into pooling, additions and rearranging numbers in memory "
        f"({percent(kinds['layout'] / max(1e-9, seen.anatomy.subject.nodes_ms))} into rearranging alone).",
        "Compressing weights does not shorten these. Fewer channels make them cheaper too.",
    )


RULES: tuple[Callable[[Evidence], Finding], ...] = (
    _slower_layers,
    _float_kernels,
    _multiplied_zeros,
    _slow_integers,
    _rounding_time,
    _odd_channels,
    _tiny_nodes,
    _more_nodes,
    _same_work,
    _other_time,
)
"""The most telling ones first."""
