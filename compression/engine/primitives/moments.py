"""Second moments of what a layer gets and what it should answer: all that a least-squares fit needs to know.

How its *answers* matter to the network is another question, and `curvature` has the other half of the answer to it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from compression.engine.network.form import WeightedLayer
from compression.engine.primitives.execution import Walk
from compression.watch import SILENT, Watch

RIDGE = 1e-2
"""Pull towards the weights that are there, relative to the inputs' mean square.

From 1e-3 to 1e-1 accuracies measured alike, but for a tenth of the rank, where 1e-2 was best.
"""
LEAST_RIDGE = 1e-18
"""That of a layer whose inputs are all zero: the square of its inverse is still a number in float32."""

ROWS = 8192
"""Positions in the images, or rows of features, that moments are taken over; twice as many measured alike."""


@dataclass(frozen=True)
class Moments:
    """Of inputs x (features) and wanted outputs y, both float64 and, if `mean_x` is not zero, about their means.

    `gram` is E[x xᵀ] (features x features), with a ridge on its diagonal, and `cross` is E[y xᵀ] (outputs x
    features) with the same ridge times the layer's own weight, so that directions which no image shows keep
    the weight they have.
    """

    gram: Tensor
    cross: Tensor
    mean_x: Tensor
    mean_y: Tensor

    def best_weight(self) -> Tensor:
        """The least-squares weight, outputs x features."""
        solution: Tensor = torch.linalg.solve(self.gram, self.cross.mT)
        return solution.mT

    def bias(self, weight: Tensor) -> Tensor:
        """What `weight` (outputs x features) needs as bias to answer right on average."""
        return self.mean_y - weight @ self.mean_x


def second_moments(layer: WeightedLayer, x: Tensor, target: Tensor, *, centred: bool) -> Moments:
    """Moments of the inputs `x` that the layer gets and the outputs `target` that it should give.

    `x` is rows x features (linear layer) or N x C x H x W, `target` has the shape of `layer(x)`. The features
    of a convolution are its patches, in the order of its flattened weight (channel, row, column). Only for
    layers that `is_plain` says yes to. `centred` is for layers whose output may be shifted: they have a bias,
    or a batch norm behind them.
    """
    inputs, outputs = (rows[0] for rows in sampled_rows(layer, x, target))
    mean_x, mean_y = (rows.mean(0) if centred else torch.zeros_like(rows[0]) for rows in (inputs, outputs))
    inputs, outputs = inputs - mean_x, outputs - mean_y
    gram = (inputs.mT @ inputs).double() / len(inputs)
    cross = (outputs.mT @ inputs).double() / len(inputs)
    ridge = _ridge(gram)
    gram.diagonal().add_(ridge)
    cross += ridge * layer.weight.detach().flatten(1)
    return Moments(gram, cross, mean_x.double(), mean_y.double())


def is_plain(layer: nn.Module) -> bool:
    """Whether every output of the layer sees all inputs in one patch that `second_moments` can cut out."""
    return isinstance(layer, WeightedLayer) and has_patches(layer) and getattr(layer, "groups", 1) == 1


def has_patches(layer: WeightedLayer) -> bool:
    """Whether `sampled_rows` can cut out what each output of the layer sees: padding must be a number of zeros."""
    return isinstance(layer, nn.Linear) or (layer.padding_mode == "zeros" and not isinstance(layer.padding, str))


def layer_grams(model: fx.GraphModule, x: Tensor, watch: Watch = SILENT) -> dict[str, Tensor]:
    """`gram_matrix` of each weighted layer on images `x` (N x C x H x W).

    The sum over its calls where a layer is used several times.
    """
    grams: dict[str, Tensor] = {}
    for call in Walk(model, x, watch).calls():
        grams[call.name] = grams.get(call.name, torch.zeros(())) + gram_matrix(call.layer, call.x, call.y)
    return grams


def gram_matrix(layer: WeightedLayer, x: Tensor, y: Tensor) -> Tensor:
    """Mean products of the inputs that reach the layer's weights, groups x features x features, float64, with ridge.

    `x` are the layer's inputs and `y` its outputs, of which only the shape matters. The inputs are centred: the
    bias or the batch norm behind the layer takes care of averages. Layers without patches get the identity: every
    input counts alike.
    """
    if not has_patches(layer):
        return torch.eye(layer.weight[0].numel(), dtype=torch.float64).expand(getattr(layer, "groups", 1), -1, -1)
    return gram_of(centred(input_rows(layer, x, y.shape)))


def gram_of(inputs: Tensor) -> Tensor:
    """The same of rows that are centred already, groups x rows x features."""
    gram = (inputs.mT @ inputs).double() / inputs.shape[1]
    gram.diagonal(dim1=1, dim2=2).add_(_ridge(gram)[:, None])
    return gram


def _ridge(gram: Tensor) -> Tensor:
    """What goes on the diagonal of `gram` (... x features x features): one number for each."""
    return (RIDGE * gram.diagonal(dim1=-2, dim2=-1).mean(-1)).clamp(min=LEAST_RIDGE)


def centred(rows: Tensor) -> Tensor:
    """Groups x rows x anything, less the mean of the rows."""
    return rows - rows.mean(1, keepdim=True)


def sampled_rows(layer: WeightedLayer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs (groups x rows x features) and outputs (groups x rows x outputs) at the same drawn positions.

    `x` goes into the layer, and `y` has the shape of what comes out. The features of a convolution are its patches,
    in the order of its flattened weight.
    """
    inputs = input_rows(layer, x, y.shape)
    return inputs, by_group(output_rows(layer, y), len(inputs))


