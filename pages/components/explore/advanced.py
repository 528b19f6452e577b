"""Every setting beyond the three sliders and the budget, in groups that stay closed until they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import streamlit as st

from compression.models.subject import Subject, model_title
from compression.recipe.budgets import trains
from compression.recipe.settings import (
    ACTIVATION_BITS,
    DEPTHS,
    FLOAT_BITS,
    INTEGER_BITS,
    SLIMMABLE_WIDTHS,
    Settings,
    neutral_settings,
    recipe_of,
)
from compression.recipe.steps import (
    PATTERN_SPARSITY,
    ChannelPruning,
    Distillation,
    EntropyCoding,
    FineTuning,
    MagnitudePruning,
    Quantization,
    SecondOrderPruning,
    WeightSharing,
    help_text,
    limits,
    title_of,
)
from compression.recipe.words import NONE, labels
from pages.components.explore import parts, structure
from pages.components.explore.widgets import (
    bits,
    common,
    control,
    either,
    one_of,
    percentage,
    value_of,
)
from pages.components.view import state
from pages.components.view.link import View

KEY = "advanced"
"""The session-state key that says whether any of this is open."""

BASIC = ("pruning_percent", "weight_bits", "student_percent", "budget")
"""Settings that stand above the advanced ones, always in sight."""

MAX_TEACHERS = 4
_NEEDS_BUDGET = "Needs a training budget."

_REMOVE = {"channels": "whole channels", "weights": "single weights"}
_CRITERION = {"magnitude": "the smallest", "second_order": "those that matter least (second order)"}
_CODES = {"grid": "a grid", "codebook": "a codebook"}
_SLIMMABLE = {"slimmable": "same family, ready in all sizes (slimmable)"}


def show(view: View) -> None:
    """Draw the groups that are open. A closed one sends nothing to the browser, and its settings stay in the view."""
    with st.expander("Advanced", icon=":material/settings:", key=KEY, on_change="rerun") as advanced:
        if not advanced.open:
            return
        for title, (icon, group) in GROUPS.items():
            with st.expander(title, icon=icon, key=key_of(title), on_change="rerun") as opened:
                if opened.open:
                    group(view)
        _reset(view)


def key_of(title: str) -> str:
    """The session-state key that says whether a group is open."""
    return f"{KEY}_{title.split(maxsplit=1)[0].lower()}"


def _reset(view: View) -> None:
    changed = changed_settings(view.subject, view.settings)
    count = f"{len(changed)} advanced setting{'' if len(changed) == 1 else 's'} changed"
    st.button(
        "Back to defaults",
        icon=":material/restart_alt:",
        disabled=not changed,
        help=f"{count}. The three sliders and the budget stay.",
        on_click=lambda: _back_to_defaults(view),
        key="reset_advanced",
    )


def _back_to_defaults(view: View) -> None:
    state.show(replace(view, settings=_only_basic(view), custom=None))
    parts.redraw()


def changed_settings(subject: Subject, settings: Settings) -> tuple[str, ...]:
    """Names of the advanced settings that differ from where they start for the model."""
    neutral = neutral_settings(subject)
    names = (field.name for field in fields(settings) if field.name not in BASIC)
    return tuple(name for name in names if getattr(settings, name) != getattr(neutral, name))


def _only_basic(view: View) -> Settings:
    basic = {name: getattr(view.settings, name) for name in BASIC}
    return replace(neutral_settings(view.subject), **basic)


def _has_budget() -> bool:
    return bool(value_of("budget") != "none")


def _pruning(_: View) -> None:
    either(
        "What to remove", "remove", _REMOVE,
        "Whole channels make the network really smaller; single weights only become zeros.",
    )  # fmt: skip
    if value_of("remove") == "channels":
        _channel_pruning()
    else:
        _weight_pruning()


def _channel_pruning() -> None:
    control("importance", ChannelPruning)
    control("ratios", ChannelPruning)
    control("target", ChannelPruning)
    control("round_to", ChannelPruning)
    control("recalibrate", ChannelPruning)


def _weight_pruning() -> None:
    one_of(
        "Which weights go first", "criterion", _CRITERION,
        "The smallest, or those whose loss the others can best make up for.",
    )  # fmt: skip
    control("pattern", MagnitudePruning)
    if value_of("pattern") in PATTERN_SPARSITY:
        share = 100 * PATTERN_SPARSITY[value_of("pattern")]
        st.caption(f"This pattern fixes the zeros at {share:.0f} %: any pruning ratio above 0 switches it on.")
    second_order = value_of("criterion") == "second_order"
    step = SecondOrderPruning if second_order else MagnitudePruning
    control("scope", step)
    if not second_order:
        _gradual()
        control("recalibrate", MagnitudePruning)


def _gradual() -> None:
    help_words = "Zeros come little by little while training, instead of all at once before it."
    st.toggle("Prune while training", **common("gradual", f"{help_words} {_NEEDS_BUDGET}", disabled=not _has_budget()))
    off = not (value_of("gradual") and _has_budget())
    control("regrowth", MagnitudePruning, disabled=off)


def _codes(_: View) -> None:
    width = value_of("weight_bits")
    either(
        "Weights take values from", "codes", _CODES,
        "A grid has even steps and runs on integers; a codebook holds the values that fit the weights best, "
        "but the runtime turns them back into floats.",
    )  # fmt: skip
    off = width > INTEGER_BITS
    if value_of("codes") == "codebook":
        _codebook(width, off)
    else:
        _grid(off)
    control("float_format", Quantization, disabled=width != 16)


def _codebook(width: int, off: bool) -> None:
    if not off:
        st.caption(f"A bit width of {width} means {2**width} shared values.")
    control("weighting", WeightSharing, disabled=off)
    control("codebook_scope", WeightSharing, disabled=off)


def _grid(off: bool) -> None:
    control("method", Quantization, disabled=off)
    bits("activation_bits", ACTIVATION_BITS, disabled=off)
    floats = off or value_of("activation_bits") == FLOAT_BITS
    untrained = off or not _has_budget()
    control("activations", Quantization, disabled=floats)
    control("granularity", Quantization, disabled=off)
    control("symmetric", Quantization, disabled=off)
    control("equalize", Quantization, disabled=off)
    control("mixed_precision", Quantization, disabled=off)
    control("learn_scales", FineTuning, note=_NEEDS_BUDGET, disabled=untrained)


def _student(view: View) -> None:
    one_of(
        title_of(Distillation, "student"), "student", _families(view), help_text(Distillation, "student"),
    )  # fmt: skip
    match value_of("student"):
        case "slimmable":
            low = SLIMMABLE_WIDTHS[0]
            st.caption(f"One network holds trained students of every width from {low} %: no training is needed.")
        case "same":
            _lessons(view, off=value_of("student_percent") == 100)
        case _:
            st.caption("Another family is another network: it is trained at every size, also at 100 %.")
            _other_family()
            _lessons(view, off=False)


def _families(view: View) -> dict[str, str]:
    """The slimmable one only where it comes with the model, or where a link asks for it."""
    offered = view.subject.has_slimmable or view.settings.student == "slimmable"
    families = labels(Distillation, "student")
    return {"same": families["same"], **(_SLIMMABLE if offered else {}), **families}


def _other_family() -> None:
    low, high = limits(Distillation, "resolution")
    percentage(
        title_of(Distillation, "depth_mult"),
        "depth_percent",
        DEPTHS,
        help_text(Distillation, "depth_mult"),
    )
    st.number_input(
        "Resolution", int(low), int(high), value=None, step=1, placeholder=NONE["resolution"],
        **common("resolution", help_text(Distillation, "resolution"), default=""),
    )  # fmt: skip


def _lessons(view: View, *, off: bool) -> None:
    _teachers(view, off)
    control("loss", Distillation, disabled=off)
    control("match", Distillation, disabled=off)
    weight, unmatched = limits(Distillation, "match_weight"), value_of("match") == "none"
    st.number_input(
        title_of(Distillation, "match_weight"), *weight, step=0.5,
        **common("match_weight", help_text(Distillation, "match_weight"), disabled=off or unmatched),
    )  # fmt: skip
    control("temperature", Distillation, every=0.5, disabled=off)
    control("alpha", Distillation, every=0.05, disabled=off)


def _teachers(view: View, off: bool) -> None:
    offered = dict.fromkeys((*view.subject.teachers, *view.settings.teachers))
    st.multiselect(
        "Teachers",
        tuple(offered),
        format_func=model_title,
        placeholder="the model itself",
        max_selections=MAX_TEACHERS,
        **common("teachers", help_text(Distillation, "teachers"), default="default", disabled=off),
    )


def _training(view: View) -> None:
    budget = _has_budget()
    has_epochs = budget or trains(recipe_of(view.subject, view.settings))
    epochs_help = "Passes over the training images instead of the budget's."
    st.number_input(
        "Epochs", *limits(Distillation, "epochs"), value=None, placeholder="by budget",
        **common("epochs", epochs_help, default="", disabled=not has_epochs),
    )  # fmt: skip
    control("recover_alpha", FineTuning, every=0.05, note=_NEEDS_BUDGET, disabled=not budget)
    helped = budget and value_of("recover_alpha") > 0
    control("recover_temperature", FineTuning, every=0.5, disabled=not helped)
    control("entropy_penalty", FineTuning, every=0.05, note=_NEEDS_BUDGET, disabled=not budget,
    )  # fmt: skip
    st.number_input("Seed", 0, 2**31 - 1, step=1, **common("seed", "Everything random starts from this number."))


def _file(_: View) -> None:
    coarse = value_of("weight_bits") <= INTEGER_BITS
    control("coding", EntropyCoding)
    control("rate_weight", EntropyCoding, every=0.05, disabled=not coarse)


GROUPS: dict[str, tuple[str, Callable[[View], None]]] = {
    "Pruning": (":material/content_cut:", _pruning),
    "Bits and codes": (":material/memory:", _codes),
    "Student": (":material/school:", _student),
    "Structure": (":material/account_tree:", lambda view: structure.show(view.settings)),
    "Training": (":material/model_training:", _training),
    "File": (":material/folder_zip:", _file),
}
"""The groups by their titles, each with its icon and what draws it."""
