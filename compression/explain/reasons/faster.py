"""Rules on why an inference is not faster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from compression import units
from compression.explain.layers import time_by_kind
from compression.explain.reasons.evidence import NAMED, Evidence, Finding, Rule, named
from compression.explain.sizes import is_pruned
from compression.kernels import KERNEL_CHANNELS
from compression.recipe import steps
from compression.recipe.recipe import Recipe
from compression.recipe.words import option
from compression.results.record import Result, SparseTiming

DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}
"""Instructions that multiply and add 8-bit numbers four or more at a time."""

SMALL_MS = 0.005
"""A node that takes less than five microseconds is mostly the work of starting it."""

MOSTLY_STARTING = 0.3
"""From this share of such nodes' time on, a network is said to be mostly started."""

HALF_BITS, INTEGER_BITS = 16, 8
"""Weights that are half-precision floats; the only width for which there are integer kernels."""

MOSTLY = 0.9
"""From this share of the operations on, integer kernels are said to run the network."""

NARROWING = steps.ChannelPruning | steps.Distillation | steps.SlimmableStudent
"""Steps that leave fewer channels."""


def _slow_integers(seen: Evidence) -> Finding:
    machine = seen.result.machine
    integer = [row for row in seen.layers if row.integer]
    found = sorted(DOT_PRODUCTS & set(machine.instruction_sets))
    has = f"This CPU ({machine.cpu}) has {', '.join(found)}" if found else f"This CPU ({machine.cpu}) has none of these"
    use = f"{len(integer)} of {len(seen.layers)} layers run on integers."
    return Finding(
        "The CPU has no instructions for 8-bit products",
        bool(integer) and not found,
        f"{has}. {use}",
        "Integers pay on a CPU with VNNI, AMX or dot products (x86 servers since 2019, most phones). Here, channel "
        "pruning or a smaller student saves time.",
    )


def _float_kernels(seen: Evidence) -> Finding:
    """Integer kernels, which were slower on none of the sample models but where starting nodes takes the time."""
    slow = [row for row in seen.layers if not row.integer]
    coded = [row for row in slow if row.format != "float32"]
    wants = bool(coded) or seen.step(steps.Quantization) is not None
    share = sum(row.macs for row in slow) / max(1, seen.result.macs)
    how = f"; {len(coded)} of them hold codes that are turned into floats at loading" if coded else ""
    return Finding(
        "Layers compute in float",
        wants and share >= 0.1,
        f"{len(slow)} of {len(seen.layers)} layers compute in 32-bit floats, {units.share(share)} of the "
        f"operations{how}.",
        "Integer kernels need 8-bit activations as well: quantize both. Shared values and 16 bits only save bytes."
        if _integers_pay(seen)
        else "Nothing to do here: on this CPU, or in a network whose nodes take longer to start than to compute, "
        "integer kernels are no faster.",
        _integers(seen) if _integers_pay(seen) else None,
    )


def _integers_pay(seen: Evidence) -> bool:
    has_products = not DOT_PRODUCTS.isdisjoint(seen.result.machine.instruction_sets)
    return has_products and _tiny_share(seen) < MOSTLY_STARTING


def _integers(seen: Evidence) -> Recipe | None:
    if seen.step(steps.WeightSharing):
        return None
    changes: dict[str, Any] = {"activation_bits": 8}
    step = seen.step(steps.Quantization)
    if step is None or step.weight_bits == 16:
        changes["weight_bits"] = 8
    return seen.with_step(steps.Quantization, **changes)


def _floats_in_short(recipe: Recipe, result: Result) -> Iterator[str]:
    """Fewer bits or fewer different values in the file, but not in the kernels."""
    for step in recipe.steps:
        if isinstance(step, steps.WeightSharing):
            yield "Shared values become floats again when the file is loaded: they save bytes, not time."
        elif isinstance(step, steps.Quantization):
            yield _quantization_in_short(step, result)


