"""From a slider's key press to the changed chart, in real Chromium, in floors.

    python -m benchmarks.slider [--moves 30] [--rest SECONDS [SECONDS ...]]

The floor is a bare Streamlit page with one slider and one line of text, timed in the same run, one move of it
after each move on the dashboard. All times are taken inside the page: from the key press to the second animation
frame after the chart's (or the text's) document nodes changed, when the change has been painted.

The dashboard is the real one, with a dispatcher of its own in a fresh folder, on ResNet-8. Before the first move the
background curves that need no training are finished, so the charts hold their usual thirty points and the dispatcher
is warm and idle; those that train students for minutes are left out of the view, since nobody waits for them in
one run and they would only load the processors at times of their own.

    estimate   the marker stands for the new setting, hollow or solid, at the place that this has
    measured   it is solid on the chart of sizes: accuracy and sizes are measured
    latency    it is solid on the chart of latencies as well
    seen       solid on both charts, for a setting that was measured before

The browser knows beforehand what is known, or else expected, at each position of the sliders: it moves the marker by
itself, and the server's answer says the same. Whatever is timed here is painted at the place where that puts it.

Once a setting is measured, its neighbours are measured ahead, the one that the person is moving to first. How much of
that is ready depends on how long the person rests between moves, so moves are timed at two paces, along one route:
0.5 s "at once", as when somebody goes through settings, and 3 s "reading", as when somebody looks at what each move
brought. The floor's own move in between adds about 0.6 s to every rest. Settings that were seen are timed last, at the
first pace: nothing is measured for them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import statistics
import tempfile
import urllib.parse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.dashboard import bare_page, chromium, dashboard
from benchmarks.goals import Goal
from compression.recipe.settings import BIT_WIDTHS as BITS_ON_SLIDER
from compression.recipe.settings import PRUNING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

MODEL = "resnet8-mnist5k"
CURVES = "channel_pruning,magnitude_pruning,quantization,slimmable_student"
GOALS = {"estimate": 2.0, "measured": 3.0, "latency": 4.0, "seen": 2.0}
"""In floors."""

MOVES, BENCH_MOVES = 30, 12
WARM_UP = 3
"""First moves of each kind that are not counted: the browser compiles what it runs."""

AT_ONCE_S, READING_S = 0.5, 3.0
"""Rests before a move: so that nothing of the last one's drawing is under way, and so that its numbers can be read."""

REST_MS = 1000 * AT_ONCE_S
"""Before moves of the floor, and those that are not timed."""

PATIENCE_MS = 240_000
"""For one point on a busy machine; an idle one needs about a second."""

BIT_WIDTHS = (6, 5, 3, 2)
"""Bit widths beside which the pruning slider moves: no curve has such pairs, so each is measured for the first time."""

STEPS = len(PRUNING) - 1
"""Moves of the pruning slider from one end to the other."""

ROUTE_MOVES = len(BIT_WIDTHS) * (STEPS - 1) + 1
"""Timed moves that `route` has: one fewer after each turn, for the way back ends before 0."""

WATCH = """
() => {
  const marker = (chart) => {
    const mark = document.querySelector(`.st-key-chart_${chart} .chart-mark g[data-setting]`);
    return { label: mark?.dataset.words ?? "", setting: mark?.dataset.setting ?? "" };
  };
  const words = () => [...document.querySelectorAll("p")].map((p) => p.textContent).find((t) => /^The value/.test(t));
  const look = () => ({ size: marker("left"), latency: marker("right"), words: words() });
  const solid = (now, old) => now.label === "measured" && now.setting !== old.setting;
  const stages = {
    estimate: (now, old) => now.size.setting !== "" && now.size.setting !== old.size.setting,
    measured: (now, old) => solid(now.size, old.size),
    latency: (now, old) => solid(now.latency, old.latency),
    seen: (now, old) => solid(now.size, old.size) && solid(now.latency, old.latency),
    floor: (now, old) => now.words !== old.words,
  };
  const move = (window.move = { times: {}, wanted: [], pressed: null });
  const painted = (stage, pressed) =>
    requestAnimationFrame(() => requestAnimationFrame(() => (move.times[stage] = performance.now() - pressed)));
  document.addEventListener("keydown", () => Object.assign(move, { old: look(), pressed: performance.now() }), true);
  new MutationObserver(() => {
    if (!move.wanted.length || move.pressed === null) return;
    const now = look();
    const reached = move.wanted.filter((stage) => stages[stage](now, move.old));
    move.wanted = move.wanted.filter((stage) => !reached.includes(stage));
    for (const stage of reached) painted(stage, move.pressed);
  }).observe(document.body, { subtree: true, childList: true, characterData: true, attributeFilter: ["data-setting"] });
}
"""
"""Put into a page once: after a key press it notes when each wanted stage was painted."""


