"""Rules for operations that move numbers to other places, and for attention, which does little else."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from compression.engine.network import functions
from compression.engine.network.builder import Builder, takes_sizes
from compression.engine.network.program import MANY, shape_of, source_of

# --- numbers in other places --------------------------------------------------------------------------------------


def dims_of(builder: Builder, node: fx.Node, dims: Sequence[int] | int) -> tuple[int, ...]:
    """Dimensions of what an operation reads, ascending; none of them may have to do with the number of images."""
    sizes = builder.shape(source_of(node))
    found = sorted(dim % len(sizes) for dim in ([dims] if isinstance(dims, int) else dims))
    if any(sizes[dim] == MANY for dim in found):
        raise builder.refused(node, "mixes images with each other")
    return tuple(found)


@takes_sizes
def reshaped(builder: Builder, node: fx.Node, x: object, **sizes: object) -> object:
    """The same numbers in the same order, with other sizes."""
    before, after = builder.shape(source_of(node)), builder.shape(node)
    if before == after:
        return x
    if before[0] == after[0] and len(after) == 2 and after[1] == math.prod(before[1:]):  # type: ignore[arg-type]
        return builder.layer(node, lambda: nn.Flatten(1), x, called="flatten")
    return builder.function(node, torch.reshape, x, builder.target(node))


def permuted(builder: Builder, node: fx.Node, x: object, *, dims: Sequence[int]) -> object:
    """Dimensions in another order."""
    order = tuple(dim % len(dims) for dim in dims)
    return x if order == tuple(range(len(order))) else builder.function(node, torch.permute, x, order)


def swapped(builder: Builder, node: fx.Node, x: object, **two: int) -> object:
    """Two dimensions in each other's place: the two that are named, else the first two."""
    order = list(range(len(builder.shape(node))))
    one, other = (dim % len(order) for dim in two.values()) if two else (0, 1)
    order[one], order[other] = other, one
    return permuted(builder, node, x, dims=order)


def sliced(
    builder: Builder, node: fx.Node, x: object, *, dim: int, start: int | None, end: int | None, step: int
) -> object:
    """Some of the places of one dimension."""
    if builder.shape(source_of(node)) == builder.shape(node):
        return x
    (place,) = dims_of(builder, node, dim)
    places = slice(*slice(start, end, step).indices(shape_of(source_of(node))[place]))
    return builder.function(node, functions.part, x, place, places)


def selected(builder: Builder, node: fx.Node, x: object, *, dim: int, index: int) -> object:
    """The values at one place of a dimension."""
    (place,) = dims_of(builder, node, dim)
    at = index % shape_of(source_of(node))[place]
    return _one_of(builder, node, x, place, at)


def _one_of(builder: Builder, node: fx.Node, x: object, dim: int, at: int) -> object:
    """The values at one place of a dimension, which is gone."""
    one = builder.function(node, functions.part, x, dim, slice(at, at + 1))
    sizes = builder.shape(source_of(node))
    left = [-1 if size == MANY else size for size in (*sizes[:dim], *sizes[dim + 1 :])]
    return builder.function(node, torch.reshape, one, tuple(left))


def unbound(builder: Builder, node: fx.Node, x: object, *, dim: int) -> list[object]:
    """The values at each place of a dimension, one by one."""
    (place,) = dims_of(builder, node, dim)
    return [_one_of(builder, node, x, place, at) for at in range(len(node.meta["val"]))]


def split(builder: Builder, node: fx.Node, x: object, *, dim: int, **others: object) -> list[object]:
    """The parts that a value is cut into along a dimension."""
    (place,) = dims_of(builder, node, dim)
    ends = list(itertools.accumulate(part.shape[place] for part in node.meta["val"]))
    return [
        builder.function(node, functions.part, x, place, slice(start, end))
        for start, end in zip([0, *ends], ends, strict=False)
    ]


