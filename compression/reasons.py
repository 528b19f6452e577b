"""Why is it not smaller, why is it not faster? Rules that are tried on a result's own measurements. Torch-free.

Each rule says what was measured, whether that is a cause, and what to do about it; where the remedy is another recipe,
it is given. Unlike `compression.verdict`, which knows a result's row only, these know every layer and node.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from compression import wording
from compression.errors import InvalidRecipe
from compression.inspection.layers import time_by_kind
from compression.recipe import ChannelPruning, EntropyCoding, Quantization, Recipe, Step, WeightSharing, make_recipe
from compression.result import Result
from compression.studies.anatomy import Anatomy, LayerRow

Question = Literal["size", "speed"]

DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}
"""Instructions that multiply and add 8-bit numbers four or more at a time."""

SMALL_MS = 0.005
"""A node that takes less than five microseconds is mostly the work of starting it."""

KERNEL_BLOCK = 8
"""Channels that a vector instruction takes at once; ONNX Runtime's convolutions work on blocks of 8 or 16."""

NAMED = 3
"""Layers that are named in a sentence."""


@dataclass(frozen=True)
class Finding:
    """One rule on one result. `fired`: it is a cause. `measured` and `remedy` are sentences."""

    question: Question
    title: str
    fired: bool
    measured: str
    remedy: str
    recipe: Recipe | None = None


@dataclass(frozen=True)
class Evidence:
    """What rules look at."""

    result: Result
    anatomy: Anatomy

    @property
    def recipe(self) -> Recipe:
        """The result's recipe."""
        return Recipe.model_validate(self.result.recipe)

    @property
    def layers(self) -> tuple[LayerRow, ...]:
        """The result's layers."""
        return self.anatomy.subject.layers

    def with_step(self, kind: type[Step], **settings: Any) -> Recipe | None:  # noqa: ANN401  (settings of any type)
        """The recipe with these settings in its step of this kind, or with such a step more; None if that is none."""
        steps = [step.model_dump(mode="json") for step in self.recipe.steps]
        name = kind.model_fields["technique"].default
        if any(step["technique"] == name for step in steps):
            changed = [{**step, **settings} if step["technique"] == name else step for step in steps]
            return self._first_legal([changed])
        places = range(len(steps) + 1) if kind is ChannelPruning else range(len(steps), -1, -1)
        new = {"technique": name, **settings}
        return self._first_legal([[*steps[:place], new, *steps[place:]] for place in places])

    def channels_instead(self) -> Recipe | None:
        """The recipe with half of the channels removed in place of single weights."""
        kept = [step for step in self.recipe.steps if step.technique not in _SPARSE]
        result = self.result.model_copy(update={"recipe": {**self.result.recipe, "steps": kept}})
        return replace(self, result=result).with_step(ChannelPruning, pruning_ratio=0.5)

    def _first_legal(self, choices: Iterable[list[dict[str, Any]]]) -> Recipe | None:
        for steps in choices:
            with contextlib.suppress(InvalidRecipe):
                made = make_recipe(self.recipe.model, steps, self.recipe.seed)
                return made if made != self.recipe else None
        return None


_SPARSE = ("magnitude_pruning", "second_order_pruning")


def findings(result: Result, anatomy: Anatomy) -> list[Finding]:
    """All rules, those that fired first, in their order."""
    evidence = Evidence(result, anatomy)
    found = [rule(evidence) for rule in RULES]
    return sorted(found, key=lambda finding: not finding.fired)


# --- size --------------------------------------------------------------------------------------------------------


def _dense_zeros(seen: Evidence) -> Finding:
    zeros = seen.result.runtime_ledger.get("zeros", 0)
    share = zeros / seen.result.onnx_bytes
    positions = wording.size(seen.result.ledger.get("positions", 0))
    return Finding(
        "size",
        "Zeros stay dense in the runtime file",
        share >= 0.1,
        f"{_percent(share)} of the runtime file ({wording.size(zeros)}) are weights that are zero and are stored like "
        f"any other number. The stored file needs {positions} to say where they are.",
        "Ship the stored file, or a zip of the runtime file: both find the zeros. Removing whole channels makes the "
        "runtime file itself smaller.",
        seen.channels_instead() if share >= 0.1 else None,
    )


def _float_layers(seen: Evidence) -> Finding:
    floats = [row for row in seen.layers if row.format == "float32"]
    share = sum(row.stored_bytes for row in floats) / seen.result.stored_bytes
    which = f"{len(floats)} of {len(seen.layers)} layers have 32-bit floats as weights"
    return Finding(
        "size",
        "Layers are left in float",
        share >= 0.1,
        f"{which}{_named(floats)}; they take {_percent(share)} of the stored file.",
        "Quantize them: 8 bits a weight rarely cost accuracy, and take a quarter of the bytes.",
        seen.with_step(Quantization, weight_bits=8) if share >= 0.1 else None,
    )


