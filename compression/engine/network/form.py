"""The engine's inner form of a model: a `torch.fx.GraphModule` over standard layers.

A graph of standard layers (`nn.Conv2d`, `nn.Linear`, `nn.BatchNorm2d`, ...) runs and trains like any torch
module, while its graph tells which channels depend on which, where batch norm can be folded and how to
write the network as ONNX. Two things are added for compression:

* a layer may carry a `WeightFormat` (attribute `weight_format`): the grid its weights lie on and the
  positions that stay zero. The layer's weights always *are* on the grid already.
* an `ActivationQuantizer` may stand between two nodes, and a `DynamicQuantizer` before a linear layer.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from compression.engine.network.grids import SMALLEST_SCALE, Affine, Codebook, Grid, storable_scale, storable_values

WeightedLayer = nn.Conv2d | nn.Linear


@dataclass(frozen=True)
class WeightFormat:
    """What a layer's weight is restricted to. `mask` is True where the weight may differ from zero."""

    grid: Grid | None = None
    mask: Tensor | None = None

    @property
    def bits(self) -> int:
        """Bits a weight that is not zero."""
        return self.grid.bits if self.grid else 32

    def project(self, weight: Tensor) -> Tensor:
        """The nearest weight of this format (idempotent)."""
        if self.grid is not None:
            weight = self.grid.project(weight)
        return weight if self.mask is None else weight * self.mask


def weight_format(layer: nn.Module) -> WeightFormat:
    """The layer's format; an empty one where nothing was set."""
    found: WeightFormat = getattr(layer, "weight_format", None) or WeightFormat()
    return found


def restrict(layer: WeightedLayer, **changes: object) -> None:
    """Change the layer's format (`grid=` or `mask=`) and move its weight onto it.

    What the weight was before it moved onto a grid is kept as `hidden_weight`: training goes on from there.
    """
    new = replace(weight_format(layer), **changes)  # type: ignore[arg-type]
    layer.weight_format = new  # type: ignore[assignment]
    if "grid" in changes:
        layer.hidden_weight = layer.weight.detach().clone()  # type: ignore[assignment]
    with torch.no_grad():
        layer.weight.copy_(new.project(layer.weight))


def place(layer: WeightedLayer, grid: Affine, weight: Tensor) -> None:
    """Give the layer a grid and `weight`, whose values lie on it already but need not be the nearest ones.

    The `hidden_weight` from which training goes on is the layer's weight as it was, moved into the cells of the
    given values, so that training starts at these values.
    """
    before = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight.copy_(weight)
    restrict(layer, grid=grid)
    placed = layer.weight.detach()
    reach = _CELL * grid.broadcast(weight)[0]
    inside = placed + torch.minimum(torch.maximum(before - placed, -reach), reach)
    if grid.bits == 1:
        inside = torch.where(before * placed > 0, before, placed)
    layer.hidden_weight = inside  # type: ignore[assignment]


_CELL = 0.49
"""How far a value may lie from its code, in steps of the grid; from 0.5 on it would belong to the next one."""


