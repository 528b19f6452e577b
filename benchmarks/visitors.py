"""How the server answers many people at once: clients that speak Streamlit's protocol, without browsers.

    python -m benchmarks.visitors [--visitors 25] [--seconds 180] [--think 4]

Each visitor opens Explore on ResNet-8, and moves one of its sliders at random again and again, with pauses of random
length (exponential, `--think` seconds on average) in between, as somebody does who reads what a move brought. It asks
for news as often as a browser does, since the page tells it to, and says the address that the page wrote. All share
one server with its usual workers.

A wait begins with the move and ends when the page has answered it: both charts mark the very recipe that the sliders
now stand for, and the line above them says it in words. It is at rest a while later, when its last part has come, which
foresees the next move; until then the visitor does not move on. What a run brings that began before the move, or that a
timer asked for, is no answer. Whoever waits longer than `PATIENCE_S`, or is shown an error, or loses the connection,
counts as a failure.

Only the server's own part is timed; browsers draw for another while, on their own processors. The processor time of
the server, of its workers and of the visitors themselves is told, for they share one machine. Of 25 visitors 95 % of
answers are to be there within 2 s. At last all leave, and what the server holds is looked at once their sessions are
over.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import random
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from benchmarks.dashboard import Server, dashboard
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.recipe.settings import Settings, neutral_settings, recipe_of
from compression.recipe.words import recipe_in_words
from compression.store.store import Store

VISITORS, SECONDS, THINK_S = 25, 180.0, 4.0
GOAL_S = 2.0
"""For 95 % of answers."""

MODEL = "resnet8-mnist5k"
FIRST_S, PATIENCE_S = 180.0, 60.0
"""For the first page, while everybody arrives at once, and for an answer."""

SLIDERS = ("pruning_percent", "weight_bits", "student_percent")
"""Those that are moved, by the fields of `Settings` that they stand for."""

CHARTS = 2
GONE_S = 130.0
"""So long after everybody left, their sessions are over: the server gives tabs a minute and a half to come back."""

LOOK_S = 0.5
"""How often the server's memory is looked at."""

_WIDGET = "setting_"


@dataclass(frozen=True)
class Control:
    """A slider as the page sent it: its widget, the fragment it is in, and its positions as the page calls them."""

    widget: str
    fragment: str
    positions: Sequence[float] | Sequence[str]


