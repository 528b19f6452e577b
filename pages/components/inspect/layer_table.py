"""The table of layers: sort by a column's head, filter, choose a row, download."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from compression import units
from compression.charts import breakdown
from compression.charts.layer_bars import MEASURES, draw
from compression.explain.layers import WRITTEN, Line, csv_of, lines_of, rest_of, unmatched
from compression.inquiries.layer_tables import TableInquiry, Tables
from compression.results.metrics import METRICS
from compression.results.score import said
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.inspect import position
from pages.components.inspect.position import Seen
from pages.components.shown import elements, html_table

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

_MEASURES = ("stored", "ms", "macs", "parameters")
_FILTER, _MEASURE = "layers_filter", "layers_measure"


def _columns() -> dict[str, ColumnConfig]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "layer": text("Layer", pinned=True),
        "kind": text("Kind"),
        "shape": text("Shape", help="Outputs × inputs (× height × width of a filter)."),
        "parameters": number("Parameters", format="localized", help="Weights and biases."),
        "kept": number(
            "Kept %", format="%.1f", help="Weights that are left and not zero, of those that the layer had before."
        ),
        "written": text("Written as", help="Floats, codes of a grid, or codes of shared values."),
        "bits": number("Bits", help="Bits that a weight's code needs, read from the file."),
        "stored_kb": number(
            "Stored KB",
            format="%.2f",
            help="Share of the stored file: weights, scales, codebook and bias. The coder writes all layers into one "
            "stream; it is divided by what each layer's codes cost there.",
        ),
        "was_kb": number("Stored KB before", format="%.2f", help="The same in the uncompressed model's stored file."),
        "share": st.column_config.ProgressColumn("Of the file", format="%.1f %%", min_value=0, max_value=100),
        "runtime_kb": number("Runtime KB", format="%.2f", help="The same numbers in the runtime file (.onnx)."),
        "macs": number("MACs", format="localized", help=METRICS["macs"].meaning),
        "integer": st.column_config.CheckboxColumn("On integers", help="Whether an integer kernel computes it."),
        "us": number("µs", format="%.1f", help="Measured on this machine, one thread, one image."),
        "was_us": number("µs before", format="%.1f", help="The same layer in the uncompressed model."),
        "sensitivity": number(
            "Loss at 4 bits",
            format="%.1f",
            help=said(
                "Points of validation accuracy that the uncompressed model loses when this layer alone gets 4 bits. "
                "Open Sensitivity to have it measured."
            ),
        ),
    }


def _cells(line: Line) -> dict[str, object]:
    """One row with the units that people read."""
    found, before = line.numbers(), line.before
    return {
        **found,
        "kept": None if found["kept"] is None else 100 * found["kept"],
        "stored_kb": line.row.stored_bytes / 1000,
        "was_kb": before and before.stored_bytes / 1000,
        "share": 100 * line.share,
        "runtime_kb": line.row.runtime_bytes / 1000,
        "us": 1000 * line.row.ms,
        "was_us": before and 1000 * before.ms,
    }


def rows_of(lines: list[Line]) -> list[dict[str, object]]:
    """The table; columns that nothing is known of are left out."""
    cells = [_cells(line) for line in lines]
    known = [name for name in _columns() if any(row[name] is not None for row in cells)]
    return [{name: row[name] for name in known} for row in cells]


def show(seen: Seen) -> None:
    """Table, what is left of the file, bars, and where the time goes."""
    known = waiting.known(TableInquiry(recipe=seen.recipe.baseline()), Tables)
    lines = lines_of(seen.anatomy, known)
    _notes(seen)
    with st.container(horizontal=True, vertical_alignment="bottom", key="layers_head"):
        words = st.text_input(
            "Filter",
            key=_FILTER,
            placeholder="conv, linear, codes …",
            width=260,
            help="Part of a name, kind or format.",
        )
        name = f"{seen.recipe.model}-{seen.recipe.recipe_id}-layers.csv"
        elements.download("All layers (.csv)", lambda: csv_of(lines), name)
    shown = [line for line in lines if _fits(line, words)]
    if not shown:
        st.caption(f"No layer fits “{words}”. There are {', '.join(sorted({line.kind for line in lines}))}.")
        return
    elements.table(
        rows_of(shown),
        _columns(),
        key="layers_table",
        most_px=640,
        on_row=lambda row: position.choose(shown[row].row.name),
    )
    _sum(seen)
    if known is None:
        st.caption(
            ":material/monitoring: How much each layer's rounding alone costs is a column here too, once the tab "
            "**Sensitivity** has measured it."
        )
    _bars(shown, seen.layer)
    _time(seen)


def _fits(line: Line, words: str) -> bool:
    text = f"{line.row.name} {line.kind} {WRITTEN[line.row.format]}".lower()
    return all(word in text for word in words.lower().split())


def _notes(seen: Seen) -> None:
    if seen.anatomy.other_family:
        st.info(
            "This student belongs to another family of networks: its layers have no counterpart in the model, so there "
            "is nothing to compare them with.",
            icon=":material/info:",
        )
    elif not seen.anatomy.named:
        st.info(
            "The layers of this network could not be matched with the model's, so they are numbered.",
            icon=":material/info:",
        )
    elif gone := unmatched(seen.anatomy):
        st.caption(f"Layers of the model that are gone: {', '.join(gone)}.")


def _sum(seen: Seen) -> None:
    """The rows add up to the file."""
    file = seen.anatomy.subject
    layers = sum(row.stored_bytes for row in file.layers)
    rest = " + ".join(f"{words[0].lower()}{words[1:]} {size:,}" for words, size in rest_of(file).items())
    st.caption(
        f":material/functions: Stored file, to the byte: layers {layers:,} + {rest} = **{file.stored_bytes:,} bytes**. "
        "Click a row to look at that layer under Weights; the chosen layer's bar is orange."
    )


def _bars(lines: list[Line], chosen: str) -> None:
    titles = {name: MEASURES[name].title for name in _MEASURES}
    measure = MEASURES[elements.switch("Layer by layer", titles, usual="stored", key=_MEASURE)]
    alt = f"{measure.title} of each layer"
    chart_view.show(draw(lines, measure, chosen), key="chart_layers", alt=alt, on_click=position.choose)


def _time(seen: Seen) -> None:
    """Where the time of one run goes, beside the uncompressed model's."""
    st.markdown("**Where the time of one image goes**")
    file = seen.anatomy.subject
    both = (("This setting", file), ("The baseline (uncompressed)", seen.anatomy.baseline))
    for words, one in elements.grid(both, 2, gap="large"):
        st.caption(words)
        html_table.parts(breakdown.time_slices(one), units.short_time)
    st.caption(
        f":material/timer: All nodes together take {units.short_time(file.nodes_ms)}; whole runs in turn with "
        f"these, without looking inside, {units.short_time(file.run_ms)}; when the setting was measured it took "
        f"{units.short_time(seen.result.latency_p50_ms)}. ONNX Runtime's profiler, {file.runs} runs, one "
        f"thread: mean of the middle half, less {units.short_time(file.overhead_ms)} a node for writing it down. "
        "Small nodes are known to about one microsecond. An activation function is timed with its layer."
    )