def _quantization_in_short(step: steps.Quantization, result: Result) -> str:
    if step.weight_bits == HALF_BITS:
        return "16-bit weights become 32-bit floats when the file is loaded: they save bytes, not time."
    if step.activation_bits is None:
        return "Without 8-bit activations the weights become floats before each layer: integer kernels do not run."
    share = result.integer_macs / result.macs if result.macs else 1.0
    if share < MOSTLY:
        return f"Integer kernels carry out {units.share(share)} of the operations; the rest runs on floats."
    if step.activations == "dynamic":
        return "Finding the range of every layer's input anew for each image costs what integer kernels save."
    fewer = f"Integer kernels take 8 bits: {step.weight_bits}-bit weights are smaller in the file, not faster. "
    why = (
        f"This CPU ({result.machine.cpu}) has no instructions for 8-bit products, such as VNNI or AMX, so that "
        "integers save little."
        if DOT_PRODUCTS.isdisjoint(result.machine.instruction_sets)
        else "Converting to integers and back can cost what those kernels save, most of all in small layers."
    )
    return fewer * (step.weight_bits < INTEGER_BITS) + why


def _rounding_time(seen: Evidence) -> Finding:
    kinds = time_by_kind(seen.anatomy.subject)
    spent = kinds["rounding"] + kinds["ranges"]
    share = spent / max(1e-9, seen.anatomy.subject.nodes_ms)
    step = seen.step(steps.Quantization)
    dynamic = step is not None and step.activations == "dynamic"
    return Finding(
        "Rounding takes the time that integers save",
        share >= 0.1,
        f"{units.short_time(spent)} or {units.share(share)} of the time of all nodes go into rounding to integers and "
        "back" + (" and into finding ranges for each image." if kinds["ranges"] else "."),
        "Fixed ranges cost less than finding them for each image."
        if dynamic
        else "Rounding costs the same however large a layer is: it pays in larger models.",
        seen.with_step(steps.Quantization, activations="static") if dynamic else None,
    )


def _odd_channels(seen: Evidence) -> Finding:
    before = {row.name: row for row in seen.anatomy.baseline.layers}
    odd = [
        row
        for row in seen.layers
        if row.kind != "Linear"
        and row.shape[0] % KERNEL_CHANNELS
        and not (row.original in before and before[row.original].shape == row.shape)
    ]
    channels = [f"{row.name}: {row.shape[0]}" for row in odd]
    share = sum(row.ms for row in odd) / max(1e-9, seen.anatomy.subject.nodes_ms)
    text = (
        f"{len(odd)} convolution{'s have' if len(odd) > 1 else ' has'} a number of channels that {KERNEL_CHANNELS} "
        f"does not divide{named(channels)}; {'they take' if len(odd) > 1 else 'it takes'} "
    )
    return Finding(
        f"Channels are no multiple of {KERNEL_CHANNELS}",
        bool(odd) and share >= 0.1,
        text + f"{units.share(share)} of the time."
        if odd
        else f"All convolutions whose shape was changed have a multiple of {KERNEL_CHANNELS} channels.",
        f"Round channels to multiples of {KERNEL_CHANNELS}: kernels fill whole blocks, and more channels may be "
        "faster.",
        seen.changed(steps.ChannelPruning, round_to=KERNEL_CHANNELS),
    )


def _odd_channels_in_short(recipe: Recipe, result: Result) -> Iterator[str]:
    pruned = (step for step in recipe.steps if isinstance(step, steps.ChannelPruning))
    if result.latency_ratio_low > 1 and any(step.round_to % KERNEL_CHANNELS for step in pruned):
        yield (
            f"Kernels work on blocks of {KERNEL_CHANNELS} channels, and what is left fills no whole blocks: "
            f"try rounding channels to multiples of {KERNEL_CHANNELS} (Advanced)."
        )


def _tiny_share(seen: Evidence) -> float:
    """Share of the nodes' time that goes into those that are mostly started."""
    tiny = sum(node.ms for node in seen.anatomy.subject.nodes if node.ms < SMALL_MS)
    return tiny / max(1e-9, seen.anatomy.subject.nodes_ms)