@takes_sizes
def spread(builder: Builder, node: fx.Node, x: object, **sizes: object) -> object:
    """One for all images, or the same number at many places."""
    after = builder.shape(node)
    if isinstance(x, Tensor):
        if after[0] != MANY or x.dim() != len(after) or x.shape[0] != 1:
            raise builder.refused(node, "repeats weights in a way that is not known")
        images = next(iter(builder.model.graph.nodes))
        same = x.expand(1, *shape_of(node)[1:])
        return builder.function(node, functions.for_each, images, same)
    before = (1,) * (len(after) - len(builder.shape(source_of(node)))) + builder.shape(source_of(node))
    if before == after:
        return x
    sizes_ = tuple(-1 if old == new else new for old, new in zip(before, after, strict=True))
    if MANY in sizes_:
        raise builder.refused(node, "repeats a value for each image")
    return builder.function(node, functions.spread, x, sizes_)


def rolled(builder: Builder, node: fx.Node, x: object, *, shifts: Sequence[int], dims: Sequence[int]) -> fx.Node:
    """Places moved along, and what falls off one end comes in at the other."""
    if not dims:
        raise builder.refused(node, "mixes images with each other")
    dims_of(builder, node, dims)
    return builder.function(node, torch.roll, x, tuple(shifts), tuple(dims))


def made_of_size(builder: Builder, node: fx.Node, x: object, **settings: object) -> Tensor:
    """Numbers that depend on a value's size only, and not on how many images there are."""
    if MANY in builder.shape(node):
        raise builder.refused(node, "makes numbers for each image; they must be the same for all")
    made: Tensor = node.target(torch.zeros(shape_of(source_of(node))), **settings)  # type: ignore[operator]
    return made


# --- attention ----------------------------------------------------------------------------------------------------


def matrix_product(builder: Builder, node: fx.Node, x: object, **other: object) -> fx.Node:
    """The product of two values, matrix by matrix."""
    return builder.function(node, torch.matmul, x, *other.values())


def attention(
    builder: Builder,
    node: fx.Node,
    query: object,
    *,
    key: fx.Node,
    value: fx.Node,
    attn_mask: object,
    is_causal: bool,
    scale: float | None,
    **others: object,
) -> fx.Node:
    """softmax(query × key / √features + mask) × value (Vaswani et al., 2017), written out."""
    sizes = shape_of(source_of(node))
    last = len(sizes) - 1
    turned = builder.function(node, torch.permute, key, (*range(last - 1), last, last - 1))
    scaled = builder.function(node, operator.mul, query, scale or 1 / math.sqrt(sizes[-1]))
    scores = builder.function(node, torch.matmul, scaled, turned)
    if is_causal:
        attn_mask = torch.full((sizes[-2], sizes[-2]), -math.inf).triu(1)
    if isinstance(attn_mask, Tensor) and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros(attn_mask.shape).masked_fill(~attn_mask, -math.inf)
    if attn_mask is not None:
        scores = builder.function(node, operator.add, scores, attn_mask)
    weights = builder.layer(node, lambda: nn.Softmax(-1), scores, called="softmax")
    return builder.function(node, torch.matmul, weights, value)


def einsum(builder: Builder, node: fx.Node, equation: str, *, tensors: Sequence[Any], path: object) -> object:
    """A sum of products as one matrix product: the dimensions that both have first, the one that is summed between."""
    inputs, _, output = equation.replace(" ", "").partition("->")
    sides = inputs.split(",")
    if len(sides) != 2 or not output or "." in equation:
        raise builder.refused(node, f"is {equation!r}; only products of two values are known")
    left, right = sides
    both = [letter for letter in left if letter in right and letter in output]
    (summed, rows, columns) = (
        [letter for letter in letters if letter not in both]
        for letters in ([one for one in left if one in right], [one for one in left if one not in right], right)
    )
    columns = [letter for letter in columns if letter not in summed]
    if any(len(one) != 1 for one in (summed, rows, columns)) or {*output} != {*both, *rows, *columns}:
        raise builder.refused(node, f"is {equation!r}, which is no product of matrices")

    def turned(value: object, letters: str, wanted: Sequence[str]) -> object:
        order = tuple(letters.index(letter) for letter in wanted)
        return value if order == tuple(range(len(order))) else builder.function(node, torch.permute, value, order)

    product = builder.function(
        node,
        torch.matmul,
        turned(tensors[0], left, [*both, *rows, *summed]),
        turned(tensors[1], right, [*both, *summed, *columns]),
    )
    return turned(product, "".join([*both, *rows, *columns]), output)
