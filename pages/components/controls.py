"""The controls of the Explore page: model, three sliders, budget, advanced settings."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import streamlit as st

from compression import wording
from compression.links import View
from compression.recipe import ChannelPruning, Distillation, MagnitudePruning, Quantization, Step, help_text, limits
from compression.sweeps import (
    BIT_WIDTHS,
    BUDGETS,
    FLOAT_BITS,
    INTEGER_BITS,
    MAX_PRUNING,
    MIN_STUDENT,
    PRUNING_STEP,
    STUDENT_STEP,
    Settings,
    schooling,
    training_seconds,
)
from pages.components import state

_IMPORTANCE = {"l1": "L1 norm", "l2": "L2 norm", "batch_norm": "batch-norm scale", "random": "random"}
_GRANULARITY = {"channel": "per channel", "tensor": "per layer"}
_METHOD = {"mse": "least error", "nearest": "full range"}
_SCOPE = {"global": "whole network", "layer": "each layer"}
_REMOVE = {"channels": "whole channels", "weights": "single weights"}


def _key(field: str) -> str:
    return state.SETTING + field


def show(view: View) -> View:
    """Draw the controls at the view's position; returns the view they say now."""
    for field, value in asdict(view.settings).items():
        st.session_state.setdefault(_key(field), _to_widget(field, value))
    values = {**_sliders(), **_budget(view.model), **_advanced(view)}
    settings = replace(view.settings, **values)
    now = current_view(view, settings)
    _training_note(now)
    return now


def current_view(view: View, settings: Settings) -> View:
    """A custom recipe stays until a control is moved, which `_moved` notes."""
    if view.custom is not None and not st.session_state.pop("controls_moved", False):
        return view
    st.session_state.pop("controls_moved", None)
    return View(view.model, settings)


def _moved() -> None:
    st.session_state["controls_moved"] = True
    state.dismiss_problem()


def _to_widget(field: str, value: object) -> object:
    return value == INTEGER_BITS if field == "activation_bits" else value


def _common(field: str, help_words: str, **others: object) -> dict[str, Any]:
    """Arguments of every control: its key, its one-sentence help, and the note that it was moved."""
    return {"key": _key(field), "help": help_words, "on_change": _moved, **others}


def _sliders() -> dict[str, Any]:
    return {
        "pruning_percent": st.slider(
            "Pruning ratio",
            min_value=0,
            max_value=MAX_PRUNING,
            step=PRUNING_STEP,
            format="%d %%",
            **_common("pruning_percent", help_text(ChannelPruning, "pruning_ratio") + " 0 is off."),
        ),
        "weight_bits": st.select_slider(
            "Bit width",
            BIT_WIDTHS,
            format_func=lambda bits: "32 (off)" if bits == FLOAT_BITS else str(bits),
            **_common("weight_bits", help_text(Quantization, "weight_bits") + " 32 is off."),
        ),
        "student_percent": st.slider(
            "Student size",
            min_value=MIN_STUDENT,
            max_value=100,
            step=STUDENT_STEP,
            format="%d %%",
            **_common(
                "student_percent",
                help_text(Distillation, "width_mult") + " 100 % is off; below it the student has to be trained.",
            ),
        ),
    }


def _budget(model: str) -> dict[str, Any]:
    plan = schooling(model)
    epochs = f"quick is {_passes(plan.quick)}, thorough {_passes(plan.thorough)} over the training images"
    return {
        "budget": st.segmented_control(
            "Training budget",
            BUDGETS,
            required=True,
            width="stretch",
            **_common("budget", f"How long to train after compressing: {epochs}."),
        )
    }


def _passes(epochs: float) -> str:
    return f"{epochs:g} pass{'' if epochs == 1 else 'es'}"


def _training_note(view: View) -> None:
    """How long the current setting trains, said before it is waited for."""
    seconds = training_seconds(view.recipe)
    if seconds == 0:
        st.caption("No training: a setting is measured within seconds.")
    elif view.settings.student_percent < 100:
        st.caption(f"A smaller student must be trained: about {wording.duration(seconds)}.")
    else:
        st.caption(f"This setting trains for about {wording.duration(seconds)}.")


def _advanced(view: View) -> dict[str, Any]:
    with st.expander("Advanced", icon=":material/settings:"):
        return {**_pruning_settings(), **_quantization_settings(), **_training_settings(view)}


def _pruning_settings() -> dict[str, Any]:
    remove = st.segmented_control(
        "What to remove",
        tuple(_REMOVE),
        format_func=_REMOVE.__getitem__,
        required=True,
        width="stretch",
        **_common("remove", "Whole channels make the network really smaller; single weights only become zeros."),
    )
    channels = remove == "channels"
    return {
        "remove": remove,
        "importance": _choice("Channel importance", "importance", _IMPORTANCE, ChannelPruning, disabled=not channels),
        "round_to": st.select_slider(
            "Round channels to multiples of",
            (1, 2, 4, 8, 16),
            **_common("round_to", help_text(ChannelPruning, "round_to"), disabled=not channels),
        ),
        "recalibrate": st.toggle(
            "Recalibrate after pruning",
            **_common("recalibrate", help_text(ChannelPruning if channels else MagnitudePruning, "recalibrate")),
        ),
        "scope": _choice("Compare weights across", "scope", _SCOPE, MagnitudePruning, disabled=channels),
    }


def _quantization_settings() -> dict[str, Any]:
    bits = st.session_state[_key("weight_bits")]
    off = bits == FLOAT_BITS
    activations = st.toggle(
        "8-bit activations",
        **_common("activation_bits", help_text(Quantization, "activation_bits"), disabled=bits > INTEGER_BITS),
    )
    rounds = {"disabled": bits > INTEGER_BITS}
    return {
        "activation_bits": INTEGER_BITS if activations else None,
        "granularity": _choice("Scales", "granularity", _GRANULARITY, Quantization, **rounds),
        "symmetric": st.toggle(
            "Symmetric grid", **_common("symmetric", help_text(Quantization, "symmetric"), disabled=off)
        ),
        "method": _choice("Range of the grid", "method", _METHOD, Quantization, **rounds),
    }


def _training_settings(view: View) -> dict[str, Any]:
    student = st.session_state[_key("student_percent")] < 100
    trains = student or st.session_state[_key("budget")] != "none"
    low, high = limits(Distillation, "temperature")
    return {
        "temperature": st.slider(
            "Temperature", low, high, step=0.5, **_common(
                "temperature", help_text(Distillation, "temperature"), disabled=not student
            ),
        ),
        "alpha": st.slider(
            "Alpha", *limits(Distillation, "alpha"), step=0.05, **_common(
                "alpha", help_text(Distillation, "alpha"), disabled=not student
            ),
        ),
        "epochs": st.number_input(
            "Epochs", *limits(Distillation, "epochs"), value=None, placeholder="by budget", **_common(
                "epochs", "Passes over the training images instead of the budget's.", disabled=not trains
            ),
        ),
        "seed": st.number_input(
            "Seed", 0, 2**31 - 1, step=1, **_common("seed", "Everything random starts from this number.")
        ),
    }  # fmt: skip


def _choice(label: str, field: str, words: dict[str, str], step: type[Step], *, disabled: bool) -> str:
    chosen: str = st.selectbox(
        label,
        tuple(words),
        format_func=words.__getitem__,
        **_common(field, help_text(step, field), disabled=disabled),
    )
    return chosen
