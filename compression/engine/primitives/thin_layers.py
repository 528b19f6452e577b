"""The forms in which one layer can be a chain of thinner ones: their ranks, costs, errors and layers."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

from torch import Tensor, fx, nn

from compression.engine.network.form import WeightedLayer, module_of
from compression.engine.primitives.factorization import (
    balanced,
    composed,
    matrix_factors,
    matrix_spectrum,
    spatial_factors,
    spatial_spectrum,
    tucker_factors,
    tucker_spectra,
)
from compression.engine.primitives.moments import Moments
from compression.kernels import nearest_multiple

Ranks = tuple[int, ...]

LEVELS = 24
"""Ranks of each side that an error table with two sides tries; one side alone is tried at every rank."""


class Cost(NamedTuple):
    """Weights of a layer or chain, and its multiply-accumulates for one image."""

    params: int
    macs: int


@dataclass(frozen=True)
class ThinForm(ABC):
    """How one layer can be factored. `size_in` and `size_out` are height and width (1 x 1 for linear layers)."""

    layer: WeightedLayer
    size_in: tuple[int, int]
    size_out: tuple[int, int]

    @property
    @abstractmethod
    def full(self) -> Ranks:
        """The ranks at which nothing is lost."""

    @abstractmethod
    def cost_at(self, ranks: Ranks) -> Cost:
        """What the chain of these ranks costs."""

    @abstractmethod
    def factors(self, weight: Tensor, gram: Tensor, ranks: Ranks) -> list[Tensor]:
        """The chain's kernels (outputs x inputs x height x width) for `weight` in the same form."""

    @abstractmethod
    def errors(self, moments: Moments) -> Callable[[Ranks], float]:
        """Relative squared error of the layer's answers at given ranks, as far as spectra tell."""

    @abstractmethod
    def layers(self, factors: list[Tensor]) -> dict[str, WeightedLayer]:
        """Layers without bias for these kernels; their weights are set later."""

    def cost(self, ranks: Ranks | None) -> Cost:
        """What the chain costs, or the layer itself (None)."""
        if ranks is None:
            return Cost(self.layer.weight.numel(), self.layer.weight.numel() * math.prod(self.size_out))
        return self.cost_at(ranks)

    def shrinks(self, ranks: Ranks) -> bool:
        """Whether the chain has fewer weights and fewer operations than the layer."""
        chain, layer = self.cost(ranks), self.cost(None)
        return chain.params < layer.params and chain.macs < layer.macs

    @property
    def smallest(self) -> Ranks:
        """Rank 1 everywhere."""
        return (1,) * len(self.full)

    def ranks_at(self, ratio: float, round_to: int) -> Ranks:
        """Ranks at this share of the full ones, to the nearest multiple of `round_to` that there is."""
        return tuple(nearest_multiple(full, ratio, round_to) for full in self.full)

    def candidates(self, round_to: int) -> Iterator[Ranks]:
        """Ranks for an error table: multiples of `round_to`, and full."""
        levels = LEVELS if len(self.full) > 1 else max(self.full)
        ratios = [(level + 1) / levels for level in range(levels)]
        sides = [sorted({nearest_multiple(full, ratio, round_to) for ratio in ratios} | {full}) for full in self.full]
        return itertools.product(*sides)


class MatrixForm(ThinForm):
    """A linear layer or 1 x 1 convolution as two."""

    @property
    def full(self) -> Ranks:
        """One rank."""
        return (min(self.layer.weight.shape[:2]),)

    def cost_at(self, ranks: Ranks) -> Cost:
        """A stride is taken by the first factor."""
        params = ranks[0] * sum(self.layer.weight.shape[:2])
        return Cost(params, params * math.prod(self.size_out))

    def factors(self, weight: Tensor, gram: Tensor, ranks: Ranks) -> list[Tensor]:
        """In, out."""
        return [factor[:, :, None, None] for factor in matrix_factors(weight.flatten(1), gram, *ranks)]

    def errors(self, moments: Moments) -> Callable[[Ranks], float]:
        """Exact."""
        tail = matrix_spectrum(_kernel(self.layer).flatten(1), moments.gram)
        return lambda ranks: float(tail[ranks[0]])

    def layers(self, factors: list[Tensor]) -> dict[str, WeightedLayer]:
        """Linear layers for a linear layer."""
        if isinstance(self.layer, nn.Linear):
            shapes = [factor.shape[:2] for factor in factors]
            return {
                name: nn.Linear(i, o, bias=False, device="meta")
                for name, (o, i) in zip(("in", "out"), shapes, strict=True)
            }
        first = conv(factors[0], stride=self.layer.stride, padding=self.layer.padding)
        return {"in": first, "out": conv(factors[1])}


