"""What a latency rests on, in words: how often it was timed, beside what, and what of it is the call. Torch-free."""

from __future__ import annotations

from compression import units
from compression.results.record import Measures, Result


def rests_on(result: Result) -> str:
    """'timed twice, 300 runs each, while other programs kept 3 % and 40 % of the processors busy'; '' if not known."""
    if not result.timings:
        return ""
    times = {1: "once", 2: "twice"}.get(len(result.timings), f"{len(result.timings)} times")
    loads = [f"{units.percent(timing.load, 0)} %" for timing in result.timings]
    *first, last = loads
    busy = f"{', '.join(first)} and {last}" if first else last
    runs = sum(timing.runs for timing in result.timings)
    often = f", {runs:,} runs each" if all(timing.runs for timing in result.timings) else ""
    shared = "" if result.is_baseline or not result.has_same_graph else ", with the original: the same graph"
    return f"timed {times}{often}{shared}, while other programs kept {busy} of the processors busy"


def of_the_call(result: Result) -> str:
    """Where calling the runtime takes as long as computing, or longer, what that means; else nothing."""
    old = result.baseline
    if not result.call_ms or not any(one.call_ms >= _computing_ms(one) for one in (result, old)):
        return ""
    words = (
        f"{units.milliseconds(result.call_ms)} of the {units.milliseconds(result.latency_p50_ms)} are what it costs to "
        "call the runtime from Python, whatever it computes."
    )
    if result.is_baseline or _computing_ms(result) <= 0 or _computing_ms(old) <= 0:
        return words
    alone = units.percent(_computing_ms(result) / _computing_ms(old), 0)
    return f"{words} Computing alone takes about {alone} % of the time it took: nearer to what a program in C sees."


def _computing_ms(measures: Measures) -> float:
    """What is left of the time without the call."""
    return measures.latency_p50_ms - measures.call_ms
