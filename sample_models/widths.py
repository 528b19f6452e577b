"""How a width multiplier turns into a number of channels."""


def scaled(channels: int, width_mult: float) -> int:
    """`channels` times `width_mult`, at least 1, rounded to the nearest whole channel."""
    return max(1, round(channels * width_mult))
