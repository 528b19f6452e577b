"""Where the chosen results lie among everything that is measured."""

from __future__ import annotations

import streamlit as st

from compression.charts import compared
from compression.results.metrics import METRICS
from compression.results.record import Result
from compression.results.score import said
from pages.components.asking import pick
from pages.components.compare.contest import Contest
from pages.components.frame import chart_view
from pages.components.shown import elements
from pages.components.view import spacing


def show(contest: Contest) -> None:
    """Both charts; a click on a point adds it."""
    models = dict.fromkeys(contender.result.model for contender in contest.contenders)
    results = [result for model in models for result in pick.measured(model).values()]
    spacing.choose()
    for cost in elements.grid((METRICS["stored"], METRICS["latency"]), 2):
        chart_view.show(
            compared.draw_curves(contest.contenders, results, cost.key, is_even=spacing.is_even()),
            key=f"compare_{cost.key}",
            alt=said(f"Accuracy against {cost.words}: {len(contest.contenders)} of {len(results)} points marked"),
            on_click=lambda recipe_id: _add(recipe_id, contest, results),
        )
    full = len(contest.contenders) >= pick.AT_MOST
    what = "takes the last one's place" if full else "is compared too"
    st.caption(
        f"Grey: other measured settings; the line: those that nothing beats. Click one and it {what}. Bars are 95 % "
        "intervals. Latency is the ratio to the baseline times the baseline's median, so that points measured in busy "
        "and in quiet moments stand in the right order."
    )


def _add(recipe_id: str, contest: Contest, results: list[Result]) -> None:
    """Put the clicked setting beside the others."""
    chosen = [contender.result for contender in contest.contenders]
    clicked = next((result for result in results if result.recipe_id == recipe_id), None)
    if clicked is None or recipe_id in {result.recipe_id for result in chosen}:
        return
    kept = [*chosen[: pick.AT_MOST - 1], clicked]
    pick.choose_several([result.parsed_recipe for result in kept])