class ActivationQuantizer(nn.Module):
    """Rounds activations to `2**bits` levels: quantize and dequantize with a fixed scale and zero point.

    In training the gradient passes straight through inside the range (Bengio et al., 2013). While its scale is
    trained (`restricted` with `learn_scales`), it is the parameter `trained_scale`.
    """

    def __init__(self, scale: float, zero_point: int, bits: int = 8) -> None:
        super().__init__()
        self.scale, self.zero_point, self.bits = scale, zero_point, bits
        self.trained_scale: nn.Parameter | None
        self.register_parameter("trained_scale", None)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; float in, float out."""
        if self.trained_scale is None:
            return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero_point, 0, self.high)
        scale = _storable(_with_gradient(self.trained_scale, _balance(x[0].numel(), self.high)))
        levels = _round(x / scale).clamp(-self.zero_point, self.high - self.zero_point)
        return levels * scale

    @property
    def high(self) -> int:
        """The largest code; the smallest is 0."""
        return int(2**self.bits - 1)

    def learn_scale(self) -> None:
        """From now on the scale is a parameter."""
        self.trained_scale = nn.Parameter(torch.tensor(self.scale))

    def keep_scale(self) -> None:
        """The scale is a fixed, storable number again."""
        if self.trained_scale is not None:
            self.scale = storable_scale(self.trained_scale.detach()).item()
            self.trained_scale = None


class DynamicQuantizer(nn.Module):
    """Rounds each image's activations over their own range, found while the network runs (Yao et al., 2022).

    Codes 0 .. 2**bits - 1, with a fixed zero point: the scale of a row is the smallest that covers its values.
    It depends on that image alone, whatever else is in the batch. The gradient passes straight through.
    """

    def __init__(self, zero_point: int, bits: int = 8) -> None:
        super().__init__()
        self.zero_point, self.bits = zero_point, bits

    @property
    def high(self) -> int:
        """The largest code; the smallest is 0."""
        return int(2**self.bits - 1)

    def forward(self, x: Tensor) -> Tensor:
        """N x features; float in, float out."""
        scale = self.scales(x.detach())
        codes = torch.round(x.detach() / scale).clamp(-self.zero_point, self.high - self.zero_point)
        return _straight_through(x, codes * scale)

    def scales(self, x: Tensor) -> Tensor:
        """The scale of each row (N x 1) of `x` (N x features)."""
        scale = x.new_full((len(x), 1), SMALLEST_SCALE)
        for end, levels in (
            (x.amax(1, keepdim=True), self.high - self.zero_point),
            (x.amin(1, keepdim=True), -self.zero_point),
        ):
            if levels:
                scale = torch.maximum(scale, end * x.new_tensor(1 / levels))
        return scale


# --- training inside a format ------------------------------------------------------------------------------------


class _StraightThrough(torch.autograd.Function):
    """Forward: the projected value. Backward: the gradient as if there were no rounding."""

    @staticmethod
    def forward(ctx: object, value: Tensor, projected: Tensor) -> Tensor:
        return projected.clone()

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


def _straight_through(value: Tensor, projected: Tensor) -> Tensor:
    result: Tensor = _StraightThrough.apply(value, projected)  # type: ignore[no-untyped-call]
    return result


def _round(value: Tensor) -> Tensor:
    return _straight_through(value, torch.round(value.detach()))


def _storable(scale: Tensor) -> Tensor:
    return _straight_through(scale, storable_scale(scale.detach()))


def _with_gradient(value: Tensor, factor: Tensor | float) -> Tensor:
    """The value itself, its gradient multiplied by a factor (broadcasts)."""
    return _straight_through(value * factor, value.detach())


def _balance(count: int, levels: int) -> float:
    """Factor on the gradient of a scale of `count` values (Esser et al., 2020, section 2.2).

    Divided by sqrt(count x levels), a scale's relative change is about that of the values themselves.
    """
    return 1 / math.sqrt(max(1, count * levels))


class _Restriction(nn.Module):
    """Weights move below the surface, and each forward pass sees them projected."""

    def __init__(self, restriction: WeightFormat) -> None:
        super().__init__()
        self.restriction = restriction

    def forward(self, weight: Tensor) -> Tensor:
        return _straight_through(weight, self.restriction.project(weight.detach()))

    def trained(self) -> WeightFormat:
        """The format after training."""
        return self.restriction


class _LearnedScale(_Restriction):
    """Learned step size quantization (LSQ; Esser et al., 2020): the scales of an `Affine` grid are trained too.

    The gradient of a weight passes straight through inside the grid's range and is zero outside; one bit has
    no outside.
    """

    def __init__(self, restriction: WeightFormat, grid: Affine) -> None:
        super().__init__(restriction)
        self.grid, self.scale = grid, nn.Parameter(grid.scale.clone())

    def steps(self, weight: Tensor) -> Tensor:
        """The scales, in a shape that goes with the weight."""
        factor = _balance(weight.numel() // self.scale.numel(), self.grid.high)
        shape = self.grid.broadcast(weight)[0].shape
        return _storable(_with_gradient(self.scale, factor)).reshape(shape)

    def forward(self, weight: Tensor) -> Tensor:
        grid, scale = self.grid, self.steps(weight)
        zero_point = grid.broadcast(weight)[1]
        if grid.bits == 1:
            signs = torch.where(weight.detach() < 0, -1.0, 1.0)
            learned = signs * (scale - scale.detach())  # zero, with the scale's gradient
            projected = _straight_through(weight, signs * scale.detach()) + learned
        else:
            projected = _round(weight / scale).clamp(grid.low - zero_point, grid.high - zero_point) * scale
        mask = self.restriction.mask
        return projected if mask is None else projected * mask

    def trained(self) -> WeightFormat:
        """The grid with the trained scales, each in its short form."""
        return replace(self.restriction, grid=replace(self.grid, scale=storable_scale(self.scale.detach())))


class _TrainedValues(nn.Module):
    """The values of one codebook as a parameter, whichever layers they serve.

    A value moves by the mean of its members' gradients: the step that the weights would take, projected onto
    what a codebook can hold. (The sum, as in the paper, needs another learning rate for every layer.)
    """

    def __init__(self, values: Tensor, members: Tensor) -> None:
        super().__init__()
        self.values = nn.Parameter(values.clone())
        self.factor = 1 / members.clamp(min=1)

    def forward(self) -> Tensor:
        exact = _straight_through(self.values, storable_values(self.values.detach()))
        return _with_gradient(exact, self.factor)

    @functools.cached_property
    def kept(self) -> Tensor:
        """The values after training, in their short form; the same tensor for every layer that asks."""
        return storable_values(self.values.detach())


class _SharedValues(_Restriction):
    """The values of a codebook are trained; the codes stay (Han et al., 2016)."""

    def __init__(self, restriction: WeightFormat, grid: Codebook, book: _TrainedValues) -> None:
        super().__init__(restriction)
        self.grid, self.book = grid, book

    def forward(self, weight: Tensor) -> Tensor:
        values: Tensor = self.book()
        shared = values[self.grid.codes.long()].reshape(weight.shape)
        mask = self.restriction.mask
        return shared if mask is None else shared * mask

    def trained(self) -> WeightFormat:
        """The same codes with the trained values."""
        return replace(self.restriction, grid=replace(self.grid, values=self.book.kept))


@contextlib.contextmanager
def restricted(model: nn.Module, learn_scales: bool = False) -> Iterator[None]:
    """While training inside this context every layer keeps its format: masks, codes and grids hold.

    Gradients move hidden float weights (a straight-through estimator); each forward pass sees their
    projection, and on leaving the layers hold that projection again as plain parameters. The hidden
    weights start as what was there before quantization: from the middle of its code a weight would rarely
    get as far as the next one. With `learn_scales` the scales of `Affine` grids and of activations are
    parameters too (LSQ). The values of a `Codebook` are always parameters, and its codes never change.
    """
    layers = [layer for layer in weighted_layers(model).values() if weight_format(layer) != WeightFormat()]
    quantizers = [layer for layer in model.modules() if isinstance(layer, ActivationQuantizer) and learn_scales]
    for layer, restriction in zip(layers, _restrictions(layers, learn_scales), strict=True):
        with torch.no_grad():
            layer.weight.copy_(getattr(layer, "hidden_weight", layer.weight))
        parametrize.register_parametrization(layer, "weight", restriction, unsafe=True)
    for quantizer in quantizers:
        quantizer.learn_scale()
    try:
        yield
    finally:
        for quantizer in quantizers:
            quantizer.keep_scale()
        _leave(layers)


def _restrictions(layers: Sequence[WeightedLayer], learn_scales: bool) -> list[_Restriction]:
    """What each layer's weight passes through while training."""
    books = _trained_books(layers)
    restrictions: list[_Restriction] = []
    for found in map(weight_format, layers):
        if isinstance(found.grid, Codebook):
            restrictions.append(_SharedValues(found, found.grid, books[id(found.grid.values)]))
        elif isinstance(found.grid, Affine) and learn_scales:
            restrictions.append(_LearnedScale(found, found.grid))
        else:
            restrictions.append(_Restriction(found))
    return restrictions