def _small_model(seen: Evidence) -> Finding:
    fixed = sum(seen.anatomy.subject.rest.get(part, 0) for part in ("graph", "header"))
    share = fixed / seen.result.stored_bytes
    return Finding(
        "size",
        "The model is so small that its structure counts",
        share >= 0.1,
        f"{_percent(share)} of the stored file ({wording.size(fixed)}) say which layers there are and how they are "
        "connected. That does not shrink with the weights.",
        "Nothing is left to win by fewer bits. Fewer layers would: a student, or a model with fewer of them.",
    )


def _overhead(seen: Evidence) -> Finding:
    parts = {part: seen.result.ledger.get(part, 0) for part in ("positions", "scales", "codebooks")}
    share = sum(parts.values()) / seen.result.stored_bytes
    largest = max(parts, key=lambda part: parts[part])
    remedy, recipe = _less_overhead(seen, largest) if share >= 0.2 else (_NO_OVERHEAD, None)
    return Finding(
        "size",
        "Positions, scales or codebooks eat up what was saved",
        share >= 0.2,
        f"{_percent(share)} of the stored file are not weights but what is needed to read them: "
        + ", ".join(f"{wording.size(size)} of {part}" for part, size in parts.items() if size)
        + "."
        if sum(parts.values())
        else "The stored file has no positions, scales or codebooks.",
        remedy,
        recipe,
    )


_NO_OVERHEAD = "Nothing to do: weights themselves take most of the file."


def _less_overhead(seen: Evidence, part: str) -> tuple[str, Recipe | None]:
    if part == "scales":
        return "One scale a layer instead of one a channel takes fewer bytes.", seen.with_step(
            Quantization, granularity="tensor"
        ) if _has(seen, Quantization) else None
    if part == "codebooks":
        return "One codebook for all layers takes fewer bytes.", seen.with_step(WeightSharing, scope="global") if _has(
            seen, WeightSharing
        ) else None
    return "Removing whole channels needs no positions; a pattern or blocks of zeros need fewer.", None


def _coding(seen: Evidence) -> Finding:
    step = next((step for step in seen.recipe.steps if isinstance(step, EntropyCoding)), None)
    coding = step.coding if step else "context"
    return Finding(
        "size",
        "The stored file is not written in the smallest way",
        coding != "context",
        f"The stored file is written with {wording.CODINGS[coding]}.",
        "Arithmetic coding spends fewer bits on frequent values; nothing else changes.",
        seen.with_step(EntropyCoding, coding="context") if coding != "context" else None,
    )


def _one_layer(seen: Evidence) -> Finding:
    row = max(seen.layers, key=lambda row: row.stored_bytes)
    share = row.stored_bytes / seen.result.stored_bytes
    return Finding(
        "size",
        "One layer holds most of the bytes",
        share >= 0.6 and len(seen.layers) > 1,
        f"{row.name} ({row.kind}, {wording.count(row.parameters)} parameters in {row.bits} bits) takes "
        f"{_percent(share)} of the stored file; everything else together takes {_percent(1 - share)}.",
        "Compress that layer: Sensitivity says how much it can take. Low rank or pruning single weights suits large "
        "linear layers.",
    )


def _whole_bytes(seen: Evidence) -> Finding:
    rows = [row for row in seen.layers if row.format != "float32" and row.weights]
    stored, runtime = sum(row.weight_bytes for row in rows), sum(row.runtime_bytes for row in rows)
    fired = bool(rows) and runtime > 1.5 * max(1, stored)
    return Finding(
        "size",
        "The runtime file has no codes below 8 bits",
        fired,
        f"{len(rows)} layers hold codes. In the stored file their weights take {wording.size(stored)}, in the runtime "
        f"file these layers take {wording.size(runtime)}, as each code is at least one byte there."
        if rows
        else "No layer holds codes: all weights are 32-bit floats in both files.",
        "Judge fewer than 8 bits by the stored file: you ship that, and the device makes the runtime file from it.",
    )


def _more_weights(seen: Evidence) -> Finding:
    now, before = seen.result.params, seen.result.baseline.params
    return Finding(
        "size",
        "The network has more weights than before",
        now > before,
        f"{wording.count(now)} parameters, {wording.count(before)} before.",
        "Choose a smaller rank or width.",
    )