class TuckerForm(ThinForm):
    """A convolution as 1 x 1, a smaller one, 1 x 1; a side of full rank has no factor."""

    @property
    def full(self) -> Ranks:
        """Ranks of the input and of the output side."""
        outputs, inputs, *kernel = self.layer.weight.shape
        area = math.prod(kernel)
        return min(inputs, outputs * area), min(outputs, inputs * area)

    def cost_at(self, ranks: Ranks) -> Cost:
        """The input side works on the map before the stride."""
        outputs, inputs, *kernel = self.layer.weight.shape
        rank_in, rank_out = ranks
        first = inputs * rank_in if rank_in < inputs else 0
        rest = rank_in * rank_out * math.prod(kernel) + (outputs * rank_out if rank_out < outputs else 0)
        return Cost(first + rest, first * math.prod(self.size_in) + rest * math.prod(self.size_out))

    def factors(self, weight: Tensor, gram: Tensor, ranks: Ranks) -> list[Tensor]:
        """In (if any), core, out (if any)."""
        return tucker_factors(weight, gram, *ranks)

    def errors(self, moments: Moments) -> Callable[[Ranks], float]:
        """What each side loses of what the other leaves; closer than HOSVD's bound, the sum of both."""
        inputs, outputs = tucker_spectra(_kernel(self.layer), moments.gram)
        return lambda ranks: float(1 - (1 - inputs[ranks[0]]) * (1 - outputs[ranks[1]]))

    def layers(self, factors: list[Tensor]) -> dict[str, WeightedLayer]:
        """Only the core has the kernel, stride, padding and dilation of the layer."""
        layer = self.layer
        assert isinstance(layer, nn.Conv2d)
        core = next(index for index, factor in enumerate(factors) if factor.shape[2:] == layer.weight.shape[2:])
        names = ["core", "out"] if core == 0 else ["in", "core", "out"]
        settings = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
        return {
            name: conv(factor, **(settings if index == core else {}))  # type: ignore[arg-type]
            for index, (name, factor) in enumerate(zip(names, factors, strict=False))
        }


class SpatialForm(ThinForm):
    """A convolution as a column and a row."""

    @property
    def full(self) -> Ranks:
        """One rank."""
        outputs, inputs, height, width = self.layer.weight.shape
        return (min(inputs * height, outputs * width),)

    def cost_at(self, ranks: Ranks) -> Cost:
        """The column works on the width before the stride."""
        outputs, inputs, height, width = self.layer.weight.shape
        column, row = ranks[0] * inputs * height, ranks[0] * outputs * width
        return Cost(column + row, column * self.size_out[0] * self.size_in[1] + row * math.prod(self.size_out))

    def factors(self, weight: Tensor, gram: Tensor, ranks: Ranks) -> list[Tensor]:
        """Column, row."""
        return spatial_factors(weight, gram, *ranks)

    def errors(self, moments: Moments) -> Callable[[Ranks], float]:
        """Of the columns."""
        tail = spatial_spectrum(_kernel(self.layer), moments.gram)
        return lambda ranks: float(tail[ranks[0]])

    def layers(self, factors: list[Tensor]) -> dict[str, WeightedLayer]:
        """Each takes one direction of stride, padding and dilation."""
        layer = self.layer
        assert isinstance(layer, nn.Conv2d) and not isinstance(layer.padding, str)
        (down, right), (up, left), (tall, wide) = layer.stride, layer.padding, layer.dilation
        return {
            "column": conv(factors[0], stride=(down, 1), padding=(up, 0), dilation=(tall, 1)),
            "row": conv(factors[1], stride=(1, right), padding=(0, left), dilation=(1, wide)),
        }


def thin_form(model: fx.GraphModule, node: fx.Node, convolutions: Literal["tucker", "spatial"]) -> ThinForm:
    """The form for the layer that this node calls; `convolutions` decides about kernels larger than 1 x 1."""
    layer = module_of(model, node)
    assert isinstance(layer, WeightedLayer)
    sizes = _size(node.all_input_nodes[0]), _size(node)
    if isinstance(layer, nn.Linear) or layer.kernel_size == (1, 1):
        return MatrixForm(layer, *sizes)
    return TuckerForm(layer, *sizes) if convolutions == "tucker" else SpatialForm(layer, *sizes)


def make_chain(form: ThinForm, ranks: Ranks, layer: WeightedLayer, moments: Moments) -> nn.Sequential:
    """The layers that answer, on inputs and outputs of these moments, most like `layer` was meant to."""
    kernel = _kernel(layer)
    factors = form.factors(moments.best_weight().reshape(kernel.shape), moments.gram, ranks)
    bias = None if layer.bias is None else moments.bias(composed(factors).flatten(1))
    return chain_of(form.layers(factors), factors, bias)


def chain_of(layers: dict[str, WeightedLayer], factors: list[Tensor], bias: Tensor | None) -> nn.Sequential:
    """Give the layers these weights, balanced between neighbours, and the last one the bias."""
    factors = list(factors)
    for index, _ in pairwise(range(len(factors))):
        factors[index : index + 2] = balanced(*factors[index : index + 2])
    chain = nn.Sequential()
    for (name, layer), factor in zip(layers.items(), factors, strict=True):
        layer.weight = nn.Parameter(factor.reshape(layer.weight.shape).float())
        chain.add_module(name, layer)
    if bias is not None:
        layer.bias = nn.Parameter(bias.float())
    return chain.eval()


def _kernel(layer: WeightedLayer) -> Tensor:
    """The weight as outputs x inputs x height x width, float64."""
    weight = layer.weight.detach().double()
    return weight if weight.dim() == 4 else weight[:, :, None, None]


def conv(
    kernel: Tensor,
    stride: tuple[int, ...] = (1, 1),
    padding: str | tuple[int, ...] = (0, 0),
    dilation: tuple[int, ...] = (1, 1),
    groups: int = 1,
) -> nn.Conv2d:
    """A convolution that fits this kernel, without bias and still without numbers: drawing some would be a waste."""
    outputs, inputs, *size = kernel.shape
    settings = {"groups": groups, "bias": False, "device": "meta"}
    return nn.Conv2d(inputs * groups, outputs, size, stride, padding, dilation, **settings)  # type: ignore[arg-type]


def _size(node: fx.Node) -> tuple[int, int]:
    """Height and width of a node's value."""
    shape: tuple[int, ...] = node.meta["shape"]
    return (shape[2], shape[3]) if len(shape) == 4 else (1, 1)
