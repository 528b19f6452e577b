"""Which layers can be compressed without harm: curves of accuracy while one layer alone is compressed."""

from __future__ import annotations

import streamlit as st

from compression import units
from compression.charts.sensitivity import WAYS, Reach, draw, reaches, words_of
from compression.inquiries.sensitivity import BITS, SPARSITIES, Sensitivities, SensitivityInquiry
from compression.results.score import said
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.inspect.position import Seen
from pages.components.shown import elements

_WAY, _DROP = "sensitivity_way", "sensitivity_drop"


def show(seen: Seen) -> None:
    """The curves of the uncompressed model, which all its settings share."""
    found = waiting.ask(SensitivityInquiry(recipe=seen.recipe.baseline()), Sensitivities, key="sensitivity")
    if found is None:
        st.caption(
            "Each layer of the uncompressed model is tried alone: seconds for small models, a minute for others."
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="sensitivity_head"):
        way = elements.switch("Compressed by", WAYS, usual="bits", key=_WAY)
        drop = st.number_input(
            "Percentage points that may be lost",
            0.0,
            20.0,
            1.0,
            0.5,
            key=_DROP,
            width=260,
            help=said("The dashed floor lies this many percentage points below the uncompressed model's accuracy."),
        )
    icon = ":material/check_circle:" if words_of(found, drop, way).startswith("Each") else ":material/warning:"
    st.markdown(f"{icon} {words_of(found, drop, way)}")
    original = next(row.original for row in seen.anatomy.subject.layers if row.name == seen.layer)
    chart_view.show(
        draw(found, drop, way, original),
        key="chart_sensitivity",
        alt=said("Accuracy while one layer alone is compressed"),
    )
    st.caption(
        f"{said('Accuracy')} of the **uncompressed** model on {found.n_images:,} validation images (never the test "
        "images) while one layer alone is compressed in the simplest way: nearest codes, or smallest weights to zero, "
        "with nothing "
        f"fitted afterwards. One image is {100 / found.n_images:g} points. Dotted: the model as it "
        "is. Dashed: the floor, which you set above. "
        f"{_coloured(len(seen.anatomy.subject.layers))}; a star marks the chosen layer."
    )
    with st.expander("How far each layer can go", icon=":material/table:"):
        st.dataframe(
            [_row(row) for row in reaches(found, drop, way)],
            hide_index=True,
            column_config={
                "bits": st.column_config.TextColumn("Fewest bits above the floor", help=f"Tried: {BITS}"),
                "zeros": st.column_config.TextColumn(
                    "Most zeros above the floor", help=f"Tried: {[f'{units.share(share)}' for share in SPARSITIES]}"
                ),
                "lost": st.column_config.NumberColumn("Points lost on average", format="%.1f"),
            },
            key="sensitivity_table",
        )


def _coloured(layers: int) -> str:
    return "Each layer has its colour" if layers <= 5 else "The five most sensitive layers are in colour"


def _row(row: Reach) -> dict[str, object]:
    return {
        "Layer": row.name,
        "bits": f"{row.fewest_bits}" if row.fewest_bits else f"more than {BITS[0]}",
        "zeros": f"{units.share(row.most_zeros)}" if row.most_zeros else f"less than {units.share(SPARSITIES[0])}",
        "lost": 100 * row.lost,
    }
