"""Where the bytes go: the parts of the stored and the runtime file, and how one size becomes the next."""

from __future__ import annotations

import streamlit as st

from compression.charts import breakdown
from compression.charts.breakdown import Slice
from compression.explain.sizes import waterfall
from compression.results.record import Measures, Result
from pages.components.asking.work import Snapshot
from pages.components.frame import chart_view
from pages.components.shown import html_table


def show(seen: Snapshot) -> None:
    """The current setting's ledger; says so where there is none yet."""
    if seen.result is None:
        st.caption("Not measured yet: the bytes of a file are counted when it is written.")
        return
    show_ledger(seen.result)


def show_ledger(result: Result) -> None:
    """Parts of both files, and how one size becomes the next."""
    stored, runtime = breakdown.stored_slices(result), breakdown.runtime_slices(result)
    if not stored:
        st.caption("This row was measured before bytes were counted by part. Change a setting to measure anew.")
        return
    chart_view.show(breakdown.draw_bytes(result), key="chart_bytes", alt="Parts of the stored and the runtime file")
    left, right = st.columns(2, gap="large")
    with left:
        _part("Stored file", stored, "The file you would ship, entropy-coded; it decodes to exactly what was measured.")
    with right:
        _part("Runtime file", runtime, "The .onnx file: plain arrays, and nodes that turn codes into numbers.")
    _show_waterfall(result)


def _show_waterfall(measures: Measures) -> None:
    """Each cause beside its bar on wide screens, below on narrow ones."""
    st.markdown(
        "**From theory to a zip file**",
        help="Blue: the four sizes. Orange: what makes the next one larger. Green: what makes it smaller.",
    )
    parts = waterfall(measures)
    chart, causes = st.columns([3, 2], gap="large")
    with chart:
        chart_view.show(breakdown.draw_waterfall(parts), key="chart_waterfall", alt="How each size becomes the next")
    with causes:
        html_table.causes(parts)


def _part(title: str, parts: tuple[Slice, ...], explanation: str) -> None:
    st.markdown(f"**{title}**", help=explanation)
    html_table.parts(parts, _exact)


def _exact(n_bytes: float) -> str:
    """Every byte counts: the parts add up to the file."""
    return f"{n_bytes:,.0f} bytes"
