"""Which layers a sample model has, read from the header of its weights file. Torch-free."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from compression.errors import CorruptFile
from sample_models.catalogue import find_model

QUICK = 50_000
"""Weights of a layer for which every chapter is ready within a second or two."""

_FIRST, _LAST = ("stem",), ("hidden", "classifier")


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
    def can_be_factored(self) -> bool:
        """Whether it mixes several inputs, so that a product of thinner layers can stand for it."""
        return self.shape[1] > 1 and min(self.shape[0], self.size // self.shape[0]) >= 4

    @property
    def title(self) -> str:
        """'conv2: 50 filters of 20 × 5 × 5', for lists of choices."""
        outputs, *rest = self.shape
        kind = f"{outputs} filters of" if self.is_convolution else f"{outputs} outputs,"
        return f"{self.name}: {kind} {' × '.join(map(str, rest))}{'' if self.is_convolution else ' inputs'}"


def layers_of(model: str) -> tuple[LayerInfo, ...]:
    """Convolutions and linear layers, first to last. Raises `UnknownModel`, and `CorruptFile` without the weights."""
    return _read(find_model(model).weights_path)


def usual_layer(layers: tuple[LayerInfo, ...]) -> LayerInfo:
    """The largest one that is quick to look into, and mixes inputs."""
    quick = [layer for layer in layers if layer.size <= QUICK and layer.can_be_factored]
    return max(quick or layers, key=lambda layer: layer.size)


@functools.cache
def _read(path: Path) -> tuple[LayerInfo, ...]:
    try:
        with safe_open(path, framework="numpy") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CorruptFile(f"The weights in {path.name} cannot be read: {error}. Get the file again.") from error
    found = [
        LayerInfo(name.removesuffix(".weight"), shape)
        for name, shape in shapes.items()
        if name.endswith(".weight") and len(shape) > 1
    ]
    return tuple(sorted(found, key=_order))


def _order(layer: LayerInfo) -> tuple[int, list[tuple[int, str]]]:
    """As an image passes them: the file has them in the order of the alphabet."""
    first = layer.name.split(".")[0]
    place = -1 if first in _FIRST else 1 + _LAST.index(first) if first in _LAST else 0
    return place, [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", layer.name)]