@dataclass
class Visitor:
    """One browser tab without the browser.

    `answers` are the seconds until moves were answered, `rested` those until the page was at rest; `measured` counts
    the moves whose numbers were measured before the next one. `controls` are by the field of `Settings`.
    """

    address: str
    dice: random.Random
    answers: list[float] = field(default_factory=list)
    rested: list[float] = field(default_factory=list)
    measured: int = 0
    failures: list[str] = field(default_factory=list)
    controls: dict[str, Control] = field(default_factory=dict)
    states: dict[str, float | str] = field(default_factory=dict)
    timers: dict[str, tuple[float | None, asyncio.Task[None]]] = field(default_factory=dict)
    settings: Settings = field(default_factory=lambda: neutral_settings(subject_of(MODEL)))
    page: str = ""
    query: str = f"model={MODEL}"
    _wanted: Recipe | None = None
    _marked: dict[str, str] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _moved_at: float = 0.0
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _socket: WebSocketClientConnection | None = None

    async def arrive(self) -> None:
        """Open the page; returns when all of it is there."""
        url = self.address.replace("http", "ws", 1) + "/_stcore/stream"
        self._socket = await websocket_connect(url, subprotocols=["streamlit"], max_message_size=1 << 30)
        self._reader = asyncio.create_task(self._read())
        self._wanted = recipe_of(subject_of(MODEL), self.settings)
        self._ask(page_name="explore")
        if not await self._is_answered(FIRST_S):
            self.failures.append(f"no page within {FIRST_S:g} s")

    async def stay(self, seconds: float, think_s: float) -> None:
        """Move sliders for so long, unless the page never came or the connection is lost."""
        until = time.monotonic() + seconds
        while self.controls and not self._reader.done():
            await asyncio.sleep(self.dice.expovariate(1 / think_s))
            if time.monotonic() > until:
                return
            self.measured += self._wanted is not None and "measured" in self._seen
            self.move(self.dice.choice(sorted(self.controls)))
            if await self._is_answered(PATIENCE_S):
                self.rested.append(time.monotonic() - self._moved_at)
            else:
                self.failures.append(f"no answer within {PATIENCE_S:g} s")

    def move(self, name: str) -> None:
        """Move one slider to another position, and begin to wait."""
        control = self.controls[name]
        others = [position for position in control.positions if _value(position) != getattr(self.settings, name)]
        position = self.dice.choice(others)
        self.settings = replace(self.settings, **{name: _value(position)})
        self.states[control.widget] = position
        self._wanted = recipe_of(subject_of(MODEL), self.settings)
        self._seen.clear()
        self._ended.clear()
        self._moved_at = time.monotonic()
        self._ask(fragment_id=control.fragment)

    def leave(self) -> None:
        """Close the tab."""
        for _, timer in self.timers.values():
            timer.cancel()
        self.timers.clear()
        if self._socket is not None:
            self._socket.close()

    async def _is_answered(self, patience_s: float) -> bool:
        waiting = asyncio.create_task(self._ended.wait())
        await asyncio.wait({waiting, self._reader}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._reader.done():
            self._reader.result()  # what it could not read, it raises
        return self._ended.is_set()

    def _ask(self, **what: Any) -> None:  # noqa: ANN401
        """Ask for a run of the script, or of a part of it."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash = self.query, self.page
        for name, value in what.items():
            setattr(state, name, value)
        for name, value in self.states.items():
            widget = state.widget_states.widgets.add(id=name)
            (widget.string_array_value if isinstance(value, str) else widget.double_array_value).data.append(value)
        if self._socket is not None:
            with contextlib.suppress(WebSocketClosedError):  # the reader tells it
                self._socket.write_message(message.SerializeToString(), binary=True)

    async def _read(self) -> None:
        while self._socket is not None:
            data = await self._socket.read_message()
            if data is None:
                self.failures.append("the connection was lost")
                return
            message = ForwardMsg()
            message.ParseFromString(data if isinstance(data, bytes) else data.encode())
            self._take(message)

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "navigation":  # what a new session names is the script that all begins with
            self.page = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "delta":
            self._take_element(message.delta)
        elif kind == "auto_rerun":
            self._set_timer(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._set_timer(fragment, None)

    def _take_element(self, delta: Any) -> None:  # noqa: ANN401
        element = delta.new_element
        kind = element.WhichOneof("type")
        if kind == "slider" and not element.slider.disabled:
            slider = element.slider
            name = slider.id.rpartition(_WIDGET)[2]
            if name in SLIDERS:
                steps = np.arange(slider.min, slider.max + slider.step / 2, slider.step).tolist()
                self.controls[name] = Control(slider.id, delta.fragment_id, list(slider.options) or steps)
        elif kind == "bidi_component" and element.bidi_component.component_name == "chart_view":
            self._take_chart(element.bidi_component)
        elif kind == "bidi_component" and element.bidi_component.component_name == "foresight":
            again_ms = json.loads(element.bidi_component.json)["again_ms"]
            self._set_timer(delta.fragment_id, again_ms / 1000 if again_ms else None)
            if {"charts", "words"} <= self._seen:
                self._ended.set()
        elif kind == "markdown" and self._wanted and recipe_in_words(self._wanted) in element.markdown.body:
            self._see("words")
        elif kind == "progress" and "charts" in self._seen and "setting: measured" in element.progress.text:
            self._seen.add("measured")
        elif kind == "exception":
            self.failures.append(element.exception.message)

    def _take_chart(self, component: Any) -> None:  # noqa: ANN401
        self._marked[component.id] = json.loads(component.json)["marked"]
        right = sum(self._wanted is not None and marked == self._wanted.recipe_id for marked in self._marked.values())
        if right == CHARTS:
            self._see("charts")

    def _see(self, part: str) -> None:
        """Note a part of the answer that came; with the last of them the move is answered."""
        self._seen.add(part)
        if {"charts", "words"} <= self._seen and "answer" not in self._seen:
            self._seen.add("answer")
            self.answers.append(time.monotonic() - self._moved_at)

    def _set_timer(self, fragment: str, seconds: float | None) -> None:
        """Ask for a part of the page again and again, as a browser does that was told to; with None no more."""
        before, timer = self.timers.pop(fragment, (None, None))
        if timer is not None and before == seconds:
            self.timers[fragment] = seconds, timer
            return
        if timer is not None:
            timer.cancel()
        if seconds is not None:
            self.timers[fragment] = seconds, asyncio.create_task(self._ask_every(fragment, seconds))

    async def _ask_every(self, fragment: str, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self._ask(fragment_id=fragment, is_auto_rerun=True)


def _value(position: float | str) -> int:
    """What a position of a slider means as a field of `Settings`; words begin with the number."""
    return int(float(str(position).split()[0]))


@dataclass(frozen=True)
class Crowd:
    """What came of it. `answers` and `rested` in seconds, memory of the server in bytes, processor time in seconds.

    `measured` is how many moves' numbers were measured before the next move; `waiting` and `left` are unfinished jobs
    just before everybody left, and after their sessions were over.
    """

    answers: tuple[float, ...]
    rested: tuple[float, ...]
    measured: int
    failures: tuple[str, ...]
    memory: Mapping[str, int]
    processor_s: Mapping[str, float]
    waiting: int
    left: int

    @property
    def p95_s(self) -> float:
        """Within which 95 % of answers were there, each failure taken for one that never came."""
        never = (math.inf,) * len(self.failures)
        return float(np.quantile((*self.answers, *never), 0.95, method="higher"))


async def crowd(server: Server, home: Path, visitors: int, seconds: float, think_s: float) -> Crowd:
    """Have so many people come at once, stay and leave; returns once their sessions are over."""
    process = psutil.Process(server.process.pid)
    store = Store(f"sqlite:///{home / 'results.sqlite'}")
    there = [Visitor(server.address, random.Random(number)) for number in range(visitors)]
    memory = {"before": process.memory_info().rss, "peak": 0}

    async def watch() -> None:
        while True:
            memory["peak"] = max(memory["peak"], process.memory_info().rss)
            await asyncio.sleep(LOOK_S)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(visitor.arrive() for visitor in there))
    before, began = _processor_seconds(process), time.monotonic()
    await asyncio.gather(*(visitor.stay(seconds, think_s) for visitor in there))
    took, lasted = _processor_seconds(process), time.monotonic() - began
    waiting = store.queue.unfinished()
    for visitor in there:
        visitor.leave()
    failures = tuple(failure for visitor in there for failure in visitor.failures)
    await asyncio.sleep(GONE_S)
    watching.cancel()
    return Crowd(
        tuple(answer for visitor in there for answer in visitor.answers[1:]),
        tuple(rest for visitor in there for rest in visitor.rested),
        sum(visitor.measured for visitor in there),
        failures,
        memory | {"after": process.memory_info().rss},
        {"all": lasted} | {name: seconds - before[name] for name, seconds in took.items()},
        waiting,
        store.queue.unfinished(),
    )


def _processor_seconds(server: psutil.Process) -> dict[str, float]:
    """What the server, its workers and this process have taken until now; of workers those that live."""
    found = {"server": server, "visitors": psutil.Process()}
    taken = {name: sum(process.cpu_times()[:2]) for name, process in found.items()}
    taken["workers"] = 0.0
    for child in server.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            taken["workers"] += sum(child.cpu_times()[:2])
    return taken


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.visitors", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--visitors", type=int, default=VISITORS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--think", type=float, default=THINK_S, help="seconds between an answer and the next move")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, dashboard(home := Path(folder) / "home") as server:
        load = psutil.getloadavg()[0]
        found = asyncio.run(crowd(server, home, options.visitors, options.seconds, options.think))
        log = (home / "server.log").read_text(errors="replace")
    print(in_words(found, options.visitors))
    print(f"load average {load:.1f} before, on {os.cpu_count()} processors; {len(log.splitlines())} lines in the log")
    for failure in dict.fromkeys(found.failures):
        print(f"failed {found.failures.count(failure)} times: {failure}")
    print(log[-2000:])


def in_words(found: Crowd, visitors: int) -> str:
    """A few lines."""
    answers, rested = found.answers or (math.nan,), found.rested or (math.nan,)
    shares = ", ".join(
        f"{name} {found.processor_s[name] / found.processor_s['all']:.2f}" for name in ("server", "workers", "visitors")
    )
    memory = ", ".join(f"{size / 1e6:.0f} MB {when}" for when, size in found.memory.items())
    return (
        f"{visitors} visitors, {len(found.answers)} answers, {len(found.failures)} failures: median "
        f"{statistics.median(answers):.2f} s, 95 % within {found.p95_s:.2f} s (goal {GOAL_S:g} s), longest "
        f"{max(answers):.2f} s; at rest: median {statistics.median(rested):.2f} s, 95 % within "
        f"{np.quantile(rested, 0.95):.2f} s\n"
        f"{found.measured} of them were measured before the next move; processors taken: {shares}\n"
        f"the server's memory: {memory} they left; jobs: {found.waiting} unfinished when they left, {found.left} after"
    )


if __name__ == "__main__":
    main()
