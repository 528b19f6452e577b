"""Would a runtime that skips zeros be faster? Measured products of the model's own layers, sparse against dense."""

from __future__ import annotations

import streamlit as st

from compression.charts import breakdown
from pages.components.asking.work import Snapshot
from pages.components.frame import chart_view

_LAYER = "zeros_layer"


def show(seen: Snapshot) -> None:
    """The chart over all measured settings of the model that have zeros."""
    st.markdown("**Would a runtime that skips zeros be faster?**")
    layers = breakdown.timed_layers(seen.results.values())
    if not layers:
        st.caption(
            "Nothing measured yet. Prune single weights (Advanced, Pruning, What to remove): each such setting "
            "times its largest layers with the zeros skipped."
        )
        return
    layer = st.selectbox(
        "Layer",
        list(layers),
        format_func=layers.__getitem__,
        key=_LAYER,
        help="Its weight is a matrix of this many outputs by inputs. The largest layers are timed.",
        width=360,
    )
    timings = breakdown.timings_of(layer, seen.results.values())
    st.markdown(f":material/timer: {breakdown.crossover_words(timings)}")
    chart_view.show(
        breakdown.draw_sparse(timings), key="chart_sparse", alt=f"Sparse time over dense time of {layers[layer]}"
    )
    st.caption(
        "Above the dashed line skipping zeros takes longer than multiplying by them. Measured on this machine: SciPy's "
        "sparse product against ONNX Runtime's dense one, one thread. ONNX Runtime itself never skips zeros: "
        "zeros alone make nothing faster above. The points are from all measured settings of this model."
    )
