"""How the server answers many people at once: clients that speak Streamlit's protocol, without browsers.

    python -m benchmarks.visitors [--visitors 25] [--seconds 180] [--think 4]

Each visitor opens Explore on ResNet-8, and moves one of its sliders at random again and again, with pauses of random
length (exponential, `--think` seconds on average) in between, as somebody does who reads what a move brought. It asks
for news as often as a browser does, since the page tells it to. All share one server with its usual workers.

An answer is complete when the server has sent all that a move changes: the script's run for it has ended. Only the
server's own part is timed; browsers draw for another while, on their own processors. Of 25 visitors 95 % of answers
are to be there within 2 s.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from tornado.websocket import WebSocketClientConnection, websocket_connect

from benchmarks.dashboard import Server, dashboard

VISITORS, SECONDS, THINK_S = 25, 180.0, 4.0
GOAL_S = 2.0
"""For 95 % of answers."""

QUERY = "model=resnet8-mnist5k"
FIRST_S, PATIENCE_S = 180, 120
"""For the first page, while everybody arrives at once, and for an answer."""

ENDED = {ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY}


@dataclass(frozen=True)
class Control:
    """A slider as the page sent it: the fragment it is in, and its positions, numbers or words."""

    fragment: str
    positions: Sequence[float] | Sequence[str]


@dataclass
class Visitor:
    """One browser tab without the browser. `answers` are the seconds that moves took."""

    address: str
    dice: random.Random
    answers: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    controls: dict[str, Control] = field(default_factory=dict)
    states: dict[str, float | str] = field(default_factory=dict)
    timers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    page: str = ""
    _moved: str = ""
    _drawn: set[str] = field(default_factory=set)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _socket: WebSocketClientConnection | None = None

    async def arrive(self) -> None:
        """Open the page; returns when all of it is there."""
        url = self.address.replace("http", "ws", 1) + "/_stcore/stream"
        self._socket = await websocket_connect(url, subprotocols=["streamlit"], max_message_size=1 << 30)
        self._reader = asyncio.create_task(self._read())
        await self._send(FIRST_S, page_name="explore")

    async def stay(self, seconds: float, think_s: float) -> None:
        """Move sliders for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(self.dice.expovariate(1 / think_s))
            name, control = self.dice.choice(sorted(self.controls.items()))
            before = self.states.get(name)  # a browser says nothing where nothing moved
            self.states[name] = self.dice.choice([position for position in control.positions if position != before])
            started = time.monotonic()
            self._moved = control.fragment
            await self._send(PATIENCE_S, fragment_id=control.fragment)
            self.answers.append(time.monotonic() - started)

    def leave(self) -> None:
        """Close the tab."""
        for timer in self.timers.values():
            timer.cancel()
        if self._socket is not None:
            self._socket.close()

    async def _send(self, patience_s: float, **what: Any) -> None:  # noqa: ANN401
        """Ask for a run of the script and wait for its end."""
        self._ended.clear()
        self._ask(**what)
        await asyncio.wait_for(self._ended.wait(), patience_s)

    def _ask(self, **what: Any) -> None:  # noqa: ANN401
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash = QUERY, self.page
        for name, value in what.items():
            setattr(state, name, value)
        for name, value in self.states.items():
            widget = state.widget_states.widgets.add(id=name)
            (widget.string_array_value if isinstance(value, str) else widget.double_array_value).data.append(value)
        if self._socket is not None:
            self._socket.write_message(message.SerializeToString(), binary=True)

    async def _read(self) -> None:
        while self._socket is not None:
            data = await self._socket.read_message()
            if data is None:
                return
            message = ForwardMsg()
            message.ParseFromString(data if isinstance(data, bytes) else data.encode())
            self._take(message)

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.page = message.new_session.page_script_hash or self.page
            self._drawn.clear()
        elif kind == "delta":
            self._take_element(message.delta)
        elif kind == "auto_rerun":
            self._set_timer(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "script_finished" and message.script_finished in ENDED:
            is_whole = message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
            if is_whole or self._moved in self._drawn:  # else a timer asked for it
                self._ended.set()

    def _take_element(self, delta: Any) -> None:  # noqa: ANN401
        self._drawn.add(delta.fragment_id)
        element = delta.new_element
        if element.WhichOneof("type") == "slider" and not element.slider.disabled:
            slider = element.slider
            steps = np.arange(slider.min, slider.max + slider.step / 2, slider.step).tolist()
            self.controls[slider.id] = Control(delta.fragment_id, list(slider.options) or steps)
        elif element.WhichOneof("type") == "exception":
            self.failures.append(element.exception.message)

    def _set_timer(self, fragment: str, interval: float) -> None:
        """Ask for a part of the page again and again, as a browser does that was told to."""
        if fragment in self.timers:
            self.timers[fragment].cancel()

        async def ask() -> None:
            while True:
                await asyncio.sleep(interval)
                self._ask(fragment_id=fragment, is_auto_rerun=True)

        self.timers[fragment] = asyncio.create_task(ask())


@dataclass(frozen=True)
class Crowd:
    """What came of it: seconds of answers, what pages said went wrong, and the server's memory at the end (bytes)."""

    answers: tuple[float, ...]
    failures: tuple[str, ...]
    memory: int

    @property
    def p95_s(self) -> float:
        """Within which 95 % of answers were there."""
        return float(np.quantile(self.answers, 0.95))


async def crowd(server: Server, visitors: int, seconds: float, think_s: float, seed: int = 0) -> Crowd:
    """Have so many people come at once, stay and leave."""
    there = [Visitor(server.address, random.Random(f"{seed} {number}")) for number in range(visitors)]
    await asyncio.gather(*(visitor.arrive() for visitor in there))
    await asyncio.gather(*(visitor.stay(seconds, think_s) for visitor in there))
    for visitor in there:
        visitor.leave()
    answers = tuple(answer for visitor in there for answer in visitor.answers)
    failures = tuple(failure for visitor in there for failure in visitor.failures)
    return Crowd(answers, failures, psutil.Process(server.process.pid).memory_info().rss)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.visitors", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--visitors", type=int, default=VISITORS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--think", type=float, default=THINK_S, help="seconds between an answer and the next move")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, dashboard(Path(folder) / "home") as server:
        found = asyncio.run(crowd(server, options.visitors, options.seconds, options.think))
    answers = found.answers
    print(
        f"{options.visitors} visitors, {len(answers)} answers: median {statistics.median(answers):.2f} s, "
        f"95 % within {found.p95_s:.2f} s (goal {GOAL_S:g} s), longest {max(answers):.2f} s; "
        f"{len(found.failures)} failures; the server holds {found.memory / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    main()
