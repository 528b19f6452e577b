"""How much a weight or a channel matters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, fx, nn

from compression.engine.network.form import WeightedLayer
from compression.engine.primitives.batch_norm import BatchNorm
from compression.engine.primitives.channel_labels import OUT, Unit

Importance = Literal["l1", "l2", "batch_norm", "random"]


def keep_largest(score: Tensor, count: int) -> Tensor:
    """True at the `count` largest scores, any shape; of equal scores the one further on is kept."""
    order = torch.argsort(score.flatten(), stable=True)
    mask = torch.ones(score.numel(), dtype=torch.bool)
    mask[order[: score.numel() - count]] = False
    return mask.reshape(score.shape)


def unit_importance(model: fx.GraphModule, units: Sequence[Unit], kind: Importance, seed: int) -> Tensor:
    """How much each unit of one group matters, shape (units,); higher is more, and 1 is the group's average.

    `l1` and `l2` are norms of the filters that produce the unit's channels (Li et al., 2017), `batch_norm`
    is the magnitude of its batch-norm scales (Liu et al., 2017) and falls back to `l2` where a group has
    no batch norm; `random` draws from `seed`. Where several layers produce a unit, each layer's scores
    are divided by their mean and then averaged, so that no layer drowns the others.
    """
    if kind == "random":
        return torch.rand(len(units), generator=torch.Generator().manual_seed(seed))
    names = sorted({part.layer for part in units[0] if part.dim == OUT})
    layers = {name: model.get_submodule(name) for name in names}
    norms = {name: _scale(layer) for name, layer in layers.items() if isinstance(layer, BatchNorm) and layer.affine}
    filters = {name: _filter_norm(layer, kind) for name, layer in layers.items() if isinstance(layer, WeightedLayer)}
    scores = norms if kind == "batch_norm" and norms else filters
    return torch.stack([_unit_scores(units, name, score) for name, score in scores.items()]).mean(0)


def least_of(units: Sequence[Unit], importance: Tensor, count: int) -> list[Unit]:
    """All units but the `count` with the largest importance (one number a unit), in their order."""
    keep = keep_largest(importance, count)
    return [unit for unit, stays in zip(units, keep.tolist(), strict=True) if not stays]


def _unit_scores(units: Sequence[Unit], name: str, score: Tensor) -> Tensor:
    """Mean score of each unit's channels in one layer, relative to the layer's mean."""
    relative = score / score.mean().clamp(min=torch.finfo(score.dtype).tiny)
    indices = [[part.position for part in unit if part.layer == name and part.dim == OUT] for unit in units]
    return relative[torch.tensor(indices)].mean(1)


def _filter_norm(layer: WeightedLayer, kind: Importance) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(layer.weight.detach().flatten(1), ord=1 if kind == "l1" else 2, dim=1)
    return norm


def _scale(norm: nn.Module) -> Tensor:
    assert isinstance(norm, BatchNorm)
    return norm.weight.detach().abs()
