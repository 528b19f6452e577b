"""What the entry check has found, in sentences and as a table."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from compression import units
from compression.models.brought.findings import EntryCheck, TechniqueCheck
from compression.models.brought.own import OwnModel
from compression.recipe.steps import STEP_TYPES
from compression.recipe.words import kind_of


def show(name: str, begin: Callable[..., None], place: str) -> None:
    """The check of an own model; `begin` carries out what a person agrees to.

    `place` tells the same check in two places apart.
    """
    check = EntryCheck.model_validate(OwnModel(name).card["check"])
    accuracy, *others = check.words
    if check.better:
        st.warning(accuracy, icon=":material/lightbulb:")
        if st.button("Use that", type="primary", key=f"models_fix_{place}_{name}"):
            begin([["check", name, "--fix"]], name)
            st.session_state.pop("models_seen", None)
            st.rerun()
    else:
        st.markdown(f":material/{'warning' if check.is_near_chance else 'check'}: {accuracy}")
    for sentence in others:
        st.markdown(f":material/check: {sentence}")
    with st.expander("What works on it, and what else was tried"):
        st.dataframe(pd.DataFrame([_row(row, check) for row in check.techniques]), hide_index=True)
        for row in check.techniques:
            if why := row.problem or "; ".join(f"{layer}: {reason}" for layer, reason in row.left.items() if reason):
                st.caption(f"**{kind_of(STEP_TYPES[row.technique]).title}**: {why}")
        if check.tried:
            tried = [{"Images prepared with": one.words, "Right": units.share(one.accuracy, 1)} for one in check.tried]
            st.dataframe(pd.DataFrame(tried), hide_index=True)


def _row(row: TechniqueCheck, check: EntryCheck) -> dict[str, str]:
    return {
        "Technique": kind_of(STEP_TYPES[row.technique]).title,
        "Works": "no" if row.problem else "yes",
        "Layers changed": "" if row.problem else f"{row.reached} of {check.layers}",
        "Stored file": f"{units.factor(row.stored_ratio)} smaller" if row.stored_ratio else "",
        "Seconds": f"{row.seconds:.1f}",
    }
