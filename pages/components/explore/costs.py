"""What it costs to run: operations and memory, counted and measured; energy and carbon by a model that says so."""

from __future__ import annotations

import streamlit as st

from compression import units
from compression.charts import breakdown
from compression.results import energy as model
from compression.results.energy import PLACES, Memory
from compression.results.metrics import INTEGER_MACS, METRICS, carbon_of, energy_of
from compression.results.record import Measures, Result
from pages.components.asking.work import Snapshot
from pages.components.frame import chart_view
from pages.components.shown import elements, html_table
from pages.components.shown.metric import metric_box

_MEMORY = "costs_memory"
_INTENSITY = "costs_intensity"
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
    html_table.parts(breakdown.energy_slices(result, memory), units.energy)
    st.caption(
        f":material/bolt: Energy and carbon are a **model, not a measurement**: {model.MODEL}. It compares networks; "
        "a present chip needs less for arithmetic, and more for everything around it."
    )


def _assumptions() -> tuple[Memory, float]:
    """Where weights lie and what a kilowatt-hour emits: both decide more than most techniques."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="assumptions"):
        memory = elements.switch(
            "Weights come from",
            PLACES,
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
    boxes = (
        (METRICS["macs"], f"{INTEGER_MACS.said(result)} of them run on integers here."),
        (METRICS["memory"], _memory_words(result)),
        (energy_of(memory), ""),
        (carbon_of(memory, intensity), ""),
    )
    with st.container(key="costs"):
        for metric, more in elements.grid(boxes, len(boxes)):
            metric_box(metric, result, result.baseline, more)
    for metric, _ in boxes:
        if against := metric.contradicted(result, result.baseline):
            st.caption(f":material/warning: **{metric.title}**: {against}.")


def _memory_words(measures: Measures) -> str:
    peak = METRICS["process_peak"]
    measured = (
        "This system cannot say what the process needed."
        if measures.process_peak_bytes is None
        else f"Measured, a process that loads it and runs one image grows by {peak.said(measures)}."
    )
    return (
        f"Weights take {units.size(measures.weight_bytes)}, activations {units.size(measures.activation_bytes)}. "
        f"{measured}"
    )
