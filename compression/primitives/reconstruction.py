"""Fit a changed network to the answers of the original one, layer by layer and without training.

He et al., "Channel pruning for accelerating very deep neural networks" (2017), section 3.1: what a layer
computes from the inputs that are left is fitted by least squares to what it computed before.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg
from torch.nn import functional

from compression.network import WeightedLayer, module_of, weight_format
from compression.primitives.batch_norm import BatchNorm, call_count
from compression.primitives.channels import OUT, Kept
from compression.primitives.least_squares import masked_solve

RIDGE = 1e-2
"""Pull towards the weights that are there, relative to the inputs' mean square; 1e-4 to 1e-1 measured alike."""

ROWS = 8192
"""Positions in the images that one convolution's fit looks at: many more than its at most 1,000 unknowns an output."""


def reconstruct(
    original: fx.GraphModule,
    changed: fx.GraphModule,
    kept: Kept,
    x: Tensor,
    *,
    report: Callable[[float, str], None] = lambda fraction, words: None,
    check_cancelled: Callable[[], None] = lambda: None,
) -> None:
    """Fit weights, biases and batch-norm statistics of `changed`, in place, on images `x` (N x C x H x W).

    Both models have the same graph; `kept` says which channels of `original` are left in `changed`. Both
    are run side by side, and each layer is fitted on the inputs that it gets from the layers fitted before
    it, so that it makes up for their errors too. Masked weights stay zero and the others are fitted; layers on
    a grid keep their weights, and only their biases move. Layers that are used several times stay as they are.
    Batch-norm statistics become those of `x`.
    """
    before: dict[str, Tensor] = {}
    after: dict[str, Tensor] = {}
    last_user = {source: node for node in original.graph.nodes for source in node.all_input_nodes}
    pairs = list(zip(original.graph.nodes, changed.graph.nodes, strict=True))[:-1]  # without the output
    with torch.no_grad():
        for number, (node, twin) in enumerate(pairs):
            check_cancelled()
            before[node.name] = evaluate_node(original, node, before, x)
            _fit(changed, twin, after, _left(before[node.name], kept.get((str(node.target), OUT))))
            after[node.name] = evaluate_node(changed, twin, after, x)
            for source in node.all_input_nodes:
                if last_user[source] is node:
                    del before[source.name], after[source.name]
            report((number + 1) / len(pairs), f"fitting {node.name}")


def _left(value: Tensor, kept: Tensor | None) -> Tensor:
    return value if kept is None else value[:, kept]


def evaluate_node(model: fx.GraphModule, node: fx.Node, values: dict[str, Tensor], x: Tensor) -> Tensor:
    """The value of one node."""
    if node.op == "placeholder":
        return x
    args = map_arg(node.args, lambda source: values[source.name])
    kwargs = map_arg(node.kwargs, lambda source: values[source.name])
    if node.op == "get_attr":
        constant: Tensor = operator.attrgetter(str(node.target))(model)
        return constant
    if node.op == "call_method":
        method: Callable[..., Tensor] = getattr(args[0], str(node.target))
        return method(*args[1:], **kwargs)
    layer = module_of(model, node)
    function: Callable[..., Tensor] = node.target if layer is None else layer  # type: ignore[assignment]
    return function(*args, **kwargs)


def _fit(model: fx.GraphModule, node: fx.Node, values: dict[str, Tensor], target: Tensor) -> None:
    """Fit the layer that this node calls, unless it is also used elsewhere."""
    layer = module_of(model, node)
    if not isinstance(layer, WeightedLayer | BatchNorm) or call_count(model, node) > 1:
        return
    x = values[node.all_input_nodes[0].name]
    if isinstance(layer, BatchNorm):
        _fit_statistics(layer, x)
    else:
        _fit_layer(layer, x, target)


def _fit_statistics(norm: BatchNorm, x: Tensor) -> None:
    if norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean.copy_(x.mean(_all_but_channels(x)))
        norm.running_var.copy_(x.var(_all_but_channels(x)))


def _fit_layer(layer: WeightedLayer, x: Tensor, target: Tensor) -> None:
    if weight_format(layer).grid is None and is_plain(layer):
        layer.weight.add_(_weight_change(layer, x, target - layer(x)).reshape(layer.weight.shape))
    if layer.bias is not None:
        error = target - layer(x)
        layer.bias.add_(error.mean(_all_but_channels(error)))


def _all_but_channels(x: Tensor) -> list[int]:
    return [dim for dim in range(x.dim()) if dim != 1]


def is_plain(layer: WeightedLayer) -> bool:
    """Whether `gram_matrix` knows which inputs each output saw."""
    if isinstance(layer, nn.Linear):
        return True
    return layer.dilation == (1, 1) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def gram_matrix(layer: WeightedLayer, x: Tensor, y: Tensor) -> Tensor:
    """Mean products of the inputs that reach the layer's weights, groups x features x features, float64, with ridge.

    `x` are the layer's inputs and `y` its outputs, of which only the shape matters. The inputs are centred: the
    bias or the batch norm behind the layer takes care of averages.
    """
    inputs, _ = _centred_rows(layer, x, y)
    return _with_ridge(inputs.mT @ inputs) / inputs.shape[1]


def _weight_change(layer: WeightedLayer, x: Tensor, error: Tensor) -> Tensor:
    """Ridge regression of the error on the inputs, both centred: groups x outputs x features; zero where masked."""
    inputs, errors = _centred_rows(layer, x, error)
    gram, cross = _with_ridge(inputs.mT @ inputs), (inputs.mT @ errors).double()
    mask = weight_format(layer).mask
    if mask is None:
        change: Tensor = torch.linalg.solve(gram, cross).mT.float()
        return change
    return masked_solve(gram, cross.mT, mask.reshape(len(gram), cross.shape[2], -1))


def _with_ridge(gram: Tensor) -> Tensor:
    gram = gram.double()
    diagonal = gram.diagonal(dim1=1, dim2=2)
    diagonal += RIDGE * diagonal.mean(1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    return gram


def _centred_rows(layer: WeightedLayer, x: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    inputs, errors = sampled_rows(layer, x, error)
    return inputs - inputs.mean(1, keepdim=True), errors - errors.mean(1, keepdim=True)


def sampled_rows(layer: WeightedLayer, x: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs (groups x rows x features) and errors (groups x rows x outputs) at evenly drawn positions."""
    if isinstance(layer, nn.Linear):
        return x[None], error[None]
    n, _, height, width = error.shape
    total = n * height * width
    picked = torch.randperm(total, generator=torch.Generator().manual_seed(0))[:ROWS]
    image, row, column = picked // (height * width), picked // width % height, picked % width
    assert not isinstance(layer.padding, str)
    (up, left), (kernel_height, kernel_width), (down, right) = layer.padding, layer.kernel_size, layer.stride
    padded = functional.pad(x, (left, left, up, up)).permute(0, 2, 3, 1).contiguous()  # whole pixels lie together
    windows = padded.unfold(1, kernel_height, down).unfold(2, kernel_width, right)
    inputs = windows[image, row, column].reshape(len(picked), layer.groups, -1)
    errors = error.permute(0, 2, 3, 1)[image, row, column].reshape(len(picked), layer.groups, -1)
    return inputs.transpose(0, 1), errors.transpose(0, 1)
