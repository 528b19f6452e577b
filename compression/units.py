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
    return f"{100 * fraction:.{decimals}f}".replace("-", "−")


def points(fraction: float, decimals: int = 1) -> str:
    """A difference of two percentages, signed: -0.041 -> '−4.1'."""
    rounded = round(100 * fraction, decimals)
    sign = "−" if rounded < 0 else "+" if rounded > 0 else "±"
    return f"{sign}{abs(rounded):.{decimals}f}"


def percent_interval(low: float, high: float, decimals: int = 1) -> str:
    """'78.6–83.5'; the unit is left to the sentence around it."""
    return f"{percent(low, decimals)}–{percent(high, decimals)}"


def share(fraction: float, decimals: int | None = None) -> str:
    """With its sign: 0.62 -> '62 %', 0.004 -> '0.4 %'; so many `decimals`, or as many as show something."""
    if decimals is None:
        decimals = 0 if fraction == 0 or abs(fraction) >= 0.01 else 1
    return f"{percent(fraction, decimals)} %"


def points_interval(low: float, high: float, decimals: int = 1) -> str:
    """'−1.4 to +0.2', as in a table."""
    return f"{points(low, decimals)} to {points(high, decimals)}"


def points_between(low: float, high: float, decimals: int = 1) -> str:
    """'between −1.4 and +0.2 points', as in a sentence."""
    return f"between {points(low, decimals)} and {points(high, decimals)} points"


def size(n_bytes: float) -> str:
    """Three significant digits with a unit: 71234 -> '71.2 KB'."""
    return _with_unit(n_bytes, ("bytes", "KB", "MB", "GB"))


def count(number: float) -> str:
    """A large count in short form: 431080 -> '431 k', 2293000 -> '2.29 M'."""
    return _with_unit(number, ("", "k", "M", "G")).strip()


def counted(number: float, what: str) -> str:
    """'1 setting', '2,000 settings', '0.5 points'; `what` is called in the singular."""
    said = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{said} {what}{'' if number == 1 else 's'}"


def images(number: float) -> str:
    """'1 image', '250,000 images', '2.5 million images', '1 billion images'."""
    one, name = next(((one, name) for one, name in _MANY if number >= one), (1, ""))
    return f"{number / one:.4g}{name} images" if name else counted(round(number), "image")


_MANY = ((1e9, " billion"), (1e6, " million"))


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
    """'34.0 µJ', '0.409 mJ'; in the unit of `beside` where that is compared with it."""
    return _in_unit(joules, _JOULES, beside)


def grams(amount: float, beside: float | None = None) -> str:
    """A mass with its unit: 0.0223 -> '22.3 mg'; in the unit of `beside` where that is compared with it."""
    return _in_unit(amount, _GRAMS, beside)


def long_time(seconds: float, beside: float | None = None) -> str:
    """'12 ms', '0.57 s', '2.9 min', '4.4 h', '12 days'; in the unit of `beside` where that is compared with it."""
    return _in_unit(seconds, _SECONDS, beside, LEAST_TIME_IN_ONE_UNIT)


_Units = tuple[tuple[float, float, str], ...]
"""From which amount on, how much one of it is, and its name; the largest first."""
_FROM = 0.09995
"""Of a unit: from there on an amount is in it, so that it reads alike alone and beside one ten times as large."""
_JOULES: _Units = tuple(
    (_FROM * one, one, unit)
    for one, unit in ((3.6e6, "kWh"), (1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ"))
)
_GRAMS: _Units = tuple(
    (_FROM * one, one, unit) for one, unit in ((1e3, "kg"), (1.0, "g"), (1e-3, "mg"), (1e-6, "µg"), (1e-9, "ng"))
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
LEAST_TIME_IN_ONE_UNIT = 1.0
"""The same of times, whose units are no powers of ten: 26 s are not 0.44 min."""
MOST_IN_ONE_UNIT = 1000
"""Two amounts that differ by more are each in their own unit: nobody reads '0.000012 kWh'."""


def _in_unit(amount: float, units: _Units, beside: float | None, least: float = LEAST_IN_ONE_UNIT) -> str:
    """Two amounts that stand beside each other are in one unit where both are easily read in it."""
    one, unit = _unit_of(amount, units)
    if beside is not None:
        small, large = sorted((amount, beside))
        one_large, unit_large = _unit_of(large, units)
        if small >= least * one_large:
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
        return SAME
    return f"{factor(old / new)} smaller" if new < old else f"{factor(new / old)} larger"


SAME = "same size"


def is_same_size(old: float, new: float) -> bool:
    """Whether two sizes differ by less than `SAME_SIZE`."""
    return abs(new / old - 1) < SAME_SIZE


def speed_change(ratio: float, low: float | None = None, high: float | None = None) -> str:
    """'1.4× faster' or '1.2× slower', from new time over old; neither where the ratio's interval holds 1.

    With ends of exactly 1 nothing was measured: the two do the same.
    """
    low, high = ratio if low is None else low, ratio if high is None else high
    if low == high == 1:
        return "same speed"
    if high < 1:
        return f"{factor(1 / ratio)} faster"
    return f"{factor(ratio)} slower" if low > 1 else "no measurable difference in speed"


def speed_interval(low: float, high: float) -> str:
    """Of `speed_change`, with its ends: '1.30–1.50×' as fast or slow, or '0.98–1.02 of the time'; '' of the same."""
    if low == high == 1:
        return ""
    if low <= 1 <= high:
        return f"{low:.2f}–{high:.2f} of the time"
    ends = (low, high) if low > 1 else (1 / high, 1 / low)
    least, most = (f"{end:,.{3 if end < JUST_ABOVE_ONE else 2 if end < 10 else 1}f}" for end in ends)
    return f"{least}–{most}×"


JUST_ABOVE_ONE = 1.005
"""A factor below has the digits that say that it is more than 1."""


def speed(ratio: float, low: float, high: float) -> str:
    """'1.40× faster (1.37–1.43×)' or 'no measurable difference in speed (0.98–1.02 of the time)'."""
    return f"{speed_change(ratio, low, high)}{in_brackets(speed_interval(low, high))}"


def in_brackets(words: str) -> str:
    """' (so)', or nothing."""
    return f" ({words})" if words else ""


def capital(words: str) -> str:
    """With a capital letter, as at the beginning of a sentence."""
    return words[:1].upper() + words[1:]