@dataclass(frozen=True)
class Line:
    """One line of the table: medians in ms and in floors, and the goal in floors."""

    stage: str
    median_ms: float
    floors: float
    goal: float

    @property
    def is_reached(self) -> bool:
        """Whether the median is within its goal."""
        return self.floors <= self.goal


Times = dict[str, list[float]]
"""In ms by stage, with those of the floor."""


@dataclass(frozen=True)
class Press:
    """One key press on a control of the dashboard."""

    field: str
    key: str


def lines(times: Times) -> list[Line]:
    """The table of the stages that were timed, of which `floor` is the unit."""
    unit = statistics.median(times["floor"])
    medians = {stage: statistics.median(times[stage]) for stage in GOALS if stage in times}
    return [Line(stage, median, median / unit, GOALS[stage]) for stage, median in medians.items()]


def table(times: Times) -> str:
    """The lines in words, under the floor with its quartiles."""
    low, middle, high = statistics.quantiles(times["floor"], n=4)
    rows = [f"floor      {middle:7.0f} ms    1.00 floors   quartiles {low:.0f} and {high:.0f} ms"]
    for line in lines(times):
        verdict = f"goal {line.goal:g}: {'reached' if line.is_reached else 'missed'}"
        rows.append(f"{line.stage:<10} {line.median_ms:7.0f} ms   {line.floors:5.2f} floors   {verdict}")
    return "\n".join(rows)


def goals(found: Mapping[float, Times]) -> list[Goal]:
    """What each stage reached at each pace, in floors of the same pace; by seconds of rest."""
    return [
        Goal("slider", _named(line, rest), line.floors, line.goal, "floors", note=f"{line.median_ms:.0f} ms")
        for rest, times in found.items()
        for line in lines(times)
    ]


def _named(line: Line, rest: float) -> str:
    return f"{line.stage}, {_pace(rest)}"


def _pace(rest: float) -> str:
    return f"{rest:g} s after the last move"


def route() -> Iterator[list[Press]]:
    """Presses to settings that were never measured: along the pruning slider, a bit width further, and back.

    The last press of each list is the one to time.
    """
    for run, bits in enumerate(BIT_WIDTHS):
        on = Press("pruning_percent", "ArrowLeft" if run % 2 else "ArrowRight")
        turn = BITS_ON_SLIDER.index(bits) - BITS_ON_SLIDER.index(BIT_WIDTHS[run - 1]) if run else 0
        yield [*[Press("weight_bits", "ArrowRight")] * turn, on]
        yield from [[on]] * (STEPS - (2 if run else 1))  # the way back ends before 0: curves have that


def there_and_back(presses: Sequence[Press]) -> Iterator[Press]:
    """The way back over `presses` of one slider, then forth and back over the same settings for ever."""
    turned = {"ArrowLeft": "ArrowRight", "ArrowRight": "ArrowLeft"}
    while True:
        presses = [Press(press.field, turned[press.key]) for press in reversed(presses)]
        yield from presses


def address_of(server: str) -> str:
    """The dashboard's page: nothing pruned, the first of `BIT_WIDTHS`."""
    steps = [{"technique": "quantization", "weight_bits": BIT_WIDTHS[0], "activation_bits": 8}]
    asked = {"model": MODEL, "budget": "none", "curves": CURVES, "recipe": json.dumps({"steps": steps})}
    return f"{server}/explore?{urllib.parse.urlencode(asked)}"


