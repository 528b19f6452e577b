"""Small networks and hand-made formats, so that tests of files do not depend on the techniques."""

import functools
import operator

import numpy as np
import torch
from torch import fx, nn

from compression.engine.measure.evaluation import open_session, optimized
from compression.engine.network.form import ActivationQuantizer, clone, module_of, restrict, weighted_layers
from compression.engine.network.grids import Affine, Codebook, Half
from compression.engine.network.tracing import trace
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.calibration import quantization_points, sample_activations
from compression.engine.techniques import Context, apply_step
from compression.models.data import Split
from compression.recipe.steps import Step
from compression.watch import SILENT
from sample_models.catalogue import find_model

torch.set_num_threads(1)  # many small tensors: threads would only wait for each other


class Twice(nn.Module):
    """Three layers, of which the second is used twice."""

    def __init__(self, first: nn.Module, shared: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.first, self.shared, self.last = first, shared, last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.shared(torch.relu(self.first(x))))
        return self.last(torch.relu(self.shared(x)))


class Odd(nn.Module):
    """With numbers of its own for each channel, which nobody knows how to follow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.offset = nn.Conv2d(1, 4, 1), nn.Parameter(torch.ones(1, 4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) + self.offset


def network(name: str) -> fx.GraphModule:
    """A sample model with random weights and random batch-norm statistics."""
    return clone(_network(name))


@functools.cache
def _network(name: str) -> fx.GraphModule:
    torch.manual_seed(0)
    entry = find_model(name)
    shape, module = tuple(entry.card["input_shape"]), entry.build()
    with torch.no_grad():
        module.train()(torch.randn(16, *shape))
        for parameter in module.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return trace(module, shape)


def images(model: fx.GraphModule, n: int = 100) -> torch.Tensor:
    return torch.randn(n, *model.input_shape, generator=torch.Generator().manual_seed(1))


def run(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(x)


def grid(weight: torch.Tensor, bits: int, symmetric: bool = True, per_channel: bool = True) -> Affine | Half:
    if bits == 16:
        return Half()
    flat = weight.detach().reshape(len(weight) if per_channel else 1, -1)
    if bits == 1:
        return Affine(1, flat.abs().mean(1), torch.zeros(len(flat), dtype=torch.int32), -1, 1)
    if symmetric:
        high = 2 ** (bits - 1) - 1
        scale = flat.abs().amax(1).clamp(min=1e-8) / high
        return Affine(bits, scale, torch.zeros(len(flat), dtype=torch.int32), -high, high)
    low, top = flat.amin(1).clamp(max=0), flat.amax(1).clamp(min=0)
    scale = ((top - low) / (2**bits - 1)).clamp(min=1e-8)
    return Affine(bits, scale, torch.round(-low / scale).to(torch.int32), 0, 2**bits - 1)


def quantized(model: fx.GraphModule, bits: int, symmetric: bool = True, per_channel: bool = True) -> fx.GraphModule:
    model = fold_batch_norm(model)
    for layer in weighted_layers(model).values():
        restrict(layer, grid=grid(layer.weight, bits, symmetric, per_channel))
    return model


def pruned(model: fx.GraphModule, sparsity: float) -> fx.GraphModule:
    model = fold_batch_norm(model)
    for layer in weighted_layers(model).values():
        size = layer.weight.detach().abs()
        restrict(layer, mask=size > torch.quantile(size.flatten()[:100_000], sparsity))
    return model


def shared(model: fx.GraphModule) -> fx.GraphModule:
    """Each weight is one of four values by chance, zero among them."""
    model, values = fold_batch_norm(model), torch.tensor([-0.2, 0.0, 0.1, 0.5])
    chance = torch.Generator().manual_seed(0)
    for layer in weighted_layers(model).values():
        codes = torch.randint(0, 4, layer.weight.shape, generator=chance).to(torch.uint8)
        restrict(layer, grid=Codebook(values.clone(), codes))
    return model


def with_quantizers(model: fx.GraphModule) -> fx.GraphModule:
    """8-bit activations: a quantizer wherever numbers change, as the quantization technique sets them."""
    model = clone(model)
    recorder = _Ranges(model)
    run(recorder, images(model))
    for node in list(model.graph.nodes):
        if node.op == "output" or isinstance(module_of(model, node), nn.Flatten | nn.MaxPool2d | nn.ReLU | nn.ReLU6):
            continue
        last = _activation_after(model, node) or node
        if node.target is not operator.add and any(user.op == "output" for user in node.users):
            continue
        low, high = recorder.ranges[last.name]
        scale = (high - low) / 255
        name = f"quantizer_{last.name}"
        model.add_submodule(name, ActivationQuantizer(scale, round(-low / scale)))
        with model.graph.inserting_after(last):
            quantizer = model.graph.call_module(name)
        last.replace_all_uses_with(quantizer)
        quantizer.args = (last,)
    model.recompile()
    return model


def _activation_after(model: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    users = list(node.users)
    is_activation = len(users) == 1 and isinstance(module_of(model, users[0]), nn.ReLU | nn.ReLU6)
    return users[0] if is_activation else None


class _Ranges(fx.Interpreter):
    def __init__(self, model: fx.GraphModule) -> None:
        super().__init__(model)
        self.ranges: dict[str, tuple[float, float]] = {}

    def run_node(self, n: fx.Node) -> object:
        value = super().run_node(n)
        self.ranges[n.name] = (min(0.0, value.min().item()), max(0.0, value.max().item()))
        return value

    def eval(self) -> "_Ranges":
        return self

    def __call__(self, x: torch.Tensor) -> object:
        return self.run(x)


def correct(model: nn.Module, split: Split) -> float:
    """Share of a split's images that a model classifies right."""
    with torch.no_grad():
        return float((model(torch.from_numpy(split.x)).argmax(1).numpy() == split.y).mean())


def loss(model: nn.Module, split: Split) -> float:
    """Cross-entropy of a model on a split."""
    with torch.no_grad():
        return nn.functional.cross_entropy(model(torch.from_numpy(split.x)), torch.from_numpy(split.y)).item()


def carried_out(context: Context, *steps: Step) -> fx.GraphModule:
    """What steps make of the trained model, one after the other."""
    model = context.teacher
    for step in steps:
        model = apply_step(model, step, context)
    return model


def pairs_of_layers(one: fx.GraphModule, other: fx.GraphModule) -> list[tuple[nn.Module, nn.Module]]:
    """Layers with weights of two networks that have as many."""
    return list(zip(weighted_layers(one).values(), weighted_layers(other).values(), strict=True))


def samples_of(model: fx.GraphModule, x: torch.Tensor) -> dict[fx.Node, torch.Tensor]:
    """What activations are on images `x`, wherever they would be rounded."""
    return sample_activations(model, quantization_points(model), x, SILENT)


def runtime_logits(content: bytes, x: torch.Tensor) -> np.ndarray:
    """What the runtime answers on images `x` (N x C x H x W), on one thread."""
    session = open_session(optimized(content), 1, optimize=False)
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return found


VARIANTS = {
    "float": lambda name: fold_batch_norm(network(name)),
    "half": lambda name: quantized(network(name), 16),
    "sparse": lambda name: pruned(network(name), 0.9),
    "codes": lambda name: quantized(pruned(network(name), 0.5), 4),
    "unsymmetric": lambda name: quantized(pruned(network(name), 0.5), 8, symmetric=False),
    "integers": lambda name: with_quantizers(quantized(pruned(network(name), 0.5), 4)),
    "shared": lambda name: shared(network(name)),
}
"""A sample model in every form that files know."""
