"""Numbers and recipes in words, the same everywhere in the dashboard. Torch-free.

Sizes use decimal units: 1 KB is 1,000 bytes.
"""

from __future__ import annotations

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


def percent_interval(low: float, high: float, decimals: int = 1) -> str:
    """'78.6–83.5'; the unit is left to the sentence around it."""
    return f"{percent(low, decimals)}–{percent(high, decimals)}"


def points_interval(low: float, high: float, decimals: int = 1) -> str:
    """'−1.4 to +0.2'."""
    return f"{points(low, decimals)} to {points(high, decimals)}"


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


def short_time(ms: float) -> str:
    """Of a layer: '12 µs', '1.20 ms'; no more digits than are known."""
    return milliseconds(ms) if ms >= 1 else f"{1000 * ms:.{0 if ms >= 0.01 else 1}f} µs"


def energy(joules: float, beside: float | None = None) -> str:
    """An energy with its unit: 1.7e-4 -> '170 µJ'; in the unit of `beside` where that is compared with it."""
    return _in_unit(joules, _JOULES, beside)


def grams(amount: float, beside: float | None = None) -> str:
    """A mass with its unit: 0.0223 -> '22.3 mg'; in the unit of `beside` where that is compared with it."""
    return _in_unit(amount, _GRAMS, beside)


def long_time(seconds: float, beside: float | None = None) -> str:
    """'12 ms', '0.57 s', '2.9 min', '4.4 h', '12 days'; in the unit of `beside` where that is compared with it."""
    return _in_unit(seconds, _SECONDS, beside)


_Units = tuple[tuple[float, float, str], ...]
"""From which amount on, how much one of it is, and its name; the largest first."""
_JOULES: _Units = tuple(
    (0.9995 * one, one, unit)
    for one, unit in ((3.6e6, "kWh"), (1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ"))
)
_GRAMS: _Units = tuple(
    (0.9995 * one, one, unit) for one, unit in ((1e3, "kg"), (1.0, "g"), (1e-3, "mg"), (1e-6, "µg"), (1e-9, "ng"))
)
_SECONDS: _Units = (
    (172_800, 86_400, "days"),
    (5400, 3600, "h"),
    (90, 60, "min"),
    (0.1, 1, "s"),
    (0, 1e-3, "ms"),
)
LEAST_IN_ONE_UNIT = 0.1
"""Of the larger one's unit: below, two amounts that are compared are in the smaller one's."""
MOST_IN_ONE_UNIT = 1000
"""Two amounts that differ by more are each in their own unit: nobody reads '0.000012 kWh'."""


def _in_unit(amount: float, units: _Units, beside: float | None) -> str:
    """Two amounts that stand beside each other are in one unit where both are easily read in it."""
    one, unit = _unit_of(amount, units)
    if beside is not None:
        small, large = sorted((amount, beside))
        one_large, unit_large = _unit_of(large, units)
        if small >= LEAST_IN_ONE_UNIT * one_large:
            one, unit = one_large, unit_large
        elif large <= MOST_IN_ONE_UNIT * small:
            one, unit = _unit_of(small, units)
    return f"{three_digits(amount / one)} {unit}"


def _unit_of(amount: float, units: _Units) -> tuple[float, str]:
    return next(((one, unit) for start, one, unit in units if amount >= start), units[-1][1:])


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
    if is_same_size(old, new):
        return "same size"
    return f"{factor(old / new)} smaller" if new < old else f"{factor(new / old)} larger"


def is_same_size(old: float, new: float) -> bool:
    """Whether two sizes differ by less than `SAME_SIZE`."""
    return abs(new / old - 1) < SAME_SIZE


def speed_change(
    ratio: float, low: float | None = None, high: float | None = None, same: str = "no measurable change in speed"
) -> str:
    """'1.4× faster' or '1.2× slower', from new time over old; `same` where the ratio's interval holds 1."""
    low, high = ratio if low is None else low, ratio if high is None else high
    if high < 1:
        return f"{factor(1 / ratio)} faster"
    return f"{factor(ratio)} slower" if low > 1 else same


def capital(words: str) -> str:
    """With a capital letter, as at the beginning of a sentence."""
    return words[:1].upper() + words[1:]
