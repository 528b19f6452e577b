"""Energy and carbon of one inference: a model, not a measurement. Torch-free.

Operations and bytes are counted on the network (`compression.results.record.Measures`); what each of them costs is
taken from Horowitz, "Computing's energy problem (and what we can do about it)" (ISSCC 2014): a 45 nm process
at 0.9 V. A present chip needs less, and everything else in it (instruction fetch, leakage, cooling) needs
more; the model serves to compare networks with each other, under an assumption about memory that can be
switched, since it changes the answer more than anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compression.results.record import Measures

Memory = Literal["cache", "dram"]
PLACES: dict[Memory, str] = {"cache": "cache", "dram": "DRAM"}
"""Where weights come from for each image, in words: they stay in the processor's cache, or are fetched from memory."""

MODEL = "45 nm energy model (Horowitz, 2014)"
"""Where its numbers come from, for a sentence that says already that it is a model."""
LABEL = f"{MODEL}, not measured"
"""To be shown with every number of this module."""

_PICO = 1e-12
FLOAT_MULTIPLY_PJ = 3.7
FLOAT_ADD_PJ = 0.9
INTEGER_ADD_PJ = 0.1
"""32 bits: integer kernels add up products of 8-bit numbers in 32 bits."""
INTEGER_MULTIPLY_PJ = FLOAT_MULTIPLY_PJ / 18.5
"""8 bits, 0.2 pJ: the table says 18.5 times less than a 32-bit float multiplication."""

BYTE_PJ: dict[Memory, float] = {"cache": 5 / 4, "dram": 640 / 4}
"""The table's 32-bit accesses, 5 pJ to a small SRAM cache and 640 pJ to DRAM, for each byte."""

WORLD_GRID = 473.0
"""Grams of CO2 equivalent a kWh: the world's average of 2024 (Ember, Global Electricity Review 2025)."""

JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Energy:
    """Joules for one image: multiply-accumulates, fetching weights, writing and reading activations."""

    arithmetic: float
    weights: float
    activations: float

    @property
    def joules(self) -> float:
        """All together."""
        return self.arithmetic + self.weights + self.activations


def energy(measures: Measures, memory: Memory = "cache") -> Energy:
    """What one image costs by the model.

    Multiply-accumulates count by the kernels that carry them out (`integer_macs` of `macs`; multiplying by a
    zero that the runtime does not skip costs as much). Every weight is fetched once, in the form the runtime
    holds it in, from `memory`; activations are small and pass through the cache in either case.
    """
    float_macs = measures.macs - measures.integer_macs
    arithmetic = float_macs * (FLOAT_MULTIPLY_PJ + FLOAT_ADD_PJ)
    arithmetic += measures.integer_macs * (INTEGER_MULTIPLY_PJ + INTEGER_ADD_PJ)
    weights = measures.weight_bytes * BYTE_PJ[memory]
    activations = measures.activation_traffic_bytes * BYTE_PJ["cache"]
    return Energy(arithmetic * _PICO, weights * _PICO, activations * _PICO)


def carbon_grams_per_million(joules: float, intensity: float = WORLD_GRID) -> float:
    """Grams of CO2 equivalent for a million inferences of `joules` (>= 0) each.

    `intensity` is the grid's, in grams of CO2 equivalent a kWh (>= 0). Raises `ValueError` for a negative one.
    """
    if joules < 0 or intensity < 0:
        raise ValueError(f"Energy and intensity cannot be negative, but got joules={joules}, intensity={intensity}.")
    return 1e6 * joules / JOULES_PER_KWH * intensity