def _tiny_nodes(seen: Evidence) -> Finding:
    nodes = seen.anatomy.subject.nodes
    tiny = [node.ms for node in nodes if node.ms < SMALL_MS]
    share = _tiny_share(seen)
    return Finding(
        "The model is so small that starting its nodes takes the time",
        share >= MOSTLY_STARTING,
        f"{len(tiny)} of {len(nodes)} nodes take less than {units.short_time(SMALL_MS)} each, {units.share(share)} of "
        "the time of all nodes together. Such a node is mostly started, not computed.",
        "Fewer layers help, narrower ones hardly do. Several images at once (a batch) start each node only once.",
    )


def _tiny_nodes_in_short(recipe: Recipe, result: Result) -> Iterator[str]:
    if any(isinstance(step, NARROWING) for step in recipe.steps) and not _family(recipe):
        yield "In a small network, starting each layer takes most of the time, however narrow it is."


def _family(recipe: Recipe) -> str:
    """The name of the other family of networks that a student is of; nothing where it is like its teacher."""
    students = [step.student for step in recipe.steps if isinstance(step, steps.Distillation)]
    return next((option(steps.Distillation, "student", other).label for other in students if other != "same"), "")


def _multiplied_zeros(seen: Evidence) -> Finding:
    macs = sum(row.macs for row in seen.layers)
    wasted = sum(row.macs * (1 - row.nonzero / row.weights) for row in seen.layers) / max(1, macs)
    pruned = is_pruned(seen.result)
    single = _one_image(seen.result)
    skipping = ""
    if single is not None:
        change = units.speed_change(single.sparse_ms / single.dense_ms)
        skipping = f" A product that skips them would be {change} in {single.layer} (measured apart)."
    return Finding(
        "Zeros are multiplied like any other number",
        pruned and wasted >= 0.2,
        f"{units.share(wasted)} of the operations multiply by a weight that was pruned; ONNX Runtime skips none."
        f"{skipping}"
        if pruned
        else "No weights were pruned: a zero is a value like any other.",
        "Remove whole channels instead of single weights: then the layers really get smaller. The stored file becomes "
        "larger than with the zeros.",
        seen.channels_instead(),
    )


def _multiplied_zeros_in_short(recipe: Recipe, result: Result) -> Iterator[str]:
    """Zeros that the runtime multiplies by, and what skipping them would be worth where that was measured."""
    patterns = {step.pattern for step in recipe.steps if isinstance(step, steps.WeightPruning)}
    if not patterns:
        return
    if patterns & steps.PATTERN_SPARSITY.keys():
        yield "Patterns such as 2:4 are made for graphics processors: no kernel on CPUs skips their zeros."
        return
    zeros = "Blocks of zeros" if "blocks" in patterns else "Single zeros"
    yield f"{zeros} save no time: ONNX Runtime multiplies by them. Removing whole channels does."
    single = _one_image(result)
    if single:
        change = units.speed_change(single.sparse_ms / single.dense_ms)
        would = "would even" if change.endswith("slower") else "would"
        yield (
            f"With {units.share(single.sparsity)} zeros, a product that skips them {would} make the largest "
            f"layer ({single.layer}) {change} (measured apart, with SciPy)."
        )


def _one_image(result: Result) -> SparseTiming | None:
    """The timing of the largest sparse layer for one image at a time."""
    return next((timing for timing in result.sparse if timing.batch_size == 1), None)


def _more_nodes(seen: Evidence) -> Finding:
    now, before = len(seen.anatomy.subject.nodes), len(seen.anatomy.baseline.nodes)
    return Finding(
        "There are more nodes to run",
        now > 1.2 * before,
        f"The runtime runs {now} nodes, {before} before.",
        "Each node has to be started and passes its numbers through memory. That pays where it saves more, which is in "
        "larger layers.",
    )