def _trained_books(layers: Sequence[WeightedLayer]) -> dict[int, _TrainedValues]:
    """One parameter for each codebook, by the identity of its values, with how many weights share each value."""
    members: dict[int, Tensor] = {}
    values: dict[int, Tensor] = {}
    for layer in layers:
        book = weight_format(layer).grid
        if isinstance(book, Codebook):
            key = id(book.values)
            counts = torch.bincount(book.codes.flatten().long(), minlength=book.values.numel())
            members[key] = members[key] + counts if key in members else counts
            values[key] = book.values
    return {key: _TrainedValues(values[key], members[key]) for key in values}


def moving_weight(layer: WeightedLayer) -> Tensor:
    """The weight that gradients move: the one behind the format, while that is `restricted`."""
    if not parametrize.is_parametrized(layer, "weight"):
        return layer.weight
    found: Any = layer.parametrizations
    weight: Tensor = found["weight"].original
    return weight


def moving_codes(layer: WeightedLayer, grid: Affine) -> Tensor:
    """The codes on the layer's grid before they are rounded, real zero at 0: with gradients, also of learned scales."""
    weight = moving_weight(layer)
    scale, offset = grid.broadcast(weight)
    if parametrize.is_parametrized(layer, "weight"):
        found: Any = layer.parametrizations
        restriction = found["weight"][0]
        scale = restriction.steps(weight) if isinstance(restriction, _LearnedScale) else scale
    codes: Tensor = (weight / scale).clamp(grid.low - offset, grid.high - offset)
    return codes


def _leave(layers: Sequence[WeightedLayer]) -> None:
    """Plain parameters again: the projections, in the formats that training led to."""
    for layer in layers:
        restriction: Any = layer.parametrizations
        hidden, trained = moving_weight(layer).detach().clone(), restriction["weight"][0].trained()
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
        layer.weight_format = trained
        if trained.grid is not None:
            layer.hidden_weight = hidden
        with torch.no_grad():
            layer.weight.copy_(trained.project(hidden))


# --- graphs ------------------------------------------------------------------------------------------------------