def measure(browser: Browser, server: str, bare: str, moves: int, rests: Sequence[float]) -> dict[float, Times]:
    """Times of `moves` new settings at each pace, by seconds of rest; those of seen settings are with the first."""
    page, floor = _open(browser, address_of(server)), _open(browser, bare)
    page.get_by_text(re.compile(r"Curves: (\d+) of \1 settings measured")).wait_for()
    page.get_by_text("This setting: measured in").wait_for()
    found: dict[float, Times] = {rest: defaultdict(list) for rest in rests}
    last_run: list[Press] = []
    for rest, (*before, press) in zip(_paces(rests, moves), route(), strict=False):
        _turn(page, before)
        last_run = [*([] if before else last_run), press]
        _note(found[rest], move(page, press, ("estimate", "measured", "latency"), 1000 * rest))
        _note(found[rest], move(floor, Press("", "ArrowRight"), ("floor",)))
    for press in itertools.islice(there_and_back(last_run), moves + WARM_UP):
        _note(found[rests[0]], move(page, press, ("seen",), 1000 * rests[0]))
    return {rest: {stage: all_of[-moves:] for stage, all_of in times.items()} for rest, times in found.items()}


def _paces(rests: Sequence[float], moves: int) -> list[float]:
    """The rest before each move of the route; a warm-up at the first pace only."""
    return [*[rests[0]] * WARM_UP, *(rest for rest in rests for _ in range(moves))]


def _open(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.locator("input[type=range]").first.wait_for()
    page.evaluate(WATCH)
    return page


def _turn(page: Page, presses: Sequence[Press]) -> None:
    """Press without timing, and wait for the measurement."""
    for press in presses:
        _slider(page, press.field).press(press.key)
        page.wait_for_timeout(REST_MS)
    page.get_by_text("This setting: measured in").wait_for()


def move(page: Page, press: Press, stages: tuple[str, ...], rest_ms: float = REST_MS) -> dict[str, float]:
    """Rest, then press a key; returns when each stage was painted, in ms after the press."""
    page.bring_to_front()
    slider = _slider(page, press.field)
    slider.focus()
    page.wait_for_timeout(rest_ms)
    page.evaluate("(wanted) => Object.assign(window.move, { times: {}, wanted, pressed: null })", list(stages))
    slider.press(press.key)
    page.wait_for_function("(n) => Object.keys(window.move.times).length === n", arg=len(stages))
    times: dict[str, float] = page.evaluate("() => window.move.times")
    return times


def _slider(page: Page, field: str) -> Locator:
    return page.locator(f".st-key-setting_{field} input[type=range]" if field else "input[type=range]")


def _note(times: Times, found: dict[str, float]) -> None:
    for stage, milliseconds in found.items():
        times[stage].append(milliseconds)


def bench() -> list[Goal]:
    """Measure and print what the table of all benchmarks needs, in four minutes where a point takes two seconds."""
    found = _measure_here(BENCH_MOVES, (AT_ONCE_S, READING_S))
    _show(found)
    return goals(found)


def _measure_here(moves: int, rests: Sequence[float]) -> dict[float, Times]:
    """With servers and a browser of their own."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        home, other = Path(folder, "dashboard"), Path(folder, "bare")
        with dashboard(home) as server, bare_page(other) as bare:
            return measure(browser, server.address, bare.address, moves, rests)


def _show(found: Mapping[float, Times]) -> None:
    for rest, times in found.items():
        print(f"{_pace(rest)}:", table(times), sep="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(prog="benchmarks.slider", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--moves", type=int, default=MOVES, help="how many moves of each kind (default: %(default)s)")
    parser.add_argument(
        "--rest",
        type=float,
        nargs="+",
        default=[AT_ONCE_S, READING_S],
        metavar="SECONDS",
        help="how long to rest before each move; several are timed one after the other (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if len(set(options.rest)) < len(options.rest):
        parser.error("each rest can be timed once")
    most = (ROUTE_MOVES - WARM_UP) // len(options.rest)
    if not 2 <= options.moves <= most:
        parser.error(f"--moves can be 2 to {most} at {len(options.rest)} paces")
    _show(_measure_here(options.moves, options.rest))


if __name__ == "__main__":
    main()
