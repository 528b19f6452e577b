"""Looking at networks from outside, without the engine's own tools where there is another way."""

import math

import torch
from torch import fx, nn


def weighted(model):
    """Convolutions and linear layers in the order of definition, each once."""
    return list(sites(model).values())


def sites(model):
    """The layers with weights by name."""
    kinds = nn.Conv2d | nn.Linear | nn.ConvTranspose2d
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, kinds)}


def outputs_first(layer):
    """The weight with its output channels along the first axis, the others flattened."""
    weight = layer.weight.detach()
    return (weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight).flatten(1)


def most_values(rows):
    """The most different numbers in one row."""
    return max(len(row.unique()) for row in rows)


def kind_of(model, node):
    return type(model.get_submodule(str(node.target))).__name__ if node.op == "call_module" else ""


def quantizers_of(model):
    """The nodes of rounded activations, each with its layer."""
    nodes = [node for node in model.graph.nodes if kind_of(model, node) == "ActivationQuantizer"]
    return {node: model.get_submodule(str(node.target)) for node in nodes}


def acts_otherwise(layer):
    """Whether a layer does something else in training."""
    kinds = nn.modules.batchnorm._NormBase | nn.modules.dropout._DropoutNd
    return isinstance(layer, kinds) or type(layer).__name__ == "StochasticDepth"


def forward(model, x):
    with torch.no_grad():
        return model(x.clone())


def distance(right, found):
    """The largest difference relative to the largest right number; infinite where shapes or NaNs differ."""
    if right.shape != found.shape or not torch.equal(right.isfinite(), found.isfinite()):
        return math.inf
    right, found = right.nan_to_num(0, 0, 0), found.nan_to_num(0, 0, 0)
    return float((right - found).abs().max() / right.abs().max().clamp(min=1e-30))


def every_value(model, x, replaced=lambda node, value: value):
    """The value of each node, and `logits`; later nodes see what `replaced(node, value)` makes of it."""
    found = {}

    class Watch(fx.Interpreter):
        def run_node(self, n):
            value = super().run_node(n)
            found["logits" if n.op == "output" else n] = value.clone() if isinstance(value, torch.Tensor) else value
            return replaced(n, value)

    with torch.no_grad():
        Watch(model).run(x.clone())
    return found


def count_by_hand(module, shape):
    """Parameters once each, those not zero, and multiply-accumulates by watching the calls."""
    macs = 0

    def look(layer, given, answer):
        nonlocal macs
        places = given[0] if isinstance(layer, nn.ConvTranspose2d) else answer
        macs += layer.weight.numel() * (
            places.numel() // layer.out_features if isinstance(layer, nn.Linear) else math.prod(places.shape[2:])
        )

    handles = [layer.register_forward_hook(look) for layer in weighted(module)]
    forward(module, torch.zeros(1, *shape))
    for handle in handles:
        handle.remove()
    params = sum(parameter.numel() for parameter in module.parameters())
    weights = {id(layer.weight): layer.weight for layer in weighted(module)}.values()
    zeros = sum(int((weight == 0).sum()) for weight in weights)
    return {"params": params, "nonzero_params": params - zeros, "macs": macs}


def fingerprint(module):
    """Parameters, buffers, modes and code."""
    return (
        {name: tensor.detach().clone() for name, tensor in module.state_dict().items()},
        {name: layer.training for name, layer in module.named_modules()},
        getattr(module, "code", ""),
    )


def difference(before, now):
    """What differs between two fingerprints, or nothing."""
    if before[0].keys() != now[0].keys():
        return "names of tensors"
    for name, tensor in before[0].items():
        if not torch.equal(tensor.nan_to_num(-1.0), now[0][name].nan_to_num(-1.0)):
            return name
    return "training" if before[1] != now[1] else "code" if before[2] != now[2] else ""
