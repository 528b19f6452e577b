"""What the images show about each layer: the products of its inputs, and how much its outputs matter."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx

from compression.network import WeightedLayer, module_of
from compression.primitives.reconstruction import gram_matrix, is_plain

SENSITIVITY_IMAGES = 128
"""Enough for averages of squared gradients that differ by some percent from those of four times as many."""


def layer_grams(
    model: fx.GraphModule, x: Tensor, check_cancelled: Callable[[], None] = lambda: None
) -> dict[str, Tensor]:
    """Mean products of the centred inputs of each weighted layer on images `x` (N x C x H x W), with ridge.

    Groups x features x features, float64; the sum over its calls where a layer is used several times. Layers
    whose inputs cannot be laid out (dilated convolutions) get the identity: every input counts alike.
    """
    watch = _Watch(model, check_cancelled)
    with torch.no_grad():
        watch.run(x)
    return watch.grams


def output_sensitivities(
    model: fx.GraphModule, x: Tensor, seed: int, check_cancelled: Callable[[], None] = lambda: None
) -> dict[str, Tensor]:
    """How much the logits move with each output channel of each weighted layer: name to channels, 0 or more.

    The sum over positions, and the mean over the first images of `x`, of the squared derivative of the logits,
    summed over the logits in expectation: each image's logits are added with random signs (Hutchinson's
    estimator of the Gauss-Newton diagonal). The loss itself would not do: its gradient vanishes in a trained network.
    """
    recorder = _Outputs(model, check_cancelled)
    with torch.enable_grad():
        logits = recorder.run(x[:SENSITIVITY_IMAGES].detach().requires_grad_())
        signs = torch.randint(0, 2, logits.shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
        gradients = torch.autograd.grad((logits * signs).sum(), [value for _, value in recorder.outputs])
    found: dict[str, Tensor] = {}
    for (name, _), gradient in zip(recorder.outputs, gradients, strict=True):
        per_channel = gradient.square().flatten(2).sum(2) if gradient.dim() > 2 else gradient.square()
        found[name] = found.get(name, torch.zeros(())) + per_channel.mean(0)
    return found


class _Watch(fx.Interpreter):
    """Looks at the inputs of each weighted layer as they come by."""

    def __init__(self, model: fx.GraphModule, check_cancelled: Callable[[], None]) -> None:
        super().__init__(model)
        self.model, self.check_cancelled = model, check_cancelled
        self.grams: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> object:
        self.check_cancelled()
        layer, name = module_of(self.model, n), str(n.target)
        if not isinstance(layer, WeightedLayer):
            return super().run_node(n)
        x = self.env[n.all_input_nodes[0]]  # the interpreter forgets it once nobody needs it
        value = super().run_node(n)
        self.grams[name] = self.grams.get(name, torch.zeros(())) + _gram(layer, x, value)
        return value


class _Outputs(fx.Interpreter):
    """Keeps the outputs of all weighted layers, with the name of the layer."""

    def __init__(self, model: fx.GraphModule, check_cancelled: Callable[[], None]) -> None:
        super().__init__(model)
        self.model, self.check_cancelled = model, check_cancelled
        self.outputs: list[tuple[str, Tensor]] = []

    def run_node(self, n: fx.Node) -> object:
        self.check_cancelled()
        value = super().run_node(n)
        if isinstance(module_of(self.model, n), WeightedLayer):
            self.outputs.append((str(n.target), value))
        return value


def _gram(layer: WeightedLayer, x: Tensor, y: Tensor) -> Tensor:
    if is_plain(layer):
        return gram_matrix(layer, x, y)
    return torch.eye(layer.weight[0].numel(), dtype=torch.float64).expand(getattr(layer, "groups", 1), -1, -1)
