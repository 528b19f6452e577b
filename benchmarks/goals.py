"""What each benchmark is to reach, and what it found: lines of one table; and running one of them."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class Goal:
    """A number that was found, and the one that it should not exceed (or fall below, where more is better).

    `note` says what the bare number does not: the absolute time behind a ratio, say.
    """

    part: str
    what: str
    found: float
    goal: float
    unit: str = ""
    more_is_better: bool = False
    note: str = ""

    @property
    def is_reached(self) -> bool:
        """Whether the number found is as good as the goal, or better."""
        return self.found >= self.goal if self.more_is_better else self.found <= self.goal

    @property
    def cells(self) -> tuple[str, ...]:
        """The line in words: part, what, found, goal, whether it is reached, note."""
        bound = "≥" if self.more_is_better else "≤"
        found, goal = (f"{number:.3g} {self.unit}".rstrip() for number in (self.found, self.goal))
        return self.part, self.what, found, f"{bound} {goal}", "yes" if self.is_reached else "no", self.note


COLUMNS = ("part", "what", "found", "goal", "reached", "")


def table_of(goals: Iterable[Goal]) -> Table:
    """For a terminal."""
    table = Table(*COLUMNS, box=None)
    for goal in goals:
        table.add_row(*goal.cells)
    return table


def markdown_of(goals: Sequence[Goal]) -> str:
    """For a document."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(goal.cells for goal in goals)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


# --- running a benchmark -----------------------------------------------------------------------------------------

WIDE = 200
"""Characters a line where no terminal says how wide it is."""

Found = tuple[list[Goal], str]
"""What a part found, and the tables that it printed."""


def add_parts(parser: argparse.ArgumentParser, parts: Iterable[str]) -> None:
    """Let the command line name some of the parts."""
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(parts)}; all by default")


def chosen_parts(
    parser: argparse.ArgumentParser, options: argparse.Namespace, parts: Collection[str]
) -> Collection[str]:
    """Those that were named, or all; ends the program where there is no such part, and says which there are."""
    unknown = set(options.parts) - set(parts)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; choose from {', '.join(parts)}")
    return options.parts or parts


def bench(part: str) -> Found:
    """Run one part in this process."""
    os.environ["COLUMNS"] = str(WIDE)  # for the tables of `rich`
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        goals: list[Goal] = importlib.import_module(f"benchmarks.{part}").bench()
    return goals, "\n".join(line.rstrip() for line in printed.getvalue().splitlines())
