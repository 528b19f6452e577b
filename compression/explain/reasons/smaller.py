"""Rules on why a stored or runtime file is not smaller."""

from __future__ import annotations

from collections.abc import Iterator

from compression import units
from compression.explain.reasons.evidence import Evidence, Finding, Rule, named
from compression.explain.sizes import is_pruned, runtime_parts, stored_parts
from compression.recipe.recipe import Recipe
from compression.recipe.steps import EntropyCoding, Quantization, WeightPruning, WeightSharing
from compression.recipe.words import option
from compression.results.record import Result


def _dense_zeros(seen: Evidence) -> Finding:
    zeros = runtime_parts(seen.result).get("zeros", 0)
    share = zeros / seen.result.onnx_bytes
    positions = units.size(stored_parts(seen.result).get("positions", 0))
    return Finding(
        "Zeros stay dense in the runtime file",
        share >= 0.1,
        f"{units.share(share)} of the runtime file ({units.size(zeros)}) are weights that were pruned to zero and are "
        f"stored like any other number. The stored file needs {positions} to say where they are."
        if is_pruned(seen.result)
        else "No weights were pruned: a zero is a value like any other.",
        "Ship the stored file, or a zip of the runtime file: both find the zeros.",
    )


def _dense_zeros_in_short(recipe: Recipe, result: Result) -> Iterator[str]:
    if any(isinstance(step, WeightPruning) for step in recipe.steps) and result.onnx_bytes > 1.5 * result.stored_bytes:
        yield (
            "Zeros shrink the stored file; the runtime file (.onnx) writes them out and stays larger, though zipping "
            "finds them."
        )


def _float_layers(seen: Evidence) -> Finding:
    floats = [row for row in seen.layers if row.format == "float32"]
    share = sum(row.stored_bytes for row in floats) / seen.result.stored_bytes
    which = f"{len(floats)} of {len(seen.layers)} layers have 32-bit floats as weights"
    return Finding(
        "Layers are left in float",
        share >= 0.1,
        f"{which}{named([row.name for row in floats])}; they take {units.share(share)} of the stored file.",
        "Quantize them: 8 bits a weight cost none of the sample models measurable accuracy, and take about a quarter "
        "of the bytes.",
        None if seen.step(Quantization) else seen.with_step(Quantization, weight_bits=8),
    )


def _small_model(seen: Evidence) -> Finding:
    fixed = sum(seen.anatomy.subject.rest.get(part, 0) for part in ("graph", "header"))
    share = fixed / seen.result.stored_bytes
    return Finding(
        "The model is so small that its structure counts",
        share >= 0.1,
        f"{units.share(share)} of the stored file ({units.size(fixed)}) say which layers there are and how they are "
        "connected. That does not shrink with the weights.",
        "Nothing is left to win by fewer bits. Fewer layers would: a student, or a model with fewer of them.",
    )


OVERHEAD = "positions", "scales", "codebooks"
"""Parts of the stored file that are needed to read the weights."""


def _overhead(seen: Evidence) -> Finding:
    ledger = stored_parts(seen.result)
    parts = {part: ledger.get(part, 0) for part in OVERHEAD}
    share = sum(parts.values()) / seen.result.stored_bytes
    largest = max(parts, key=lambda part: parts[part])
    remedy, recipe = _less_overhead(seen, largest) if share >= 0.2 else (_NO_OVERHEAD, None)
    return Finding(
        "Positions, scales or codebooks eat up what was saved",
        share >= 0.2,
        f"{units.share(share)} of the stored file are not weights but what is needed to read them: "
        + ", ".join(f"{units.size(size)} of {part}" for part, size in parts.items() if size)
        + "."
        if sum(parts.values())
        else "The stored file has no positions, scales or codebooks.",
        remedy,
        recipe,
    )


def _overhead_in_short(recipe: Recipe, result: Result) -> Iterator[str]:
    parts = {part: size for part in OVERHEAD if (size := stored_parts(result).get(part, 0))}
    if result.stored_bytes >= result.baseline.stored_bytes and result.params <= result.baseline.params and parts:
        told = ", ".join(f"{units.size(size)} of {part}" for part, size in parts.items())
        yield f"The stored file did not shrink: what it must also hold costs more than was saved ({told})."


ONE_SCALE_FROM = 4
"""Bits a weight from which one scale a layer was found to be as accurate as one a channel."""