class _ShapeRecorder(fx.Interpreter):
    def run_node(self, n: fx.Node) -> object:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            n.meta["shape"] = tuple(value.shape)
        return value


def propagate_shapes(model: fx.GraphModule) -> fx.GraphModule:
    """Refresh every node's `meta["shape"]` (batch of one); returns the same model."""
    with torch.no_grad():
        _ShapeRecorder(model).run(torch.zeros(1, *input_shape(model)))
    return model


def input_shape(model: fx.GraphModule) -> tuple[int, int, int]:
    """C x H x W of the images the model takes."""
    shape: tuple[int, int, int] = model.input_shape  # type: ignore[assignment]
    return shape


def clone(model: fx.GraphModule) -> fx.GraphModule:
    """An independent copy; techniques change copies, never what they were given."""
    copied = copy.deepcopy(model)
    copied.input_shape = model.input_shape  # GraphModule's own copying keeps only what it knows
    return copied


def free_name(model: nn.Module, name: str) -> str:
    """`name`, with a number behind it if a layer or tensor has it already."""
    parts = (model.named_modules(), model.named_parameters(), model.named_buffers())
    taken = {taken for part in parts for taken, _ in part}
    candidates = itertools.chain([name], (f"{name}{number}" for number in itertools.count(2)))
    return next(free for free in candidates if free not in taken)


def weighted_layers(model: nn.Module) -> dict[str, WeightedLayer]:
    """All convolutions and linear layers by name, in the order of definition."""
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}


def module_of(model: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The layer that a node calls, if it calls one."""
    return model.get_submodule(str(node.target)) if node.op == "call_module" else None


def before_softmax(model: fx.GraphModule, answer: fx.Node) -> fx.Node:
    """The node whose value are logits: the `answer`, or what goes into it where it is a softmax."""
    is_softmax = isinstance(module_of(model, answer), nn.Softmax | nn.LogSoftmax)
    return answer.all_input_nodes[0] if is_softmax else answer


def ending_in_logits(model: nn.Module) -> nn.Module:
    """The same layers, shared, without a softmax at the end: losses soften logits themselves."""
    if not isinstance(model, fx.GraphModule):
        return model
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    answer = graph.graph_copy(model.graph, copies)
    (end,) = (node for node in model.graph.nodes if node.op == "output")
    logits = before_softmax(model, end.args[0])
    if logits is end.args[0] or not isinstance(answer, fx.Node):
        return model
    graph.output(copies[logits])
    graph.erase_node(answer)
    return fx.GraphModule(model, graph)


def weighted_calls(model: fx.GraphModule) -> list[tuple[fx.Node, WeightedLayer]]:
    """The nodes that call convolutions and linear layers, with these, in the order of the graph."""
    found = ((node, module_of(model, node)) for node in model.graph.nodes)
    return [(node, layer) for node, layer in found if isinstance(layer, WeightedLayer)]


def places_of(node: fx.Node, layer: WeightedLayer) -> int:
    """At how many places of one image the layer that this node calls uses its weights; rows of a linear layer."""
    shape = node.meta["shape"]
    return math.prod(shape[2:]) if isinstance(layer, nn.Conv2d) else int(shape[0])


@dataclass(frozen=True)
class Costs:
    """Counts of one network. `macs` are multiply-accumulates of weighted layers for one image."""

    params: int
    nonzero_params: int
    macs: int
    theoretical_bytes: int


def count_costs(model: fx.GraphModule) -> Costs:
    """Count parameters and operations of a model whose batch norms may or may not be folded yet.

    A layer that the graph calls several times (tied layers) has its parameters once, and its operations each
    time. `theoretical_bytes` is what papers quote: bits a weight x weights that are not zero, the values of
    codebooks at 16 bits (half precision holds nearly all), plus all other parameters at 32 bits; no positions,
    no scales, no header. Ternary weights count as 2 bits, though three levels hold log2(3) = 1.58.
    """
    weighted = weighted_layers(model)
    params = sum(parameter.numel() for parameter in model.parameters())
    weights = sum(layer.weight.numel() for layer in weighted.values())
    nonzero = {name: int(torch.count_nonzero(layer.weight)) for name, layer in weighted.items()}
    bits = sum(weight_format(layer).bits * nonzero[name] for name, layer in weighted.items())
    grids = [weight_format(layer).grid for layer in weighted.values()]
    books = {id(grid.values): grid.values.numel() for grid in grids if isinstance(grid, Codebook)}
    others = params - weights
    bits += 16 * sum(books.values())
    return Costs(params, sum(nonzero.values()) + others, count_macs(model), -(-bits // 8) + 4 * others)


def count_macs(model: fx.GraphModule) -> int:
    """Multiply-accumulates of all weighted layers for one image, each time the graph calls them."""
    return sum(layer.weight.numel() * places_of(node, layer) for node, layer in weighted_calls(model))
