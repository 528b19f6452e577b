"""Levels by the tables against the same level in every layer, at the same bytes of the stored file; no search.

    python -m benchmarks.allocation [--models lenet5-mnist5k ...] [--to benchmarks/allocation.md]

For each uniform setting the tables allot levels to all layers within its bytes. The stored file is then written, and
where it is larger or smaller than asked for by more than a percent, the limit is moved by that and they are allotted
again. Accuracies are on test images, which no table has seen.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compression import units
from compression.engine import laboratory
from compression.engine.laboratory.bench import Bench
from compression.engine.run import RunOutput, run_recipe
from compression.inquiries.layer_tables import TableInquiry, Tables
from compression.models.subject import Subject, subject_of
from compression.recipe.recipe import make_recipe
from compression.search.allocation import Allocation, Limits, allocate, steps_of

MODELS = ("mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k", "resnet20-fashion")
ZEROS = (0.7, 0.9, 0.95)
BITS = (4, 3, 2)
CLOSE, TURNS = 0.01, 5
"""As near as bytes shall come, and how often they are asked for anew to get there."""

Steps = list[dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """One uniform setting and what the tables made of its bytes."""

    model: str
    setting: str
    uniform: RunOutput
    allotted: RunOutput
    found: Allocation

    def cells(self) -> tuple[str, ...]:
        """For people."""
        both = self.uniform.result, self.allotted.result
        return (
            self.model,
            self.setting,
            *(units.size(result.stored_bytes) for result in both),
            units.size(self.found.bytes),
            *(f"{units.percent(result.accuracy, 2)} %" for result in both),
            units.points(both[1].accuracy - both[0].accuracy, 2),
            f"{self.found.loss:.4f}",
        )


HEADS = (
    *("Model", "Uniform", "Bytes", "Bytes, by the tables", "as predicted"),
    *("Accuracy", "Accuracy, by the tables", "Points", "Predicted loss"),
)


def settings() -> Iterator[tuple[str, tuple[str, ...], Steps]]:
    """In words, with the techniques and the steps."""
    zeros = [
        (f"{units.share(share)} zeros", {"technique": "magnitude_pruning", "sparsity": share, "scope": "layer"})
        for share in ZEROS
    ]
    bits = [(f"{bits} bits", {"technique": "quantization", "weight_bits": bits}) for bits in BITS]
    for words, step in zeros:
        yield words, ("magnitude_pruning",), [step]
    for words, step in bits:
        yield words, ("quantization",), [step]
    for (few, zero), (coarse, code) in zip(zeros, bits, strict=True):
        yield f"{few}, {coarse}", ("magnitude_pruning", "quantization"), [zero, code]


def rows_of(model: str) -> Iterator[Row]:
    """All settings of a model."""
    subject = subject_of(model)
    recipe = make_recipe(model, [])
    baseline = run_recipe(subject, recipe)
    found = laboratory.answer(TableInquiry(recipe=recipe), Bench(subject, baseline, baseline))
    assert isinstance(found, Tables)
    for words, techniques, steps in settings():
        uniform = run_recipe(subject, make_recipe(model, steps), baseline=baseline)
        pair = _allotted(subject, found, techniques, uniform.result.stored_bytes, baseline)
        if pair is not None:
            yield Row(model, words, uniform, *pair)


def _allotted(
    subject: Subject, known: Tables, techniques: Sequence[str], wanted: int, baseline: RunOutput
) -> tuple[RunOutput, Allocation] | None:
    """The network by the tables, as near to the wanted bytes as a few turns bring it, and no larger if there is one."""
    limit, best = float(wanted), None
    for _ in range(TURNS):
        found = allocate(known, Limits(bytes=limit), techniques)
        if found is None:
            limit *= 1 + 2 * CLOSE
            continue
        measured = run_recipe(subject, make_recipe(subject.name, steps_of(found)), baseline=baseline)
        size = measured.result.stored_bytes
        if best is None or _distance(size, wanted) < _distance(best[0].result.stored_bytes, wanted):
            best = measured, found
        if _distance(size, wanted) <= CLOSE:
            break
        limit *= wanted / size
    return best


def _distance(size: int, wanted: int) -> float:
    """How far from the wanted bytes, as a share of them; too large counts twice."""
    return (size / wanted - 1) * 2 if size > wanted else 1 - size / wanted


def markdown(rows: Sequence[Row]) -> str:
    """A table."""
    lines = [HEADS, ("---",) * len(HEADS), *(row.cells() for row in rows)]
    better = sum(row.allotted.result.accuracy > row.uniform.result.accuracy for row in rows)
    worse = sum(row.allotted.result.accuracy < row.uniform.result.accuracy for row in rows)
    head = "# Levels by the tables against one level for all layers\n\n"
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{head}{table}\n\nBetter {better} times, worse {worse} times of {len(rows)}.\n"


def main() -> None:
    """Print rows as they come, and write all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--to", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    rows = []
    for model in options.models:
        for row in rows_of(model):
            print("  ".join(row.cells()), flush=True)
            rows.append(row)
            options.to.write_text(markdown(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
