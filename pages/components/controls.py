"""The controls of the Explore page: three sliders, the training budget, and below them everything else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from compression import wording
from compression.links import View
from compression.recipe import ChannelPruning, Distillation, Quantization, help_text
from compression.schooling import BUDGETS, schooling, training_seconds
from compression.settings import (
    BIT_WIDTHS,
    FLOAT_BITS,
    MAX_PRUNING,
    MIN_SLIMMABLE,
    MIN_STUDENT,
    PRUNING_STEP,
    STUDENT_STEP,
    Settings,
)
from pages.components import advanced, model_card, widgets
from pages.components.widgets import common, percentage, value_of

SLIDERS = ("pruning_percent", "weight_bits", "student_percent")
"""Fields of the three sliders."""


def show(view: View) -> View:
    """Draw the controls at the view's position; returns the view they say now."""
    widgets.place(view.settings)
    values = {**_sliders(), **_student_size(), **_budget(view.model)}
    note = st.container()
    values |= advanced.show(view)
    now = current_view(view, replace(view.settings, **values))
    with note:
        _training_note(now)
    return now


def foreseen(view: View) -> View | None:
    """What `show` is about to return, known before anything is drawn; None where that is not so sure.

    The three sliders change no other control, so that the charts need not wait for the controls to be drawn.
    """
    field = widgets.moved_field()
    if not model_card.is_chosen(view.model):
        return None
    if field is None:
        return view
    if field not in SLIDERS:
        return None
    return replace(view, settings=replace(view.settings, **{field: value_of(field)}), custom=None)


def current_view(view: View, settings: Settings) -> View:
    """A custom recipe stays until a control is moved."""
    moved = widgets.was_moved()
    if view.custom is not None and not moved:
        return view
    return replace(view, settings=settings, custom=None)


def _sliders() -> dict[str, Any]:
    return {
        **percentage(
            "Pruning ratio", "pruning_percent", (0, MAX_PRUNING), PRUNING_STEP,
            help_text(ChannelPruning, "pruning_ratio") + " 0 is off.",
        ),
        "weight_bits": st.select_slider(
            "Bit width", BIT_WIDTHS, format_func=lambda bits: "32 (off)" if bits == FLOAT_BITS else str(bits),
            **common("weight_bits", help_text(Quantization, "weight_bits") + " 32 is off."),
        ),
    }  # fmt: skip


def _student_size() -> dict[str, Any]:
    """A slimmable network has no students below a certain width."""
    slimmable = value_of("student") == "slimmable"
    low = MIN_SLIMMABLE if slimmable else MIN_STUDENT
    widgets.raise_to("student_percent", low)
    effort = "Students of this model come trained" if slimmable else "below it the student has to be trained"
    words = f"{help_text(Distillation, 'width_mult')} 100 % is off{'. ' if slimmable else '; '}{effort}."
    return percentage("Student size", "student_percent", (low, 100), STUDENT_STEP, words)


def _budget(model: str) -> dict[str, Any]:
    plan = schooling(model)
    epochs = f"quick is {_passes(plan.quick)}, thorough {_passes(plan.thorough)} over the training images"
    return {
        "budget": st.segmented_control(
            "Training budget",
            BUDGETS,
            required=True,
            width="stretch",
            **common("budget", f"How long to train after compressing: {epochs}.", default="default"),
        )
    }


def _passes(epochs: float) -> str:
    return f"{epochs:g} pass{'' if epochs == 1 else 'es'}"


def _training_note(view: View) -> None:
    """How long the current setting trains, said before it is waited for."""
    seconds = training_seconds(view.recipe)
    if seconds == 0:
        st.caption("No training: a setting is measured within seconds.")
    elif view.settings.has_student and view.settings.student != "slimmable":
        st.caption(f"A smaller student must be trained: about {wording.duration(seconds)}.")
    else:
        st.caption(f"This setting trains for about {wording.duration(seconds)}.")
