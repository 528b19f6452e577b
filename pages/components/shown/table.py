"""The table of all points, and everything that can be downloaded."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from compression import units
from compression.explain import bundle
from compression.results.metrics import METRICS
from compression.results.record import Result
from compression.results.score import said
from pages.components.asking.work import Snapshot
from pages.components.shown import elements
from pages.components.shown.metric import amount, column

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.elements.lib.column_types import ColumnConfig


_WITH_INTERVAL = ("accuracy", "ratio")
"""Metrics that have another column for their interval; the CSV has them all."""
TABLE_PX, ROW_PX = 440, 58
"""Rows are high enough for the longest names, which take three lines: beside them two numbers fit on a phone."""
_SIGN = "Whether the accuracy differs from the baseline's measurably: a paired test, 5 %."


def _columns(n_test: int) -> dict[str, ColumnConfig]:
    """How columns look; percentages have the decimals that one of `n_test` images can still move."""
    decimals = units.decimals_for(n_test)
    return {
        "setting": st.column_config.TextColumn("Setting", width=190),
        "different": st.column_config.CheckboxColumn(said("Accuracy differs"), help=said(_SIGN)),
        "recipe_id": st.column_config.TextColumn("Recipe", help="The hash of its content."),
        **{key: column(metric, decimals) for key, metric in METRICS.items()},
        **{
            f"{key}_interval": st.column_config.TextColumn(f"{METRICS[key].title}, 95 % interval")
            for key in _WITH_INTERVAL
        },
    }


def csv_of(results: Sequence[Result]) -> str:
    """All results with every number, one a line; the recipe as JSON."""
    rows = [{**result.flat(), "recipe": json.dumps(result.recipe, separators=(",", ":"))} for result in results]
    return bundle.csv_file(rows)


@functools.lru_cache(maxsize=5_000)
def _row(result: Result) -> dict[str, object]:
    """One column a metric, in the units that people read. Kept: most results were there the last time."""
    row: dict[str, object] = {"setting": result.words}
    for key, metric in METRICS.items():
        row[key] = amount(metric, metric.number(result))  # a result has what any metric needs
        if key in _WITH_INTERVAL:
            row[f"{key}_interval"] = metric.said_interval(result)
    return row | {"different": result.is_different, "recipe_id": result.recipe_id}


def frame_of(results: Sequence[Result]) -> pd.DataFrame:
    """One row a result."""
    import pandas as pd  # not needed before there is a first result, and a page starts sooner without it

    return pd.DataFrame([_row(result) for result in results])


_last: list[tuple[list[Result], pd.DataFrame]] = []
"""What `rows_of` was asked last in any browser session, and what it answered."""


def rows_of(results: list[Result]) -> pd.DataFrame:
    """`frame_of` them; the last one again where it is of the very same results, as after most moves."""
    for known, frame in _last:
        if len(results) == len(known) and all(map(operator.is_, results, known)):
            return frame
    frame = frame_of(results)
    _last[:] = [(results, frame)]
    return frame


def show(seen: Snapshot) -> None:
    """All measured settings of the model, smallest file first."""
    results = sorted(seen.results.values(), key=lambda result: result.stored_bytes)
    st.markdown(f"**All measured settings** ({len(results):,})")
    if not results:
        st.caption("Nothing is measured yet: the first row comes with the baseline, in a few seconds.")
        return
    st.dataframe(
        rows_of(results),
        column_config=_columns(results[0].n_test),
        hide_index=True,
        height=TABLE_PX,
        row_height=ROW_PX,
        key="points_table",
    )
    _downloads(seen, results)
    _provenance(results[0])


def _downloads(seen: Snapshot, results: list[Result]) -> None:
    name = f"{seen.view.model}-{seen.view.recipe.recipe_id}"
    recipe = seen.view.recipe.to_short_json() + "\n"
    with st.container(horizontal=True, key="downloads"):
        elements.download("All settings (.csv)", lambda: csv_of(results), f"{seen.view.model}.csv")
        elements.download("This recipe (.json)", lambda: recipe, f"{name}.json")
        if seen.result is not None:
            elements.download_files(seen.result, key="table")


def _provenance(result: Result) -> None:
    """Where all this was measured."""
    machine = result.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    st.caption(
        f"Measured on {machine.cpu} ({', '.join(machine.instruction_sets) or 'no special instructions'}), "
        f"{units.counted(machine.threads, 'thread')}, batch {machine.batch_size}; {versions}. "
        "1 KB is 1,000 bytes. Latencies are medians of ONNX Runtime; on the chart they are the ratio to the baseline, "
        "measured in turns with it, times the baseline's median."
    )