def _more_nodes_in_short(recipe: Recipe, result: Result) -> Iterator[str]:
    """Other layers in place of the old ones."""
    if result.latency_ratio_low > 1 and (family := _family(recipe)):
        yield (
            f"{family} has many more layers than this model: each has to be started, however few operations it needs."
        )
    if any(isinstance(step, steps.LowRank | steps.DepthwiseSeparable) for step in recipe.steps):
        yield (
            "The thin layers need no fewer operations than those they replace: keep a smaller share."
            if result.macs >= result.baseline.macs
            else "Several thin layers in place of one have to be started and pass more numbers through memory: in "
            "small layers that can cost more than fewer operations save."
        )


def _same_work(seen: Evidence) -> Finding:
    result = seen.result
    fewer = result.baseline.params / max(1, result.params)
    less = result.baseline.macs / max(1, result.macs)
    fired = fewer > 1.3 and less < 1 + (fewer - 1) / 3
    step = seen.step(steps.ChannelPruning)
    is_more = step is not None and not step.levels and less < 1 / (1 - step.pruning_ratio)  # than are removed now
    return Finding(
        "Weights went where there is little work",
        fired,
        f"{units.factor(fewer)} fewer parameters, but {units.factor(less)} fewer operations."
        if fewer > 1.005
        else f"The network has as many parameters as before ({units.count(result.params)}), and as many operations.",
        "Have channels pruned for operations (MACs) or for measured time instead of for their number."
        if is_more
        else "Most weights are often in linear layers, most operations in convolutions: compress the layers with many "
        "MACs (sort the table of layers by them).",
        seen.changed(steps.ChannelPruning, target="macs") if is_more else None,
    )


def _same_work_in_short(recipe: Recipe, result: Result) -> Iterator[str]:
    kinds = {type(step) for step in recipe.steps}
    if steps.LayerTying in kinds:
        yield "Blocks that share weights are stored once, but each of them still runs."
    if kinds == {steps.EntropyCoding}:
        yield "Entropy coding is undone before the network runs: it saves bytes, not time."


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
    told = ((row.name, *map(units.short_time, (row.ms, before[row.name].ms))) for row in worst)
    times = ", ".join(f"{name} {after}, {then} before" for name, after, then in told)
    rounded = bool(slower) and all(row.integer for row in slower)
    floats_are_faster = rounded and seen.result.latency_ratio_low > 1  # else integers save elsewhere what they cost
    return Finding(
        "Some layers got slower",
        bool(slower),
        f"{len(slower)} of {len(seen.layers)} layers take{'' if len(slower) > 1 else 's'} longer, together "
        f"{units.short_time(lost)} more: {times}."
        if slower
        else "No layer that was there before takes much longer now.",
        "Integer kernels are slow where there are few channels, as in a first layer: what they save elsewhere must "
        "make up for it. Weights alone in few bits leave the float kernels as they were."
        if rounded
        else f"Kernels are made for certain shapes: a multiple of {KERNEL_CHANNELS} channels, or the shape as it was, "
        "can be faster.",
        seen.changed(steps.Quantization, activation_bits=None, activations="static") if floats_are_faster else None,
    )


def _other_time(seen: Evidence) -> Finding:
    kinds = time_by_kind(seen.anatomy.subject)
    share = (kinds["layout"] + kinds["others"]) / max(1e-9, seen.anatomy.subject.nodes_ms)
    return Finding(
        "The time is not spent in layers with weights",
        share >= 0.25,
        f"{units.share(share)} of the time of all nodes go into pooling, additions and rearranging numbers in memory "
        f"({units.share(kinds['layout'] / max(1e-9, seen.anatomy.subject.nodes_ms))} into rearranging alone).",
        "Compressing weights does not shorten these. Fewer channels make them cheaper too.",
    )


RULES = (
    Rule(_slower_layers),
    Rule(_float_kernels, _floats_in_short),
    Rule(_multiplied_zeros, _multiplied_zeros_in_short),
    Rule(_slow_integers),
    Rule(_rounding_time),
    Rule(_odd_channels, _odd_channels_in_short),
    Rule(_tiny_nodes, _tiny_nodes_in_short),
    Rule(_more_nodes, _more_nodes_in_short),
    Rule(_same_work, _same_work_in_short),
    Rule(_other_time),
)
"""The most telling ones first."""
