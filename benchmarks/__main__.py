"""All speed benchmarks one after the other, and one table of what they are to reach.

    python -m benchmarks [PART ...] [--markdown OUT.md]

Each part runs in a process of its own and is shorter here than when it is run alone: fewer rounds of the same things.
Its own tables come first, among them the profile of a point by stages, and growth with its exponents. All together
take 8 to 15 minutes on two cores. Close other programs first: the ratios are paired, but nothing is quick on a
machine that is busy. A part that fails is named, and the others go on. `benchmarks/speed.md` was written by
`--markdown`.

    sweep      19 points of pruning and quantization: against a notebook, and against the bare runtime
    slider     from a key press to the changed chart, in Chromium
    start      from the command to a usable page and a measured point; memory
    training   fine-tuning against a plain PyTorch loop
    parallel   two workers against one
    growth     with parameters, points, images and stored results
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.goals import WIDE, Found, Goal, add_parts, bench, chosen_parts, markdown_of, table_of
from compression.results.machine import describe_machine

PARTS = ("sweep", "slider", "start", "training", "parallel", "growth")


def bench_alone(part: str) -> Found:
    """Run one part in a process of its own, which inherits neither threads nor memory."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(bench, part).result()


def conditions() -> str:
    """Machine, versions and date, in a line."""
    machine = describe_machine()
    versions = ", ".join(f"{name} {machine.versions[name]}" for name in ("torch", "onnxruntime"))
    return f"{machine.cpu}, {os.cpu_count()} cores; {versions}; {datetime.now(UTC):%Y-%m-%d}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 where a part failed; goals that are not reached are no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    add_parts(parser, PARTS)
    parser.add_argument("--markdown", type=Path, metavar="OUT.md", help="write the table here too")
    options = parser.parse_args(arguments)
    parts = chosen_parts(parser, options, PARTS)
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    found = _run(parts, console)
    goals = [goal for some, _ in found.values() for goal in some]
    console.print(f"\n{conditions()}", table_of(goals), sep="\n", soft_wrap=True)
    if options.markdown:
        options.markdown.write_text(_document(goals, {part: printed for part, (_, printed) in found.items()}))
    return 0 if len(found) == len(parts) else 1


def _run(parts: Collection[str], console: Console) -> dict[str, Found]:
    """What was found by part, without those that failed."""
    found: dict[str, Found] = {}
    for part in parts:
        console.rule(part)
        started = time.monotonic()
        try:
            found[part] = bench_alone(part)
            console.print(found[part][1], soft_wrap=True, markup=False, highlight=False)
        except Exception as error:  # one part's trouble is no reason to lose the others' numbers
            console.print(f"{part} failed: {type(error).__name__}: {error}", soft_wrap=True)
        console.print(f"({time.monotonic() - started:.0f} s)")
    return found


def _document(goals: Sequence[Goal], printed: Mapping[str, str]) -> str:
    tables = "".join(f"\n## {part}\n\n```text\n{text}\n```\n" for part, text in printed.items())
    return f"# Speed\n\nBy `python -m benchmarks`: {conditions()}.\n\n{markdown_of(goals)}{tables}"


if __name__ == "__main__":
    raise SystemExit(main())
