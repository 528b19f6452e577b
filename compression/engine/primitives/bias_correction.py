"""Biases that make up for what rounding does to a layer's average answer."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from compression.engine.network.form import WeightedLayer, clone, module_of
from compression.engine.primitives.batch_norm import BatchNorm, call_count, measure_statistics
from compression.engine.primitives.execution import Call, show_calls
from compression.engine.primitives.layer_outputs import channel_means
from compression.watch import SILENT, Watch


def correct_biases(
    original: fx.GraphModule, changed: fx.GraphModule, x: Tensor, watch: Watch = SILENT
) -> fx.GraphModule:
    """`changed`, or a copy with biases so that layers answer the same on average (Nagel et al., 2019).

    Of the two the one that gives more of the images `x` (N x C x H x W) the class that `original` gives them.
    Both have the same graph. Each bias knows of those corrected before it; layers that are used several times
    keep theirs. Batch norms that are left between layers get the statistics of `x`.
    """
    corrected = clone(changed)
    averages: dict[str, Tensor] = {}

    def keep_average(call: Call) -> None:
        averages[call.name] = channel_means(call.y)

    with torch.no_grad():
        expected = show_calls(original, x, keep_average, watch).argmax(1)
        found = _Correction(corrected, averages, watch).run(x).argmax(1)
        before = show_calls(changed, x, lambda call: None, watch).argmax(1)
    return corrected if (found == expected).sum() >= (before == expected).sum() else changed


class _Correction(fx.Interpreter):
    """Runs the network and, as it goes, gives each layer the bias with which its mean answer is as given."""

    def __init__(self, model: fx.GraphModule, averages: dict[str, Tensor], watch: Watch) -> None:
        super().__init__(model)
        self._model, self._averages, self._watch = model, averages, watch

    def run_node(self, n: fx.Node) -> object:
        """Compute one node; correct a layer, and what it has just answered, in place."""
        self._watch.check()
        layer = module_of(self._model, n)
        if isinstance(layer, BatchNorm) and call_count(self._model, n) == 1:
            measure_statistics(layer, self.env[n.all_input_nodes[0]])
        value = super().run_node(n)
        if isinstance(layer, WeightedLayer) and layer.bias is not None and call_count(self._model, n) == 1:
            error = self._averages[str(n.target)] - channel_means(value)
            layer.bias.add_(error)
            value.add_(error.reshape(-1, *[1] * (value.dim() - 2)))
        return value
