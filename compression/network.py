"""The engine's inner form of a model: a `torch.fx.GraphModule` over standard layers.

A graph of standard layers (`nn.Conv2d`, `nn.Linear`, `nn.BatchNorm2d`, ...) runs and trains like any torch
module, while its graph tells which channels depend on which, where batch norm can be folded and how to
write the network as ONNX. Two things are added for compression:

* a layer may carry a `WeightFormat` (attribute `weight_format`): the grid its weights lie on and the
  positions that stay zero. The layer's weights always *are* on the grid already.
* an `ActivationQuantizer` may stand between two nodes.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

WeightedLayer = nn.Conv2d | nn.Linear


@dataclass(frozen=True)
class Affine:
    """Integer codes with a scale: weight = (code - zero_point) * scale (Jacob et al., 2018).

    `scale` (float32) and `zero_point` (int32) have one value per output channel, or one for all. With
    `bits == 1` the codes are -1 and +1 (Rastegari et al., 2016); otherwise `low <= code <= high`.
    """

    bits: int
    scale: Tensor
    zero_point: Tensor
    low: int
    high: int

    def quantize(self, weight: Tensor) -> Tensor:
        """Codes of `weight` (out x ...), int32, nearest."""
        if self.bits == 1:
            return torch.where(weight < 0, -1, 1).to(torch.int32)
        scale, zero_point = self._broadcast(weight)
        codes = torch.round(weight / scale) + zero_point
        return codes.clamp(self.low, self.high).to(torch.int32)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Weights of `codes` (out x ...), float32: what the runtime computes, bit for bit."""
        scale, zero_point = self._broadcast(codes)
        return (codes - zero_point).to(torch.float32) * scale

    def project(self, weight: Tensor) -> Tensor:
        """The nearest weights on the grid."""
        return self.dequantize(self.quantize(weight))

    def _broadcast(self, like: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1,) + (1,) * (like.dim() - 1)
        return self.scale.reshape(shape), self.zero_point.reshape(shape)


@dataclass(frozen=True)
class Half:
    """IEEE half precision, 16 bits a weight."""

    bits: int = 16

    def project(self, weight: Tensor) -> Tensor:
        """The nearest half-precision values, as float32; values beyond its range are clipped to it."""
        limit = torch.finfo(torch.float16).max
        return weight.clamp(-limit, limit).to(torch.float16).to(torch.float32)


@dataclass(frozen=True)
class WeightFormat:
    """What a layer's weight is restricted to. `mask` is True where the weight may differ from zero."""

    grid: Affine | Half | None = None
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


class ActivationQuantizer(nn.Module):
    """Rounds activations to `2**bits` levels: quantize and dequantize with a fixed scale and zero point.

    In training the gradient passes straight through inside the range (Bengio et al., 2013).
    """

    def __init__(self, scale: float, zero_point: int, bits: int = 8) -> None:
        super().__init__()
        self.scale, self.zero_point, self.bits = scale, zero_point, bits

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; float in, float out."""
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero_point, 0, 2**self.bits - 1)


class _StraightThrough(torch.autograd.Function):
    """Forward: the projected weight. Backward: the gradient as if there were no rounding."""

    @staticmethod
    def forward(ctx: object, weight: Tensor, projected: Tensor) -> Tensor:
        return projected.clone()

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


class _Restriction(nn.Module):
    def __init__(self, restriction: WeightFormat) -> None:
        super().__init__()
        self.restriction = restriction

    def forward(self, weight: Tensor) -> Tensor:
        projected: Tensor = _StraightThrough.apply(weight, self.restriction.project(weight.detach()))  # type: ignore[no-untyped-call]
        return projected


@contextlib.contextmanager
def restricted(model: nn.Module) -> Iterator[None]:
    """While training inside this context every layer keeps its format: masks, codes and grids hold.

    Gradients move hidden float weights (a straight-through estimator); each forward pass sees their
    projection, and on leaving the layers hold that projection again as plain parameters. The hidden
    weights start as what was there before quantization: from the middle of its code a weight would rarely
    get as far as the next one.
    """
    layers = [layer for layer in weighted_layers(model).values() if weight_format(layer) != WeightFormat()]
    for layer in layers:
        with torch.no_grad():
            layer.weight.copy_(getattr(layer, "hidden_weight", layer.weight))
        parametrize.register_parametrization(layer, "weight", _Restriction(weight_format(layer)), unsafe=True)
    try:
        yield
    finally:
        for layer in layers:
            parametrizations = layer.parametrizations
            assert isinstance(parametrizations, nn.ModuleDict)
            if weight_format(layer).grid is not None:
                layer.hidden_weight = parametrizations["weight"].original.detach().clone()  # type: ignore[operator, union-attr, assignment]
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def trace(module: nn.Module, input_shape: tuple[int, int, int]) -> fx.GraphModule:
    """Write a module down as a graph (evaluation mode); `input_shape` is C x H x W.

    Every node's `meta["shape"]` then holds its output's shape for a batch of one.
    """
    graph_module = fx.symbolic_trace(module.eval())
    for node in list(graph_module.graph.nodes):
        if node.op == "call_module" and isinstance(graph_module.get_submodule(node.target), nn.Identity | nn.Dropout):
            node.replace_all_uses_with(node.args[0])
            graph_module.graph.erase_node(node)
    graph_module.delete_all_unused_submodules()
    graph_module.recompile()
    graph_module.input_shape = input_shape  # type: ignore[assignment]
    return propagate_shapes(graph_module)


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


def weighted_layers(model: nn.Module) -> dict[str, WeightedLayer]:
    """All convolutions and linear layers by name, in the order of definition."""
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}


def module_of(model: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The layer that a node calls, if it calls one."""
    return model.get_submodule(str(node.target)) if node.op == "call_module" else None


@dataclass(frozen=True)
class Costs:
    """Counts of one network. `macs` are multiply-accumulates of weighted layers for one image."""

    params: int
    nonzero_params: int
    macs: int
    theoretical_bytes: int


def count_costs(model: fx.GraphModule) -> Costs:
    """Count parameters and operations of a model whose batch norms may or may not be folded yet.

    `theoretical_bytes` is what papers quote: bits a weight x weights that are not zero, plus all other
    parameters at 32 bits; no positions, no scales, no header.
    """
    weighted = weighted_layers(model)
    params = sum(parameter.numel() for parameter in model.parameters())
    weights = sum(layer.weight.numel() for layer in weighted.values())
    nonzero = {name: int(torch.count_nonzero(layer.weight)) for name, layer in weighted.items()}
    bits = sum(weight_format(layer).bits * nonzero[name] for name, layer in weighted.items())
    macs = 0
    for node in model.graph.nodes:
        layer = module_of(model, node)
        if isinstance(layer, nn.Conv2d):
            macs += layer.weight.numel() * node.meta["shape"][-1] * node.meta["shape"][-2]
        elif isinstance(layer, nn.Linear):
            macs += layer.weight.numel()
    others = params - weights
    return Costs(params, sum(nonzero.values()) + others, macs, -(-bits // 8) + 4 * others)