# --- speed -------------------------------------------------------------------------------------------------------


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
    wants = bool(coded) or _has(seen, Quantization)
    share = sum(row.macs for row in slow) / max(1, seen.result.macs)
    how = f"; {len(coded)} of them hold codes that are turned into floats at loading" if coded else ""
    return Finding(
        "speed",
        "Layers compute in float",
        wants and share >= 0.1,
        f"{len(slow)} of {len(seen.layers)} layers compute in 32-bit floats, {_percent(share)} of the operations{how}.",
        "Integer kernels need 8-bit activations as well: quantize both. Shared values and 16 bits only save bytes.",
        _integers(seen) if wants and share >= 0.1 else None,
    )


def _integers(seen: Evidence) -> Recipe | None:
    if _has(seen, WeightSharing):
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
        f"{1000 * spent:.0f} µs or {_percent(share)} of the time of all nodes go into rounding to integers and "
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
        f"{len(odd)} convolutions have a number of channels that {KERNEL_BLOCK} does not divide{_channels(odd)}; they "
    )
    return Finding(
        "speed",
        f"Channels are no multiple of {KERNEL_BLOCK}",
        bool(odd) and share >= 0.1,
        text + f"take {_percent(share)} of the time."
        if odd
        else f"All convolutions whose shape was changed have a multiple of {KERNEL_BLOCK} channels.",
        f"Round channels to multiples of {KERNEL_BLOCK}: kernels fill whole blocks, and more channels may be faster.",
        seen.with_step(ChannelPruning, round_to=KERNEL_BLOCK) if odd and _has(seen, ChannelPruning) else None,
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
        f"{len(tiny)} of {len(nodes)} nodes take less than {1000 * SMALL_MS:.0f} µs each, {_percent(share)} of "
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
        ratio = f"{wording.factor(factor)} faster" if factor > 1 else f"{wording.factor(1 / factor)} slower"
        skipping = f" A product that skips them would be {ratio} in {single.layer} (measured apart)."
    return Finding(
        "speed",
        "Zeros are multiplied like any other number",
        wasted >= 0.2,
        f"{_percent(wasted)} of the operations multiply by a weight that is zero; ONNX Runtime skips none.{skipping}",
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
        f"{wording.factor(fewer)} fewer parameters, but {wording.factor(less)} fewer operations."
        if fewer > 1.005
        else f"The network has as many parameters as before ({wording.count(result.params)}), and as many operations.",
        "Have channels pruned for operations (MACs) or for measured time instead of for their number."
        if _has(seen, ChannelPruning)
        else "Most weights are often in linear layers, most operations in convolutions: compress the layers with many "
        "MACs (sort the table of layers by them).",
        seen.with_step(ChannelPruning, target="macs") if fired and _has(seen, ChannelPruning) else None,
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
        f"{len(slower)} of {len(seen.layers)} layers take longer, together {1000 * lost:.0f} µs more: {named}."
        if slower
        else "No layer that was there before takes much longer now.",
        "Integer kernels are slow where there are few channels, as in a first layer: what they save elsewhere must "
        "make up for it. Weights alone in few bits leave the float kernels as they were."
        if rounded
        else "Kernels are made for certain shapes: a multiple of 8 channels, or the shape as it was, can be faster.",
        seen.with_step(Quantization, activation_bits=None, activations="static")
        if rounded and _has(seen, Quantization)
        else None,
    )


def _other_time(seen: Evidence) -> Finding:
    kinds = time_by_kind(seen.anatomy.subject)
    share = (kinds["layout"] + kinds["others"]) / max(1e-9, seen.anatomy.subject.nodes_ms)
    return Finding(
        "speed",
        "The time is not spent in layers with weights",
        share >= 0.25,
        f"{_percent(share)} of the time of all nodes go into pooling, additions and rearranging numbers in memory "
        f"({_percent(kinds['layout'] / max(1e-9, seen.anatomy.subject.nodes_ms))} into rearranging alone).",
        "Compressing weights does not shorten these. Fewer channels make them cheaper too.",
    )


RULES: tuple[Callable[[Evidence], Finding], ...] = (
    _more_weights,
    _float_layers,
    _dense_zeros,
    _one_layer,
    _overhead,
    _small_model,
    _coding,
    _whole_bytes,
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
"""Those on size, then those on speed, the most telling ones first."""


def _has(seen: Evidence, kind: type[Step]) -> bool:
    return any(isinstance(step, kind) for step in seen.recipe.steps)


def _percent(share: float) -> str:
    """'62 %'; '0.4 %' for less than one."""
    return f"{wording.percent(share, 0 if share == 0 or share >= 0.01 else 1)} %"


def _named(rows: Iterable[LayerRow]) -> str:
    names = [row.name for row in rows]
    return f" ({', '.join(names[:NAMED])}{', …' if len(names) > NAMED else ''})" if names else ""
