"""Where activations are quantized, and with which scale and zero point."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, fx, nn

from compression.engine.network.form import ActivationQuantizer, DynamicQuantizer, free_name, module_of
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.execution import Walk
from compression.watch import Watch

CALIBRATION_BATCH = 64
SAMPLES_PER_BATCH = 16384
"""Values of one activation that are looked at for so many images, at most; the extremes are always among them."""

Samples = dict[fx.Node, Tensor]
"""Values that a node took on some images: the two extremes, and up to `SAMPLES_PER_BATCH` for `CALIBRATION_BATCH`."""

BINS = 4096
"""Bins in which those values are counted before scales are tried on them: sixteen for each step of eight bits."""

LEVELS_LOST = 8
"""A part of a concatenation may keep an eighth of its levels on the grid of the whole: five of eight bits."""

_ON_GRID = (nn.MaxPool2d, nn.Flatten, ActivationQuantizer)
"""Layers that only choose among or rearrange their inputs, so quantized inputs give quantized outputs."""


def quantization_points(model: fx.GraphModule) -> list[fx.Node]:
    """The nodes whose output needs a quantizer for integer kernels (Jacob et al., 2018, section 2.4).

    These are the input, every weighted layer, addition and average pooling; a ReLU that is the only one to
    read such a value is computed together with it and quantized instead. Logits stay as they are.
    """
    logits = {node for output in model.graph.nodes if output.op == "output" for node in output.all_input_nodes}
    return [node for node in model.graph.nodes if node not in logits and _needs_quantizer(model, node)]


def linear_inputs(model: fx.GraphModule) -> list[fx.Node]:
    """The nodes whose output linear layers read, where ranges are found for each image."""
    return list({n.all_input_nodes[0]: None for n in model.graph.nodes if isinstance(module_of(model, n), nn.Linear)})


def insert_quantizers(model: fx.GraphModule, samples: Samples, bits: int, watch: Watch) -> None:
    """Put an `ActivationQuantizer`, fitted on samples of its values, behind each of these nodes, in place.

    Not behind a concatenation of parts that are too unlike in size for one scale: each keeps its own, and what reads
    them computes with floats.
    """
    fitted = {}
    for node, values in samples.items():
        watch.check()
        fitted[node] = fit_quantizer(values, bits)
    for number, (node, quantizer) in enumerate(fitted.items()):
        if node.target is not torch.cat or not _is_lopsided(model, node, fitted, samples):
            _insert_after(model, node, f"quantizer_{number}", quantizer, list(node.users))
    model.recompile()


def _is_lopsided(
    model: fx.GraphModule, node: fx.Node, fitted: Mapping[fx.Node, ActivationQuantizer], samples: Samples
) -> bool:
    """Whether a part of a concatenation has a grid much finer than that of the whole; one of zeros needs none."""
    parts = {_source(model, part) for part in node.all_input_nodes} & samples.keys()
    finest = min((fitted[part].scale for part in parts if samples[part].any()), default=math.inf)
    return LEVELS_LOST * finest < fitted[node].scale


def _source(model: fx.GraphModule, node: fx.Node) -> fx.Node:
    """Where the values come from that are only chosen among or rearranged on the way to this node."""
    while isinstance(module_of(model, node), _ON_GRID):
        node = node.all_input_nodes[0]
    return node


def insert_dynamic_quantizers(model: fx.GraphModule, samples: Samples, bits: int) -> None:
    """Put a `DynamicQuantizer` between each of these nodes and the linear layers that read it, in place.

    Its zero point is fitted on samples of the node's values.
    """
    for number, (node, values) in enumerate(samples.items()):
        quantizer = DynamicQuantizer(fit_quantizer(values, bits).zero_point, bits)
        readers = [user for user in node.users if isinstance(module_of(model, user), nn.Linear)]
        _insert_after(model, node, f"quantizer_{number}", quantizer, readers)
    model.recompile()


def fit_quantizer(values: Tensor, bits: int) -> ActivationQuantizer:
    """Scale and zero point with the least squared error on `values` (any shape), unsigned codes."""
    points, counts = _counted(values.flatten())
    grid = fit_affine(points[None], bits, per_channel=False, symmetric=False, method="mse", counts=counts)
    return ActivationQuantizer(grid.scale.item(), int(grid.zero_point.item()), bits)


def _counted(values: Tensor) -> tuple[Tensor, Tensor]:
    """About `BINS` numbers in place of many, and how often each stands for one; the ends and zero are exact.

    The middles of bins are multiples of their width, so that the zeros behind a ReLU stay zeros. What is not finite
    counts as zero: the evaluation says that such a network has diverged.
    """
    values = values.nan_to_num(0.0, 0.0, 0.0)
    low, high = values.aminmax()
    narrowest = values.abs().max() * torch.finfo(torch.float32).eps  # where all values are the same
    width = ((high - low) / BINS).clamp(min=narrowest).clamp(min=torch.finfo(torch.float32).tiny)
    numbers = torch.round(values / width).long()
    first = numbers.min()
    counts = torch.bincount(numbers - first)
    used = counts.nonzero().flatten()
    points = ((used + first) * width).clamp(low, high)
    return points, counts[used].float()


def sample_activations(model: fx.GraphModule, nodes: Sequence[fx.Node], x: Tensor, watch: Watch) -> Samples:
    """Run images `x` (N x C x H x W) through the model, and look at these nodes."""
    sampler = Sampler(nodes)
    with torch.no_grad():
        for batch in torch.split(x, CALIBRATION_BATCH):
            walk = Walk(model, batch, watch, plain=True, images=len(batch))
            for node in walk.nodes():
                sampler.see(node, walk.compute(node))
    return sampler.samples()


class Sampler:
    """Keeps evenly spaced values and the two extremes of some nodes; of the first `images` where that is given."""

    def __init__(self, nodes: Sequence[fx.Node], images: int | None = None) -> None:
        self._parts: dict[fx.Node, list[Tensor]] = {node: [] for node in nodes}
        self._images = images

    def see(self, node: fx.Node, value: Tensor) -> None:
        """Look at the node's value for some images (N x ...), if it is one of those."""
        if node not in self._parts:
            return
        seen = value[: self._images]
        if seen.dim() == 4 and seen.is_contiguous(memory_format=torch.channels_last):
            seen = seen.permute(0, 2, 3, 1)  # as it lies in memory: the order does not matter
        flat = seen.flatten()
        wanted = SAMPLES_PER_BATCH * -(-len(seen) // CALIBRATION_BATCH)
        step = _seeing_all(max(1, len(flat) // wanted), seen[0].numel())
        self._parts[node] += [flat[::step].clone(), torch.stack(flat.aminmax())]

    def samples(self) -> Samples:
        """What was seen, by node."""
        return {node: torch.cat(parts) for node, parts in self._parts.items()}


def _seeing_all(step: int, places: int) -> int:
    """The first step from this one on that comes to every place of an image: others see some columns only."""
    return next(longer for longer in itertools.count(step) if math.gcd(longer, places) == 1)


def _needs_quantizer(model: fx.GraphModule, node: fx.Node) -> bool:
    layer = module_of(model, node)
    if node.op in ("output", "get_attr") or isinstance(layer, _ON_GRID):
        return False
    if isinstance(layer, nn.AvgPool2d) and layer.ceil_mode:
        return False  # the runtime's integer kernel divides windows at the border by the wrong number
    users = list(node.users)
    return not (len(users) == 1 and _is_relu(model, users[0]) and not _is_relu(model, node))


def _is_relu(model: fx.GraphModule, node: fx.Node) -> bool:
    return isinstance(module_of(model, node), nn.ReLU | nn.ReLU6)


def _insert_after(
    model: fx.GraphModule, node: fx.Node, name: str, quantizer: nn.Module, readers: Collection[fx.Node]
) -> None:
    """From now on `readers` read the node's value through the quantizer."""
    name = free_name(model, name)
    model.add_submodule(name, quantizer)
    with model.graph.inserting_after(node):
        new = model.graph.call_module(name, (node,))
    node.replace_all_uses_with(new, delete_user_cb=lambda user: user in readers)
    new.meta["shape"] = node.meta["shape"]
