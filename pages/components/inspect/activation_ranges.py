"""Which numbers leave each layer, and which of them a quantizer keeps."""

from __future__ import annotations

import streamlit as st

from compression.charts.ranges import draw, table_of, words_of
from compression.inquiries.activations import ActivationInquiry, Activations
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.inspect.position import Seen

_COLUMNS = {
    "layer": "Behind",
    "min": "Smallest",
    "low": "0.1 %",
    "high": "99.9 %",
    "max": "Largest",
    "kept_low": "Kept from",
    "kept_high": "Kept to",
    "clipped": "Cut off %",
    "before_max": "Largest before",
}


def show(seen: Seen) -> None:
    """The chart, and the same numbers as a table."""
    found = waiting.ask(ActivationInquiry(recipe=seen.recipe), Activations, key="activations")
    if found is None:
        return
    st.markdown(f":material/straighten: {words_of(found)}")
    chart_view.show(draw(found), key="chart_ranges", alt="Range of the activations behind each layer")
    st.caption(
        f"What leaves each layer, behind its activation function, on {found.n_images} calibration images. “image” is "
        "what the network is given. Where activations are rounded, values outside the brackets become the nearest end."
    )
    with st.expander("The numbers", icon=":material/table:"):
        number = st.column_config.NumberColumn
        st.dataframe(
            table_of(found),
            hide_index=True,
            column_config={
                name: title if name == "layer" else number(title, format="%.4f" if name == "clipped" else "%.3g")
                for name, title in _COLUMNS.items()
            }
            | {"bits": number("Bits")},
            key="ranges_table",
        )
