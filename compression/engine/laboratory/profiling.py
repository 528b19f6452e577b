"""How long each node of a runtime file takes, by the runtime's own clock, and which layer it belongs to."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from compression.engine.measure.evaluation import one_image, open_session, optimized
from compression.engine.measure.machine_lock import machine_lock
from compression.engine.measure.memory import INTEGER_KERNELS
from compression.engine.onnx_graph import OnnxGraph, make_model
from compression.engine.onnx_layers import Call
from compression.inquiries.anatomy import NodeTime
from compression.results.machine import THREADS
from compression.watch import SILENT, Watch

SESSIONS = 4
"""Where in memory a newly loaded network happens to lie changes its speed by some percent."""
RUNS = 60
"""In each session."""
WARM_UP_RUNS = 10
_TAG = re.compile(r"layer(\d+)(?!\d)")
_MULTIPLYING = {"Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul", *INTEGER_KERNELS}


@dataclass(frozen=True)
class Profile:
    """Nodes in order of execution; which layers integer kernels carry out; the time of a whole run without profiling.

    `overhead_ms` was taken off the time of each node: what it takes to write the time down.
    """

    nodes: tuple[NodeTime, ...]
    integer: frozenset[str]
    run_ms: float
    overhead_ms: float
    runs: int


def profile(
    model: onnx.ModelProto, calls: Sequence[Call], names: Sequence[str], watch: Watch = SILENT, *, runs: int = RUNS
) -> Profile:
    """Time the nodes of the graph that ONNX Runtime makes out of `model`: one thread, one image, `runs` a session.

    The runtime's clock counts whole microseconds, and small nodes take one or two. So each node's time is the mean of
    the middle half of all runs, which has fractions like a mean and is as hard to disturb as a median. Writing a
    node's time down takes longer than many a node: that is measured too (`overhead_us`), and taken off. It takes more
    where caches are full; so at least as much is taken off that all nodes together fit into a whole run.
    """
    graph = _runnable(model, calls)
    owners = _owners(graph, OnnxGraph(model.graph), calls, names)
    for number, node in enumerate(graph.graph.node):
        node.name = f"n{number}"
    times: list[NDArray[np.float64]] = []
    whole: list[float] = []
    overheads: list[float] = []
    content = graph.SerializeToString()
    with tempfile.TemporaryDirectory() as folder, machine_lock(watch):
        for session in range(SESSIONS):
            watch.check()
            watch.report(session / SESSIONS, "timing every layer")
            overheads.append(overhead_us(Path(folder)))
            whole.append(_run_us(content, runs) / 1000)
            times.append(_session(content, len(graph.graph.node), Path(folder) / str(session), runs))
    middle, run_ms = _middle_mean(np.concatenate(times)), float(np.median(whole))
    overhead = max(float(np.median(overheads)), (middle.sum() - 1000 * run_ms) / max(1, len(middle)))
    middle = np.maximum(0, middle - overhead) / 1000
    nodes = tuple(
        NodeTime(operator=node.op_type, layer=owner, ms=float(ms))
        for node, owner, ms in zip(graph.graph.node, owners, middle, strict=True)
    )
    integer = frozenset(node.layer for node in nodes if node.operator in INTEGER_KERNELS and node.layer)
    return Profile(nodes, integer, run_ms, overhead / 1000, SESSIONS * runs)


CHAINS = (10, 60)
"""Nodes that do next to nothing, one behind the other: the longer chain shows what one more costs."""


def overhead_us(folder: Path) -> float:
    """What profiling adds to the time of a node: that of a node that does nothing, with profiling and without."""
    short, long = (_chain(count) for count in CHAINS)
    profiled = float(_middle_mean(_session(long, CHAINS[1], folder / "chain")).mean())
    alone = (_run_us(long) - _run_us(short)) / (CHAINS[1] - CHAINS[0])
    return max(0.0, profiled - max(0.0, alone))


def _chain(count: int) -> bytes:
    nodes = [helper.make_node("Relu", [str(number)], [str(number + 1)], name=f"n{number}") for number in range(count)]
    content: bytes = make_model(nodes, {"0": (1, 1)}, {str(count): (1, 1)}).SerializeToString()
    return content


def _run_us(content: bytes, runs: int = RUNS) -> float:
    """The median time of a run without profiling, in microseconds."""
    session = open_session(content, THREADS, optimize=False)
    feed = one_image(session, seed=0)
    times = []
    for _ in range(WARM_UP_RUNS + runs):
        started = time.perf_counter_ns()
        session.run(None, feed)
        times.append((time.perf_counter_ns() - started) / 1e3)
    return float(np.median(times[WARM_UP_RUNS:]))


def _runnable(model: onnx.ModelProto, calls: Sequence[Call]) -> onnx.ModelProto:
    """The graph that is really run, made out of one whose weighted nodes have names that fusing keeps."""
    named = onnx.ModelProto()
    named.CopyFrom(model)
    for number, call in enumerate(calls):
        named.graph.node[call.node].name = f"layer{number}"
    return onnx.load_from_string(optimized(named.SerializeToString()))


def _session(content: bytes, count: int, prefix: Path, runs: int = RUNS) -> NDArray[np.float64]:
    """Microseconds of each node in each run (runs x nodes)."""
    session = open_session(content, THREADS, optimize=False, profile_to=prefix)
    feed = one_image(session, seed=0)
    for _ in range(WARM_UP_RUNS + runs):
        session.run(None, feed)
    events = json.loads(Path(session.end_profiling()).read_text())
    times: dict[str, list[float]] = {f"n{number}_kernel_time": [] for number in range(count)}
    for event in events:
        if event.get("name") in times:
            times[event["name"]].append(float(event["dur"]))
    return np.array(list(times.values())).T[WARM_UP_RUNS:]


def _middle_mean(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the middle half of each column."""
    quarter = len(times) // 4
    found: NDArray[np.float64] = np.sort(times, axis=0)[quarter : len(times) - quarter].mean(axis=0)
    return found


def _owners(model: onnx.ModelProto, before: OnnxGraph, calls: Sequence[Call], names: Sequence[str]) -> list[str]:
    """The layer of each node that multiplies, by its name or, where that was lost, by what it gives."""
    numbers = {call.output: number for number, call in enumerate(calls)}
    owner: dict[int, int] = {}
    late: list[tuple[int, str]] = []
    for place, node in enumerate(model.graph.node):
        if node.op_type in _MULTIPLYING:
            tag = _TAG.search(node.name)
            output = _plain(node.output[0], before) or _plain(node.name, before)
            if tag:
                owner[place] = int(tag[1])
            elif output in numbers:
                owner[place] = numbers[output]
            elif output:
                late.append((place, output))
    for place, output in late:  # what was fused with an addition has the sum's name
        found = {numbers[name] for name in before.upstream(output, stop=numbers) if name in numbers}
        if found - set(owner.values()):
            owner[place] = max(found - set(owner.values()))
    return [names[owner[place]] if place in owner else "" for place in range(len(model.graph.node))]


def _plain(name: str, before: OnnxGraph) -> str:
    """The value's name in the file: the runtime puts something behind it."""
    return next((cut for cut in (name, name.split("_", maxsplit=1)[0]) if cut in before.makers), "")
