"""The controls of the Explore page: three sliders, the training budget, and below them everything else."""

from __future__ import annotations

import streamlit as st

from compression import units
from compression.recipe.budgets import BUDGETS, MINUTES, in_minutes, seconds_of, training_seconds
from compression.recipe.settings import BIT_WIDTHS, PRUNING, SLIMMABLE_WIDTHS, WIDTHS
from compression.recipe.steps import ChannelPruning, Distillation, MagnitudePruning, help_text
from pages.components.asking import work
from pages.components.explore import advanced, builder, parts, widgets
from pages.components.explore.widgets import bits, control, either, value_of
from pages.components.shown import elements
from pages.components.view import state
from pages.components.view.link import View


def show(view: View) -> None:
    """Draw the controls where the view says: sliders, or the recipe's steps."""
    if _way(view) == STEPS:
        builder.show(view)
        return
    widgets.place(view.settings)
    _pruning()
    bits("weight_bits", BIT_WIDTHS, note="32 is off.")
    _student_size()
    _budget()
    _training_note(view)
    advanced.show(view)


USUAL_MINUTES = 2.0
"""What a budget of one's own starts with."""

_MINUTES = f"{state.SETTING}minutes"

_BEST = (
    "What is kept is the best on validation images: the network before training, or what training made of it. So more "
    "time does not make it worse."
)

WAY, SLIDERS, STEPS = "controls_way", "Sliders", "Steps"


def _way(view: View) -> str:
    """Which of the two the person uses. A recipe that sliders cannot express is shown as its steps at first."""
    if view.custom:
        st.session_state.setdefault(WAY, STEPS)
    state.keep(WAY, SLIDERS)
    way: str = elements.switch(
        "Set the compression with",
        (SLIDERS, STEPS),
        usual=st.session_state[WAY],
        key=WAY,
        is_labelled=False,
        width="stretch",
        help="Sliders for the usual settings; steps for any technique, in any order that makes sense.",
    )
    return way


def _pruning() -> None:
    """What the ratio is a share of depends on what is removed, which is an advanced setting."""
    words = f"{help_text(ChannelPruning, 'pruning_ratio')} 0 is off. Under Advanced: single weights instead."
    if value_of("remove") == "weights":
        words = f"{help_text(MagnitudePruning, 'sparsity')} 0 is off."
    control("pruning_percent", ChannelPruning, positions=PRUNING, help=words)


def _student_size() -> None:
    """A slimmable network has no students below a certain width."""
    slimmable = value_of("student") == "slimmable"
    widths = SLIMMABLE_WIDTHS if slimmable else WIDTHS
    if value_of("student_percent") < widths[0]:
        st.session_state[widgets.key("student_percent")] = widths[0]
    effort = ". Students of this model come trained" if slimmable else "; below it the student has to be trained"
    control("student_percent", Distillation, positions=widths, note=f"100 % is off{effort}.")


def _budget() -> None:
    """Three times with a name, or minutes that are typed in."""
    budget = value_of("budget")
    own = budget if budget not in BUDGETS else in_minutes(USUAL_MINUTES)
    words = {**{name: name for name in BUDGETS}, own: "custom"}
    times = ", ".join(f"{name} {units.duration(seconds_of(name))}" for name in BUDGETS if seconds_of(name))
    about = f"How long to train after compressing, at most: {times}, custom as many minutes as you like. "
    either("Training budget", "budget", words, f"{about}{_BEST}")
    if budget == own:
        state.place(_MINUTES, seconds_of(own) / 60)
        st.number_input("Minutes of training", *MINUTES, step=1.0, format="%g", key=_MINUTES, on_change=_minutes_given)


def _minutes_given() -> None:
    def act(minutes: float) -> None:
        state.move("budget", in_minutes(minutes))
        st.session_state[widgets.key("budget")] = in_minutes(minutes)
        parts.redraw()

    state.follow(_MINUTES, act)


def _training_note(view: View) -> None:
    """How long the current setting trains, said before it is waited for."""
    seconds = training_seconds(view.subject, view.recipe)
    if seconds == 0:
        seen = parts.seen()
        usual = work.usual_seconds(seen) if seen is not None else None
        st.caption("No training" + (f": such settings took about {units.duration(usual)} each." if usual else "."))
    elif view.settings.has_student and view.settings.student != "slimmable":
        st.caption(f"A smaller student must be trained: about {units.duration(seconds)}.")
    else:
        st.caption(f"This setting trains for about {units.duration(seconds)}.")
