"""Numbers and recipes in words, the same everywhere in the dashboard. Torch-free.

Sizes use decimal units: 1 KB is 1,000 bytes.
"""

from __future__ import annotations

from compression.recipe import ChannelPruning, Distillation, FineTuning, MagnitudePruning, Quantization, Recipe, Step

SAME_SIZE = 0.005
"""Sizes closer than half a percent are called the same: a file's header alone moves by that much."""


def decimals_for(n_test: int) -> int:
    """Decimals of a percentage that one of `n_test` images can still move."""
    return 1 if n_test < 5000 else 2


def percent(fraction: float, decimals: int = 1) -> str:
    """0.972 -> '97.2'; the unit is left to the sentence around it."""
    return f"{100 * fraction:.{decimals}f}"


def points(fraction: float, decimals: int = 1) -> str:
    """A difference of two percentages, signed: -0.041 -> '−4.1'."""
    rounded = round(100 * fraction, decimals)
    sign = "−" if rounded < 0 else "+" if rounded > 0 else "±"
    return f"{sign}{abs(rounded):.{decimals}f}"


def size(n_bytes: float) -> str:
    """Three significant digits with a unit: 71234 -> '71.2 KB'."""
    return _with_unit(n_bytes, ("bytes", "KB", "MB", "GB"))


def count(number: float) -> str:
    """A large count in short form: 431080 -> '431 k', 2293000 -> '2.29 M'."""
    return _with_unit(number, ("", "k", "M", "G")).strip()


def _with_unit(value: float, units: tuple[str, ...]) -> str:
    """Thousands by thousands; below 1,000 as a whole number."""
    power = 0
    while power < len(units) - 1 and value >= 999.5:
        value, power = value / 1000, power + 1
    return f"{three_digits(value) if power else f'{value:.0f}'} {units[power]}"


def three_digits(value: float) -> str:
    """Three significant digits, never in exponent form: 0.01234 -> '0.0123', 1234.5 -> '1,234'."""
    if value == 0:
        return "0"
    decimals = 0
    while decimals < 6 and abs(value) * 10**decimals < 99.95:
        decimals += 1
    return f"{value:,.{decimals}f}"


def milliseconds(ms: float) -> str:
    """A latency with its unit."""
    return f"{three_digits(ms)} ms"


def duration(seconds: float) -> str:
    """Roughly how long: '4 s', '2 min', '1.5 h'."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def factor(times: float) -> str:
    """'6.1×', '1.35×', '120×': two digits after the point only where they matter."""
    decimals = 2 if times < 2 else 1 if times < 20 else 0
    return f"{times:,.{decimals}f}×"


def size_change(old: float, new: float) -> str:
    """'6.1× smaller', '1.2× larger' or 'same size'."""
    if abs(new / old - 1) < SAME_SIZE:
        return "same size"
    return f"{factor(old / new)} smaller" if new < old else f"{factor(new / old)} larger"


def step_in_words(step: Step) -> str:
    """One step as a phrase."""
    match step:
        case ChannelPruning():
            return f"prune {percent(step.pruning_ratio, 0)} % of channels"
        case MagnitudePruning():
            return f"zero {percent(step.sparsity, 0)} % of weights"
        case Quantization():
            activations = f", {step.activation_bits}-bit activations" if step.activation_bits else ""
            return f"{step.weight_bits}-bit weights{activations}"
        case Distillation(alpha=0.0):
            return f"train a {percent(step.width_mult, 0)} % wide student without teacher, {_epochs(step.epochs)}"
        case Distillation():
            return f"distil a {percent(step.width_mult, 0)} % wide student, {_epochs(step.epochs)}"
        case FineTuning():
            return f"fine-tune {_epochs(step.epochs)}"


def recipe_in_words(recipe: Recipe) -> str:
    """The whole pipeline on one line."""
    return " → ".join(step_in_words(step) for step in recipe.steps) or "the model as it is"


def _epochs(epochs: float) -> str:
    return f"{epochs:g} epoch{'' if epochs == 1 else 's'}"
