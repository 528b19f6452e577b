"""What it costs to run: operations and memory, counted and measured; energy and carbon by a model that says so."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from compression import units
from compression.charts import breakdown
from compression.results import energy as model
from compression.results.energy import Memory
from compression.results.record import Measures, Result
from pages.components.asking.work import Snapshot
from pages.components.frame import chart_view
from pages.components.shown import slices

_MEMORY = "costs_memory"
_INTENSITY = "costs_intensity"
_PLACES: dict[Memory, str] = {"cache": "cache", "dram": "DRAM"}
MAX_INTENSITY = 2000.0
"""Grams of CO2 a kWh; the dirtiest power plants emit about half as much."""


def show(seen: Snapshot) -> None:
    """The current setting against its baseline; says so where nothing is measured yet."""
    result = seen.result
    if result is None:
        st.caption("Not measured yet: costs are those of the decoded file.")
        return
    memory, intensity = _assumptions()
    _numbers(result, memory, intensity)
    chart_view.show(breakdown.draw_energy(result, memory), key="chart_energy", alt="Energy of one image by part")
    slices.table(breakdown.energy_slices(result, memory), units.energy)
    st.caption(
        f":material/bolt: Energy and carbon are a **model, not a measurement**: {model.MODEL}. It compares networks; "
        "a present chip needs less for arithmetic, and more for everything around it."
    )


def _assumptions() -> tuple[Memory, float]:
    """Where weights lie and what a kilowatt-hour emits: both decide more than most techniques."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="assumptions"):
        memory = st.segmented_control(
            "Weights come from",
            tuple(_PLACES),
            format_func=_PLACES.__getitem__,
            default="cache",
            required=True,
            key=_MEMORY,
            help="A small network stays in the processor's cache; a large one is fetched from memory (DRAM) for every "
            "image, and a byte from there costs about a hundred times as much energy.",
        )
        intensity = st.number_input(
            "Grams of CO₂ a kWh",
            0.0,
            MAX_INTENSITY,
            value=model.WORLD_GRID,
            step=10.0,
            format="%.0f",
            key=_INTENSITY,
            width=200,
            help=f"How dirty the electricity is. {model.WORLD_GRID:.0f} is the world's average.",
        )
    return memory, intensity


def _numbers(result: Result, memory: Memory, intensity: float) -> None:
    with st.container(key="costs"):
        operations, peak, joules, carbon = st.columns(4)
        with operations:
            _operations(result)
        with peak:
            _memory(result)
        with joules:
            _energy(result, memory)
        with carbon:
            _carbon(result, memory, intensity)


def _operations(result: Result) -> None:
    share = result.integer_macs / result.macs if result.macs else 0.0
    _metric(
        "Operations (MACs)",
        units.count(result.macs),
        (result.baseline.macs, result.macs),
        f"{units.MACS} {100 * share:.0f} % of them run on integers here.",
        "fewer",
    )


def _memory(result: Result) -> None:
    _metric(
        "Peak memory",
        units.size(result.peak_memory_bytes),
        (result.baseline.peak_memory_bytes, result.peak_memory_bytes),
        f"Computed: weights as the runtime holds them ({units.size(result.weight_bytes)}) and the activations that "
        f"live together for one image ({units.size(result.activation_bytes)}). {_process_words(result)}",
        "less",
    )


def _process_words(measures: Measures) -> str:
    if measures.process_peak_bytes is None:
        return "This system cannot say what the process needed."
    return f"Measured, a process that loads it and runs one image grows by {units.size(measures.process_peak_bytes)}."


def _energy(result: Result, memory: Memory) -> None:
    new, old = (model.energy(measures, memory).joules for measures in (result, result.baseline))
    _metric("Energy an image", units.energy(new), (old, new), f"By the model: {model.LABEL}.", "less")


def _carbon(result: Result, memory: Memory, intensity: float) -> None:
    new, old = (
        model.carbon_grams_per_million(model.energy(measures, memory).joules, intensity)
        for measures in (result, result.baseline)
    )
    _metric(
        "Carbon a million images",
        units.grams(new),
        (old, new),
        f"That energy at {intensity:.0f} g of CO₂ a kWh, for a million images. By the model, not measured.",
        "less",
    )


def _metric(label: str, value: str, change: tuple[float, float], explanation: str, better: str) -> None:
    """A number with its factor against the baseline."""
    old, new = change
    same = not old or abs(new / old - 1) < units.SAME_SIZE
    words = "same" if same else f"{units.factor(max(old / new, new / old))} {better if new < old else 'more'}"
    colour: Literal["gray", "green", "red"] = "gray" if same else "green" if new < old else "red"
    st.metric(label, value, delta=words, delta_color=colour, delta_arrow="off", help=explanation)