_NO_OVERHEAD = "Nothing to do: weights themselves take most of the file."


def _less_overhead(seen: Evidence, part: str) -> tuple[str, Recipe | None]:
    """What takes fewer bytes and, measured on all sample models (`benchmarks/techniques.md`), is not worse for it."""
    if part == "scales":
        step = seen.step(Quantization)
        is_fine = step is not None and step.lowest_level >= ONE_SCALE_FROM
        words = f"One scale a layer instead of one a channel takes fewer bytes, and from {ONE_SCALE_FROM} bits on "
        return f"{words}it is as accurate.", seen.changed(Quantization, granularity="tensor") if is_fine else None
    if part == "codebooks":
        words = "One codebook for all layers takes fewer bytes, and may cost some tenths of a point of accuracy."
        return words, seen.changed(WeightSharing, scope="global")
    return (
        "Nothing to do: positions are the price of single zeros, and with them 4 bits take half the bytes that they "
        "take without. Zeros in blocks need fewer, but cost more accuracy.",
        None,
    )


def _coding(seen: Evidence) -> Finding:
    step = seen.step(EntropyCoding)
    coding = step.coding if step else "context"
    return Finding(
        "The stored file is not written in the smallest way",
        coding != "context",
        f"The stored file is written with {option(EntropyCoding, 'coding', coding).phrase}.",
        "Arithmetic coding spends fewer bits on frequent values; nothing else changes.",
        seen.with_step(EntropyCoding, coding="context"),
    )


def _coding_in_short(recipe: Recipe, result: Result) -> Iterator[str]:
    codings = [step.coding for step in recipe.steps if isinstance(step, EntropyCoding)]
    if "packed" in codings:
        yield "Plain bits give a frequent value as much room as a rare one: arithmetic coding makes it smaller."
    if "huffman" in codings:
        yield "Huffman codes spend a whole bit on even the most frequent value: arithmetic coding spends less."


def _one_layer(seen: Evidence) -> Finding:
    row = max(seen.layers, key=lambda row: row.stored_bytes)
    share = row.stored_bytes / seen.result.stored_bytes
    return Finding(
        "One layer holds most of the bytes",
        share >= 0.6 and len(seen.layers) > 1,
        f"{row.name} ({row.kind}, {units.count(row.parameters)} parameters in {row.bits} bits) takes "
        f"{units.share(share)} of the stored file; everything else together takes {units.share(1 - share)}.",
        "Compress that layer: Sensitivity says how much it can take. Fewer bits and zeros shrink every kind of layer.",
    )


def _whole_bytes(seen: Evidence) -> Finding:
    rows = [row for row in seen.layers if row.format != "float32" and row.weights]
    stored, runtime = sum(row.weight_bytes for row in rows), sum(row.runtime_bytes for row in rows)
    fired = bool(rows) and runtime > 1.5 * max(1, stored)
    return Finding(
        "The runtime file has no codes below 8 bits",
        fired,
        f"{len(rows)} layers hold codes. In the stored file their weights take {units.size(stored)}, in the runtime "
        f"file these layers take {units.size(runtime)}, as each code is at least one byte there."
        if rows
        else "No layer holds codes: all weights are 32-bit floats in both files.",
        "Judge fewer than 8 bits by the stored file: you ship that, and the device makes the runtime file from it.",
    )


_FEWER_WEIGHTS = "Choose a smaller rank or width."


def _more_weights(seen: Evidence) -> Finding:
    now, before = seen.result.params, seen.result.baseline.params
    return Finding(
        "The network has more weights than before",
        now > before,
        f"{units.count(now)} parameters, {units.count(before)} before.",
        _FEWER_WEIGHTS,
    )


def _more_weights_in_short(recipe: Recipe, result: Result) -> Iterator[str]:
    now, before = result.params, result.baseline.params
    if result.stored_bytes >= result.baseline.stored_bytes and now > before:
        yield (
            f"The stored file did not shrink: this network has {units.count(now)} weights, the model "
            f"{units.count(before)}. {_FEWER_WEIGHTS}"
        )


RULES = (
    Rule(_more_weights, _more_weights_in_short),
    Rule(_float_layers),
    Rule(_dense_zeros, _dense_zeros_in_short),
    Rule(_one_layer),
    Rule(_overhead, _overhead_in_short),
    Rule(_small_model),
    Rule(_coding, _coding_in_short),
    Rule(_whole_bytes),
)
"""The most telling ones first."""
