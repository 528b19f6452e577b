"""A network's layers as far as they can be told without loading it. Torch-free."""

from __future__ import annotations

import math
from dataclasses import dataclass

QUICK = 50_000
"""Weights of a layer for which every chapter is ready within a second or two."""


@dataclass(frozen=True)
class LayerInfo:
    """A layer with weights: outputs x inputs (x height x width)."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many weights it has."""
        return math.prod(self.shape)

    @property
    def is_convolution(self) -> bool:
        """Whether its weights are filters."""
        return len(self.shape) == 4

    @property
    def is_matrix(self) -> bool:
        """Whether it is a table of outputs x inputs: linear, or a convolution that looks at one place at a time."""
        return math.prod(self.shape[2:]) == 1

    @property
    def can_be_separated(self) -> bool:
        """Whether it is a convolution of several inputs with a kernel larger than 1 x 1, to several outputs."""
        outputs, inputs, *kernel = self.shape
        return math.prod(kernel) > 1 and min(outputs, inputs) > 1

    @property
    def can_be_factored(self) -> bool:
        """Whether it mixes several inputs, so that a product of thinner layers can stand for it."""
        return self.shape[1] > 1 and min(self.shape[0], self.size // self.shape[0]) >= 4

    @property
    def title(self) -> str:
        """'conv2: 50 filters of 20 × 5 × 5', for lists of choices."""
        outputs, *rest = self.shape
        kind = f"{outputs} filters of" if self.is_convolution else f"{outputs} outputs,"
        return f"{self.name}: {kind} {' × '.join(map(str, rest))}{'' if self.is_convolution else ' inputs'}"


def usual_layer(layers: tuple[LayerInfo, ...]) -> LayerInfo:
    """The largest one that is quick to look into, and mixes inputs."""
    quick = [layer for layer in layers if layer.size <= QUICK and layer.can_be_factored]
    return max(quick or layers, key=lambda layer: layer.size)
