"""Every setting beyond the three sliders and the budget, in groups that stay closed until they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import streamlit as st

from compression import units
from compression.models.subject import model_title
from compression.recipe import settings, steps
from compression.recipe.budgets import trains
from compression.recipe.words import labels
from pages.components.explore import parts, step_settings, structure
from pages.components.explore.widgets import bits, common, control, either, value_of
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
    """Back to where the advanced settings start for the model."""
    basic = {name: getattr(view.settings, name) for name in BASIC}
    usual = replace(settings.neutral_settings(view.subject), **basic)
    changed = sum(getattr(view.settings, field.name) != getattr(usual, field.name) for field in fields(usual))
    st.button(
        "Back to defaults",
        icon=":material/restart_alt:",
        disabled=not changed,
        help=f"{units.counted(changed, 'advanced setting')} changed. The three sliders and the budget stay.",
        on_click=parts.show,
        args=(replace(view, settings=usual, custom=None),),
        key="reset_advanced",
    )


def _has_budget() -> bool:
    return bool(value_of("budget") != "none")


def _pruning(_: View) -> None:
    removal = "Whole channels make the network really smaller; single weights only become zeros."
    either("What to remove", "remove", _REMOVE, removal)
    if value_of("remove") == "weights":
        _weight_pruning()
        return
    for field in ("importance", "ratios", "target", "round_to", "recalibrate"):
        control(field, steps.ChannelPruning)


def _weight_pruning() -> None:
    criterion, least = value_of("criterion"), "The smallest, or those whose loss the others can best make up for."
    step_settings.choose("Which weights go first", _CRITERION, criterion, **common("criterion", help=least))
    control("pattern", steps.MagnitudePruning)
    if value_of("pattern") in steps.PATTERN_SPARSITY:
        share = 100 * steps.PATTERN_SPARSITY[value_of("pattern")]
        st.caption(f"This pattern fixes the zeros at {share:.0f} %: any pruning ratio above 0 switches it on.")
    if criterion == "second_order":
        control("scope", steps.SecondOrderPruning)
        return
    control("scope", steps.MagnitudePruning)
    slowly = f"Zeros come little by little while training, instead of all at once before it. {_NEEDS_BUDGET}"
    gradual, has_budget = value_of("gradual"), _has_budget()
    st.toggle("Prune while training", gradual, **common("gradual", help=slowly, disabled=not has_budget))
    control("regrowth", steps.MagnitudePruning, disabled=not (gradual and has_budget))
    control("recalibrate", steps.MagnitudePruning)


def _codes(_: View) -> None:
    width = value_of("weight_bits")
    off = width > settings.INTEGER_BITS
    about = (
        "A grid has even steps and runs on integers; a codebook holds the values that fit the weights best, "
        "but the runtime turns them back into floats."
    )
    either("Weights take values from", "codes", _CODES, about)
    if value_of("codes") == "grid":
        _grid(off)
    else:
        if not off:
            st.caption(f"A bit width of {width} means {2**width} shared values.")
        control("weighting", steps.WeightSharing, disabled=off)
        control("codebook_scope", steps.WeightSharing, disabled=off)
    control("float_format", steps.Quantization, disabled=width != 16)


def _grid(off: bool) -> None:
    control("method", steps.Quantization, disabled=off)
    bits("activation_bits", settings.ACTIVATION_BITS, disabled=off)
    floats = value_of("activation_bits") == settings.FLOAT_BITS
    control("activations", steps.Quantization, disabled=off or floats)
    for field in ("granularity", "symmetric", "equalize", "mixed_precision"):
        control(field, steps.Quantization, disabled=off)
    control("learn_scales", steps.FineTuning, note=_NEEDS_BUDGET, disabled=off or not _has_budget())


def _student(view: View) -> None:
    control("student", steps.Distillation, words=_families(view))
    match value_of("student"):
        case "slimmable":
            low = settings.SLIMMABLE_WIDTHS[0]
            st.caption(f"One network holds trained students of every width from {low} %: no training is needed.")
        case "same":
            _lessons(view, off=value_of("student_percent") == 100)
        case _:
            st.caption("Another family is another network: it is trained at every size, also at 100 %.")
            control("depth_percent", steps.Distillation, positions=settings.DEPTHS)
            control("resolution", steps.Distillation)
            _lessons(view, off=False)


def _families(view: View) -> dict[str, str]:
    """The slimmable one only where it comes with the model, or where a link asks for it."""
    offered = view.subject.has_slimmable or view.settings.student == "slimmable"
    families = labels(steps.Distillation, "student")
    return {"same": families["same"], **(_SLIMMABLE if offered else {}), **families}


def _lessons(view: View, *, off: bool) -> None:
    teachers = tuple(dict.fromkeys((*view.subject.teachers, *view.settings.teachers)))
    titles = {"options": teachers, "format_func": model_title, "max_selections": MAX_TEACHERS}
    control("teachers", steps.Distillation, disabled=off, **titles)
    control("loss", steps.Distillation, disabled=off)
    control("match", steps.Distillation, disabled=off)
    unmatched = value_of("match") == "none"
    control("match_weight", steps.Distillation, step=0.5, format="%0.2f", disabled=off or unmatched)
    control("temperature", steps.Distillation, every=0.5, disabled=off)
    control("alpha", steps.Distillation, every=0.05, disabled=off)


def _training(view: View) -> None:
    budget = _has_budget()
    off = not (budget or trains(settings.recipe_of(view.subject, view.settings)))
    about = "Passes over the training images instead of the budget's."
    control("epochs", steps.Distillation, value=None, format="%0.2f", placeholder="by budget", help=about, disabled=off)
    control("recover_alpha", steps.FineTuning, every=0.05, note=_NEEDS_BUDGET, disabled=not budget)
    helped = budget and value_of("recover_alpha") > 0
    control("recover_temperature", steps.FineTuning, every=0.5, disabled=not helped)
    control("entropy_penalty", steps.FineTuning, every=0.05, note=_NEEDS_BUDGET, disabled=not budget)
    seed = common("seed", help="Everything random starts from this number.")
    st.number_input("Seed", 0, 2**31 - 1, value_of("seed"), 1, **seed)


def _file(_: View) -> None:
    control("coding", steps.EntropyCoding)
    control("rate_weight", steps.EntropyCoding, every=0.05, disabled=value_of("weight_bits") > settings.INTEGER_BITS)


GROUPS: dict[str, tuple[str, Callable[[View], None]]] = {
    "Pruning": (":material/content_cut:", _pruning),
    "Bits and codes": (":material/memory:", _codes),
    "Student": (":material/school:", _student),
    "Structure": (":material/account_tree:", lambda view: structure.show(view.settings)),
    "Training": (":material/model_training:", _training),
    "File": (":material/folder_zip:", _file),
}
"""The groups by their titles, each with its icon and what draws it."""
