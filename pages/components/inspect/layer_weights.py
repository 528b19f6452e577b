"""One layer's weights: where they lie, which are zero, and what filters look like, before and after."""

from __future__ import annotations

import streamlit as st

from compression.charts import weights as pictures
from compression.inquiries.weights import LayerWeights, WeightInquiry, Weights
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.inspect import position
from pages.components.inspect.position import Seen
from pages.components.shown import elements


def show(seen: Seen) -> None:
    """The chosen layer's pictures."""
    name = position.choose_layer(seen)
    found = waiting.ask(WeightInquiry(recipe=seen.recipe), Weights, key="weights")
    if found is None:
        return
    layer = next((layer for layer in found.layers if layer.name == name), None)
    if layer is None:
        st.caption("This layer is not in the file any more. Load the page again.")
        return
    _histogram(layer)
    _zeros(layer)
    _filters(layer)


def _histogram(layer: LayerWeights) -> None:
    st.markdown("**Where the weights lie**")
    units = pictures.units_of(layer)
    unit = units[0]
    if len(units) > 1:
        words = {unit: pictures.UNITS[unit] for unit in units}
        unit = elements.switch("Counted in", words, key=f"weights_unit_{unit}")
    chart_view.show(
        pictures.draw_histogram(layer, unit), key="chart_histogram", alt=f"Histogram of the weights of {layer.name}"
    )
    st.caption(pictures.histogram_words(layer, unit))


def _zeros(layer: LayerWeights) -> None:
    st.markdown("**Which weights are zero**")
    st.caption(f"{pictures.zeros_words(layer)} Blue: not zero. Light: zero.")
    chart_view.show(pictures.draw_zeros(layer), key="chart_zeros_map", alt=f"Zeros among the weights of {layer.name}")
    rows, columns = layer.corner.shape
    if layer.n_zeros and layer.cell != (1, 1):
        st.caption(f"The first {rows} outputs × {columns} inputs, weight by weight: patterns are seen here.")
        chart_view.show(
            pictures.draw_corner(layer), key="chart_corner", alt=f"First weights of {layer.name}, zero or not"
        )


def _filters(layer: LayerWeights) -> None:
    if not layer.filters.size:
        return
    outputs, inputs = layer.filters.shape[:2]
    total = layer.shape[0], layer.shape[1] if len(layer.shape) == 4 else inputs
    st.markdown("**Filters**")
    st.caption(
        f"{outputs} of {total[0]} outputs"
        + (f", and of each the first {inputs} of {total[1]} inputs, side by side" if inputs > 1 else "")
        + ". Orange: negative. Blue: positive. Both pictures have the same scale of colours."
    )
    limit = pictures.colour_range(layer)
    if not layer.filters_before.size:
        chart_view.show(pictures.draw_filters(layer.filters, limit), key="chart_filters", alt="Filters")
        return
    before, after = st.columns(2, gap="medium")
    with before:
        st.caption(f"Before ({layer.original})")
        chart_view.show(
            pictures.draw_filters(layer.filters_before, limit), key="chart_filters_before", alt="Filters before"
        )
    with after:
        st.caption("After")
        chart_view.show(pictures.draw_filters(layer.filters, limit), key="chart_filters", alt="Filters after")
    if layer.shape != layer.original_shape:
        st.caption("The shape changed: filters that stand in the same place need not be the same ones.")
