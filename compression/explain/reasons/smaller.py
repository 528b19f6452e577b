"""Rules on why a stored or runtime file is not smaller."""

from __future__ import annotations

from collections.abc import Iterator

from compression import units
from compression.explain.reasons.evidence import Evidence, Finding, Rule, named, percent
from compression.recipe.recipe import Recipe
from compression.recipe.steps import EntropyCoding, Quantization, WeightPruning, WeightSharing
from compression.recipe.words import option
from compression.results.record import Result


def _dense_zeros(seen: Evidence) -> Finding:
    zeros = seen.result.runtime_ledger.get("zeros", 0)
    share = zeros / seen.result.onnx_bytes
    positions = units.size(seen.result.ledger.get("positions", 0))
    return Finding(
        "Zeros stay dense in the runtime file",
        share >= 0.1,
        f"{percent(share)} of the runtime file ({units.size(zeros)}) are weights that are zero and are stored like "
        f"any other number. The stored file needs {positions} to say where they are.",
        "Ship the stored file, or a zip of the runtime file: both find the zeros. Removing whole channels makes the "
        "runtime file itself smaller.",
        seen.channels_instead(),
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
        f"{which}{named([row.name for row in floats])}; they take {percent(share)} of the stored file.",
        "Quantize them: 8 bits a weight rarely cost accuracy, and take a quarter of the bytes.",
        seen.with_step(Quantization, weight_bits=8),
    )


def _small_model(seen: Evidence) -> Finding:
    fixed = sum(seen.anatomy.subject.rest.get(part, 0) for part in ("graph", "header"))
    share = fixed / seen.result.stored_bytes
    return Finding(
        "The model is so small that its structure counts",
        share >= 0.1,
        f"{percent(share)} of the stored file ({units.size(fixed)}) say which layers there are and how they are "
        "connected. That does not shrink with the weights.",
        "Nothing is left to win by fewer bits. Fewer layers would: a student, or a model with fewer of them.",
    )


def _overhead(seen: Evidence) -> Finding:
    parts = {part: seen.result.ledger.get(part, 0) for part in ("positions", "scales", "codebooks")}
    share = sum(parts.values()) / seen.result.stored_bytes
    largest = max(parts, key=lambda part: parts[part])
    remedy, recipe = _less_overhead(seen, largest) if share >= 0.2 else (_NO_OVERHEAD, None)
    return Finding(
        "Positions, scales or codebooks eat up what was saved",
        share >= 0.2,
        f"{percent(share)} of the stored file are not weights but what is needed to read them: "
        + ", ".join(f"{units.size(size)} of {part}" for part, size in parts.items() if size)
        + "."
        if sum(parts.values())
        else "The stored file has no positions, scales or codebooks.",
        remedy,
        recipe,
    )


def _overhead_in_short(recipe: Recipe, result: Result) -> Iterator[str]:
    if result.stored_bytes >= result.baseline.stored_bytes and result.params <= result.baseline.params:
        yield "The stored file did not shrink: the positions or scales it must also hold cost more than was saved."


_NO_OVERHEAD = "Nothing to do: weights themselves take most of the file."


def _less_overhead(seen: Evidence, part: str) -> tuple[str, Recipe | None]:
    if part == "scales":
        recipe = seen.changed(Quantization, granularity="tensor")
        return "One scale a layer instead of one a channel takes fewer bytes.", recipe
    if part == "codebooks":
        return "One codebook for all layers takes fewer bytes.", seen.changed(WeightSharing, scope="global")
    return "Removing whole channels needs no positions; a pattern or blocks of zeros need fewer.", None


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
        f"{percent(share)} of the stored file; everything else together takes {percent(1 - share)}.",
        "Compress that layer: Sensitivity says how much it can take. Low rank or pruning single weights suits large "
        "linear layers.",
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


def _more_weights(seen: Evidence) -> Finding:
    now, before = seen.result.params, seen.result.baseline.params
    return Finding(
        "The network has more weights than before",
        now > before,
        f"{units.count(now)} parameters, {units.count(before)} before.",
        "Choose a smaller rank or width.",
    )


def _more_weights_in_short(recipe: Recipe, result: Result) -> Iterator[str]:
    now, before = result.params, result.baseline.params
    if result.stored_bytes >= result.baseline.stored_bytes and now > before:
        yield (
            f"The stored file did not shrink: this network has {units.count(now)} weights, the model "
            f"{units.count(before)}. Choose a smaller rank or width."
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