def input_rows(layer: WeightedLayer, x: Tensor, y_shape: Sequence[int]) -> Tensor:
    """The first half of `sampled_rows`, for outputs of that shape: groups x rows x features."""
    if isinstance(layer, nn.Linear):
        return x[_drawn(len(x))][None] if len(x) > ROWS else x[None]
    image, *corner = _positions(tuple(y_shape))
    _, channels, height, width = x.shape
    (row, row_there), (column, column_there) = (
        _taps(layer, dim, start, size) for dim, (start, size) in enumerate(zip(corner, (height, width), strict=True))
    )
    pixels = image[:, None, None] * (height * width) + row[:, :, None] * width + column[:, None, :]
    there = (row_there[:, :, None] & column_there[:, None, :]).flatten(1)
    rows = x.permute(0, 2, 3, 1).reshape(-1, channels)  # of memory, where a pixel's channels lie together
    found = rows.index_select(0, pixels.flatten())
    patches = found.reshape(len(image), -1, channels).transpose(1, 2)
    if not there.all():
        patches = patches * there[:, None]  # padding is zeros
    return by_group(patches.reshape(len(image), -1), layer.groups)


def _taps(layer: nn.Conv2d, dim: int, position: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Where in the input the kernel reads for each output position (positions x kernel), and whether that is inside."""
    offsets = torch.arange(layer.kernel_size[dim]) * layer.dilation[dim] - int(layer.padding[dim])
    places = position[:, None] * layer.stride[dim] + offsets
    return places.clamp(0, size - 1), (places >= 0) & (places < size)


def output_rows(layer: WeightedLayer, y: Tensor) -> Tensor:
    """The second half of `sampled_rows`, of all groups together: rows x outputs."""
    if isinstance(layer, nn.Linear):
        return y[_drawn(len(y))] if len(y) > ROWS else y
    image, row, column = _positions(tuple(y.shape))
    return y[image, :, row, column]


def by_group(rows: Tensor, groups: int) -> Tensor:
    """Rows x (groups x anything) as groups x rows x anything."""
    return rows.reshape(len(rows), groups, -1).transpose(0, 1)


def _drawn(count: int) -> Tensor:
    """Up to `ROWS` of so many, always the same."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:ROWS]


@functools.lru_cache(maxsize=16)  # layers of one network have few shapes, and drawing takes longer than reading
def _positions(shape: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Image, row and column of up to `ROWS` positions of a convolution's output, always the same for a shape."""
    n, _, height, width = shape
    picked = _drawn(n * height * width)
    return picked // (height * width), picked // width % height, picked % width
