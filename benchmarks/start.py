"""From the command to a usable page and to the first measured point, and the memory that this takes.

    python -m benchmarks.start [--rounds 3]

Each round starts a bare Streamlit page and the dashboard, one after the other, as `streamlit run` does, with a fresh
results folder and a fresh browser profile (Chromium itself runs already). A page is usable when its first slider can
be moved and, on the dashboard, both charts are drawn. The first point is measured when it is solid on both charts.
Memory is read then, while the curves go on being measured: RSS as most tools show it, and PSS, in which pages shared
between processes count once.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.dashboard import bare_page, chromium, dashboard
from benchmarks.goals import Goal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROUNDS, BENCH_ROUNDS = 3, 2
PATIENCE_MS = 240_000
"""For a start on a busy machine; an idle one needs seconds."""

MAX_TIMES = 2.0
"""Goal: a usable page after at most so many times the bare page's start."""
MAX_FIRST_POINT_S = 10.0
MAX_SERVER_MB, MAX_WORKER_MB = 250.0, 700.0
"""Goals for resident memory."""

WORKERS = ("multiprocessing.forkserver", "multiprocessing.spawn")
"""Parts of the command line of Dask's worker processes, descendants of the server's: copies of a fork server, which
counts too, or started one by one where copying is not safe."""

USABLE = "() => document.querySelector('input[type=range]:enabled')"
DRAWN = "() => document.querySelectorAll('.js-plotly-plot .xy').length >= 2"
MEASURED = """() => {
  const plots = [...document.querySelectorAll(".js-plotly-plot")];
  const isMeasured = (plot) => plot.data.some((trace) => trace.name === "baseline" && trace.x && trace.x.length);
  return plots.length >= 2 && plots.every(isMeasured);
}"""


@dataclass(frozen=True)
class Memory:
    """Of one process, in MB; PSS is 0 where the system does not tell."""

    rss_mb: float
    pss_mb: float


@dataclass(frozen=True)
class Start:
    """One start of the dashboard: seconds from the command, and memory when the first point was measured."""

    usable_s: float
    first_point_s: float
    server: Memory
    workers: tuple[Memory, ...]


def table(bare: Sequence[float], starts: Sequence[Start]) -> str:
    """Medians over the rounds against the goals; of the workers' memory the largest."""
    floor = statistics.median(bare)
    usable = statistics.median(start.usable_s for start in starts)
    first = statistics.median(start.first_point_s for start in starts)
    server = [start.server for start in starts]
    workers = [worker for start in starts for worker in start.workers]
    rows = (
        f"bare page usable       {floor:6.2f} s",
        f"dashboard usable       {usable:6.2f} s   {_judged(usable / floor, MAX_TIMES, 'times')}",
        f"first measured point   {first:6.2f} s   {_judged(first, MAX_FIRST_POINT_S, 's')}",
        f"Streamlit process      {_memory(server, MAX_SERVER_MB)}",
        f"largest of {len(starts[0].workers)} workers   {_memory(workers, MAX_WORKER_MB)}",
    )
    return "\n".join(rows)


def _judged(value: float, goal: float, unit: str) -> str:
    return f"{value:.2f} {unit}, goal {goal:g}: {'reached' if value <= goal else 'missed'}"


def _memory(found: Sequence[Memory], goal: float) -> str:
    largest = max(found, key=lambda memory: memory.rss_mb)
    return f"{largest.pss_mb:6.0f} MB PSS   {_judged(largest.rss_mb, goal, 'MB RSS')}"


def goals(bare: Sequence[float], starts: Sequence[Start]) -> list[Goal]:
    """Medians over the rounds; of memory the largest."""
    floor = statistics.median(bare)
    usable = statistics.median(start.usable_s for start in starts)
    first = statistics.median(start.first_point_s for start in starts)
    server = max((start.server for start in starts), key=lambda memory: memory.rss_mb)
    worker = max((worker for start in starts for worker in start.workers), key=lambda memory: memory.rss_mb)
    return [
        Goal("start", "usable page, times a bare page", usable / floor, MAX_TIMES, "×", note=f"{usable:.2f} s"),
        Goal("start", "first measured point", first, MAX_FIRST_POINT_S, "s"),
        Goal("start", "Streamlit process, RSS", server.rss_mb, MAX_SERVER_MB, "MB", note=f"{server.pss_mb:.0f} MB PSS"),
        Goal("start", "largest worker, RSS", worker.rss_mb, MAX_WORKER_MB, "MB", note=f"{worker.pss_mb:.0f} MB PSS"),
    ]


def memory_of(process: psutil.Process) -> Memory:
    """Resident and proportional memory of one process."""
    found = process.memory_full_info()
    return Memory(found.rss / 1e6, getattr(found, "pss", 0) / 1e6)


def workers_of(pid: int) -> list[psutil.Process]:
    """The worker processes below the server's."""
    below = psutil.Process(pid).children(recursive=True)
    commands = {process: " ".join(process.cmdline()) for process in below}
    return [process for process, command in commands.items() if any(name in command for name in WORKERS)]


def start_bare(browser: Browser, folder: Path) -> float:
    """Seconds from the command to the bare page's slider."""
    begun = time.perf_counter()
    with bare_page(folder) as server:
        _visit(browser, server.address).close()
        return time.perf_counter() - begun


def start_dashboard(browser: Browser, folder: Path) -> Start:
    """Start it, visit Explore, and wait for the first point."""
    begun = time.perf_counter()
    with dashboard(folder) as server:
        page = _visit(browser, f"{server.address}/explore")
        page.wait_for_function(DRAWN)
        usable = time.perf_counter() - begun
        page.wait_for_function(MEASURED)
        first = time.perf_counter() - begun
        memory = memory_of(psutil.Process(server.process.pid))
        workers = tuple(map(memory_of, workers_of(server.process.pid)))
        page.close()
    return Start(usable, first, memory, workers)


def _visit(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.wait_for_function(USABLE)
    return page


def bench() -> list[Goal]:
    """Measure and print what the table of all benchmarks needs, in a minute."""
    bare, starts = measure(BENCH_ROUNDS)
    print(table(bare, starts))
    return goals(bare, starts)


def measure(rounds: int) -> tuple[list[float], list[Start]]:
    """Start the bare page and the dashboard in turns."""
    bare, starts = [], []
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        for number in range(rounds):
            bare.append(start_bare(browser, Path(folder, f"bare{number}")))
            starts.append(start_dashboard(browser, Path(folder, f"dashboard{number}")))
    return bare, starts


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.start", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how many starts of each (default: %(default)s)")
    print(table(*measure(parser.parse_args(arguments).rounds)))


if __name__ == "__main__":
    main()
