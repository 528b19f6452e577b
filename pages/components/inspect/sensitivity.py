"""Which layers can be compressed without harm: curves of accuracy while one layer alone is compressed."""

from __future__ import annotations

import streamlit as st

from compression import units
from compression.charts.sensitivity import SHOWN, WAYS, Reach, Shown, Way, draw, number_in_words, reaches, words_of
from compression.inquiries.layer_tables import LEVELS, TableInquiry, Tables
from compression.results.score import said
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.inspect.position import Seen
from pages.components.shown import elements

_WAY, _SHOWN, _DROP = "sensitivity_way", "sensitivity_shown", "sensitivity_drop"


def show(seen: Seen) -> None:
    """The curves of the uncompressed model, which all its settings share."""
    found = waiting.ask(TableInquiry(recipe=seen.recipe.baseline()), Tables, key="sensitivity")
    if found is None:
        st.caption(
            "Each layer of the uncompressed model is tried alone: seconds for small models, a minute for others."
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="sensitivity_head"):
        way = elements.switch(
            "Compressed by",
            WAYS,
            usual="quantization",
            key=_WAY,
            help="What is done to one layer at a time.",
        )
        shown = elements.switch(
            "Curves show",
            {one: said(words) for one, words in SHOWN.items()},
            key=_SHOWN,
            help=said(
                "Accuracy: the share of right answers. Change of answers: how far the probabilities that the network "
                "gives to the classes move, which also tells layers apart that cost no right answer yet. 0 is no "
                "change, 0.01 hardly any, 1 other answers altogether (Kullback-Leibler divergence, in nats)."
            ),
        )
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
    icon = (
        ":material/check_circle:"
        if words_of(found, drop, way).startswith(("Each", "No layer"))
        else ":material/warning:"
    )
    st.markdown(f"{icon} {words_of(found, drop, way)}")
    original = next(row.original for row in seen.anatomy.subject.layers if row.name == seen.layer)
    chart_view.show(
        draw(found, drop, way, original, shown),
        key="chart_sensitivity",
        alt=said(f"{SHOWN[shown]} while one layer alone is compressed"),
    )
    st.caption(
        f"{said(SHOWN[shown])} of the **uncompressed** model on {found.n_images:,} validation images (never the test "
        f"images) while one layer alone is compressed. {_FITTED[way]} "
        f"{_LINES[shown].format(100 / found.n_images)} "
        f"{_coloured(len(seen.anatomy.subject.layers))}; a star marks the chosen layer."
    )
    with st.expander("How far each layer can go", icon=":material/table:"):
        st.dataframe(
            [_row(row) for row in reaches(found, drop, way)],
            hide_index=True,
            column_config={
                "reach": st.column_config.TextColumn(f"{WAYS[way]}, above the floor"),
                "saved": st.column_config.NumberColumn(
                    "KB saved", format="%.2f", help="Of the stored file, estimated: in all layers that this changes."
                ),
                "bits": st.column_config.TextColumn(
                    "Fewest bits above the floor", help=f"Tried: {_tried('quantization')}"
                ),
                "zeros": st.column_config.TextColumn(
                    "Most zeros above the floor", help=f"Tried: {_tried('magnitude_pruning')}"
                ),
                "lost": st.column_config.NumberColumn("Points lost on average", format="%.1f"),
            },
            key="sensitivity_table",
        )


_LINES: dict[Shown, str] = {
    "accuracy": "One image is {:.2g} points. Dotted: the model as it is. Dashed: the floor, which you set above.",
    "loss": "The mean Kullback-Leibler divergence from what the model as it is answers: the lower, the better.",
}
_FITTED: dict[Way, str] = {
    "quantization": "Codes are fitted to what the layer answers (GPTQ).",
    "magnitude_pruning": "The smallest weights become zero, and the others make up for them.",
    "weight_sharing": "Values are placed where weights matter to the answers.",
    "low_rank": "It becomes a product of thinner layers; layers that this would not shrink are left out.",
    "channel_pruning": "Channels go in all layers that are coupled, named after the first of them; the layers behind "
    "make up for them.",
}


def _tried(way: Way) -> str:
    return ", ".join(number_in_words(way, level) for level in LEVELS[way])


def _coloured(layers: int) -> str:
    return "Each layer has its colour" if layers <= 5 else "The five most sensitive layers are in colour"


def _row(row: Reach) -> dict[str, object]:
    few, most = LEVELS["quantization"][0], LEVELS["magnitude_pruning"][0]
    return {
        "Layer": row.name,
        "reach": row.form or "not even the mildest",
        "saved": row.saved / 1000,
        "bits": f"{row.fewest_bits:g}" if row.fewest_bits else f"more than {few:g}",
        "zeros": units.share(row.most_zeros) if row.most_zeros else f"less than {units.share(most)}",
        "lost": 100 * row.lost,
    }
