"""Which channels depend on each other (after Fang et al., "DepGraph", 2023): labels that follow them through a graph.

Every number of a value has a label. Layers that mix channels (convolutions, linear layers) make new labels; layers that
treat each channel alone pass them on; where two values are added or multiplied their labels become equal. What has
equal labels can only go together. A value's labels are an array of its number of dimensions (for one image), with size
1 along those where they are all the same: (1, C, 1, 1) for a map, (1, 1, C) for tokens, (1, heads, 1, features).
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from compression.engine.network import functions
from compression.engine.network.form import ActivationQuantizer, WeightedLayer, module_of
from compression.engine.primitives.batch_norm import BatchNorm

Array = NDArray[np.int64]

OUT, IN = 0, 1
"""Dimensions of a weight: output channels come first."""

POINTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.Hardsigmoid),
    *(nn.Identity, nn.Dropout, nn.Dropout2d, ActivationQuantizer),
)
"""Layers that do the same to every number."""
_POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Upsample)
ELEMENTWISE = (operator.add, torch.add, operator.mul, torch.mul)

STAYS = 0
"""The label of what can never go: the image's channels, the logits, and what cannot be followed."""


class Slice(NamedTuple):
    """One position in one dimension of a layer's parameters; norms and slopes only have `OUT`.

    `layer` may be a constant of the graph too: its dimensions are counted from behind, -1 is the last.
    """

    layer: str
    dim: int
    position: int


Unit = tuple[Slice, ...]
"""Slices that can only be removed together, sorted."""


class Labels:
    """The labels of all values; equal ones are kept as a union-find forest."""

    def __init__(self, model: fx.GraphModule) -> None:
        self.model = model
        self.parent = [STAYS]
        self.slices: dict[Slice, int] = {}
        self.calls: dict[str, tuple[Array, Array]] = {}
        """The labels on both sides of each layer, to tie a second use of it to the first."""
        self.stuck: list[fx.Node] = []
        """Operations whose channels cannot be followed."""
        self.of: dict[fx.Node, Array] = {}
        for node in model.graph.nodes:
            self.of[node] = self._visit(node)
        for labels in self.of.values():
            self._make_grid(labels)

    def units(self) -> list[Unit]:
        """Slices with equal labels, without those that stay, in the order of their first slice."""
        units: dict[int, list[Slice]] = defaultdict(list)
        for part, label in self.slices.items():
            root = self._root(label)
            if root != self._root(STAYS):
                units[root].append(part)
        return [tuple(sorted(parts)) for parts in units.values()]

    def left(self, units: Iterable[Unit]) -> Callable[[fx.Node], list[NDArray[np.bool_]]]:
        """Which places of each dimension of a value are left without these units: True where all of a place is."""
        gone = {self._root(self.slices[unit[0]]) for unit in units}
        is_gone = np.array([self._root(label) in gone for label in range(len(self.parent))])

        def of(node: fx.Node) -> list[NDArray[np.bool_]]:
            alive = ~is_gone[self.of[node]]
            dims = range(alive.ndim)
            return [
                np.broadcast_to(alive.any(axis=tuple(other for other in dims if other != dim)), size)
                for dim, size in zip(dims, node.meta["shape"], strict=True)
            ]

        return of

    # --- following a value ---------------------------------------------------------------------------------------

    def _visit(self, node: fx.Node) -> Array:
        rank = len(node.meta.get("shape", ()))
        if node.op in ("placeholder", "get_attr"):
            return np.full((1,) * rank, STAYS)
        if node.op == "output":
            for before in node.all_input_nodes:
                self._keep(self.of[before])
            return np.full((1,) * rank, STAYS)
        if node.op == "call_module":
            return self._visit_layer(node)
        rule = _FUNCTIONS.get(node.target, Labels._lost)
        return _thin(rule(self, node, *node.args, **node.kwargs))

    def _lost(self, node: fx.Node, *args: object, **settings: object) -> Array:
        """Nobody knows what an operation does to channels: those that it reads stay."""
        self.stuck.append(node)
        for before in node.all_input_nodes:
            self._keep(self.of[before])
        return np.full((1,) * len(node.meta["shape"]), STAYS)

    def _visit_layer(self, node: fx.Node) -> Array:
        layer, before = module_of(self.model, node), node.all_input_nodes[0]
        rule = next((rule for kinds, rule in _LAYERS if isinstance(layer, kinds)), None)
        return rule(self, node, self.of[before]) if rule else self._lost(node)

    def _pooled(self, node: fx.Node, labels: Array) -> Array:
        return self._mixed(labels, range(2, labels.ndim))

    def _softmax(self, node: fx.Node, labels: Array) -> Array:
        layer: Any = module_of(self.model, node)
        return self._mixed(labels, [layer.dim % labels.ndim])

    def _normed(self, node: fx.Node, labels: Array) -> Array:
        layer: Any = module_of(self.model, node)
        if isinstance(layer, nn.LayerNorm) and len(layer.normalized_shape) != 1:
            return self._keep(labels)
        dim = labels.ndim - 1 if isinstance(layer, nn.LayerNorm) else 1
        self._record(str(node.target), OUT, self._along(labels, dim, node.meta["shape"][dim]))
        return labels

    def _group_normed(self, node: fx.Node, labels: Array) -> Array:
        """Groups go as a whole, or as many channels from each: whatever leaves more of a choice."""
        layer = cast("nn.GroupNorm", module_of(self.model, node))
        channels = self._along(labels, 1, layer.num_channels)
        if layer.num_groups > layer.num_channels // layer.num_groups:
            parts = channels.reshape(layer.num_groups, -1)
            self._unify(parts[:, :1], parts)
        else:
            self._tie_groups(channels, layer.num_groups)
        self._record(str(node.target), OUT, channels)
        return labels

    def _sloped(self, node: fx.Node, labels: Array) -> Array:
        layer = cast("nn.PReLU", module_of(self.model, node))
        if layer.num_parameters > 1:
            self._record(str(node.target), OUT, self._along(labels, 1, layer.num_parameters))
        return labels

    def _weighted(self, node: fx.Node, labels: Array) -> Array:
        name, layer = str(node.target), cast("WeightedLayer", module_of(self.model, node))
        groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
        inputs = self._along(labels, 1, layer.weight.shape[IN] * groups)
        if name in self.calls:  # weights that are used twice
            before, outputs = self.calls[name]
            self._unify(before, inputs)
        else:
            outputs = self._outputs(name, layer, inputs, groups)
            self.calls[name] = inputs, outputs
        self._record(name, OUT, outputs)
        return outputs.reshape(1, -1, *(1,) * (labels.ndim - 2))

    def _outputs(self, name: str, layer: WeightedLayer, inputs: Array, groups: int) -> Array:
        if groups > 1 and groups == len(inputs):  # depthwise: each output belongs to one input
            return np.asarray(inputs.repeat(layer.weight.shape[OUT] // groups))
        self._record(name, IN, self._tie_groups(inputs, groups))
        outputs = self._new(layer.weight.shape[OUT])
        self._tie_groups(outputs, groups)
        return outputs

    def _tie_groups(self, labels: Array, groups: int) -> Array:
        """Channels at the same place of each group go together, so that groups stay equal in size."""
        parts = labels.reshape(groups, -1)
        self._unify(parts[:1], parts)
        first: Array = parts[0]
        return first

    # --- functions -----------------------------------------------------------------------------------------------

    def _elementwise(self, node: fx.Node, *args: object, **settings: object) -> Array:
        """Values become equal, dimension by dimension; one that is spread over many others stays."""
        size = node.meta["shape"]
        values = [before for before in node.all_input_nodes if before.op != "get_attr"]
        arrays = [_lifted(self.of[before], len(size)) for before in values]
        kept = []
        for before, labels in zip(values, arrays, strict=True):
            own = (1,) * (len(size) - len(before.meta["shape"])) + tuple(before.meta["shape"])
            spread = [dim for dim in range(len(size)) if own[dim] == 1 < size[dim]]
            if any(other.shape[dim] > 1 for other in arrays for dim in spread):
                self._keep(labels)
            else:
                kept.append(labels)
        joined = self._joined(kept or arrays)
        for constant in (before for before in node.all_input_nodes if before.op == "get_attr"):
            joined = self._with_constant(constant, joined)
        return joined

    def _with_constant(self, constant: fx.Node, labels: Array) -> Array:
        """A constant is cut along the dimension in which it differs from channel to channel."""
        missing = labels.ndim - len(constant.meta["shape"])
        dims = [dim for dim, size in enumerate(constant.meta["shape"], missing) if size > 1 and labels.shape[dim] > 1]
        if len(dims) > 1:
            return self._keep(labels)
        for dim in dims:
            others = [other for other in range(labels.ndim) if other != dim]
            self._record(str(constant.target), dim - labels.ndim, self._tied(labels, others).reshape(-1))
        return labels

    def _concatenated(self, node: fx.Node, values: Sequence[fx.Node], dim: int = 0) -> Array:
        arrays = [self.of[value] for value in values]
        along = any(labels.shape[dim] > 1 for labels in arrays)
        if not along and any(labels.size > 1 for labels in arrays):  # channels lie in another dimension
            return self._joined(arrays)
        sizes = [value.meta["shape"][dim] for value in values]
        common = np.broadcast_shapes(*((*one.shape[:dim], 1, *one.shape[dim + 1 :]) for one in arrays))
        return np.concatenate(
            [
                np.broadcast_to(labels, (*common[:dim], size, *common[dim + 1 :]))
                for labels, size in zip(arrays, sizes, strict=True)
            ],
            axis=dim,
        )

    def _for_each(self, node: fx.Node, images: fx.Node, x: fx.Node) -> Array:
        """A constant with one dimension of channels gets labels for them."""
        dims = [dim for dim, size in enumerate(x.meta["shape"]) if size > 1]
        if len(dims) != 1:
            return self.of[x]
        labels = self._new(x.meta["shape"][dims[0]])
        self._record(str(x.target), dims[0] - len(x.meta["shape"]), labels)
        return np.expand_dims(labels, [dim for dim in range(len(x.meta["shape"])) if dim != dims[0]])

    def _product(self, node: fx.Node, left: fx.Node, right: fx.Node) -> Array:
        """What is summed over goes from both sides together; with heads beside it, a head as a whole."""
        rank = len(node.meta["shape"])
        one, other = (_lifted(self.of[side], rank) for side in (left, right))
        if one.shape[-1] > 1 or other.shape[-2] > 1:
            pair = np.broadcast_arrays(np.swapaxes(one, -1, -2), other)
            self._unify(*pair)
            one, other = self._summed(one, rank - 1), self._summed(other, rank - 2)
        if one.shape[-2] > 1 and other.shape[-1] > 1:
            self._keep(one)
            one = one[..., :1, :]
        return self._joined([one, other])

    def _reduced(self, node: fx.Node, x: fx.Node, *args: Any) -> Array:  # noqa: ANN401 - the arguments of two functions
        dims, keeps = args[-2:]
        labels = self.of[x]
        for dim in dims:
            if labels.shape[dim] == labels.size:
                self._keep(labels)  # fewer channels have another mean
            labels = self._summed(labels, dim)
        return labels if keeps else labels.reshape([size for at, size in enumerate(labels.shape) if at not in dims])

    def _padded(self, node: fx.Node, x: fx.Node, pads: Sequence[int], *how: object) -> Array:
        """Channels of zeros are as good as others: they go with what they are added to."""
        labels = self.of[x]
        for place in range(len(pads) // 2):
            dim = labels.ndim - 1 - place
            if labels.shape[dim] > 1 and any(pads[2 * place : 2 * place + 2]):
                ends = [
                    np.broadcast_to(
                        _lifted(self._new(count).reshape(-1, *(1,) * place), labels.ndim),
                        (*labels.shape[:dim], count, *labels.shape[dim + 1 :]),
                    )
                    for count in pads[2 * place : 2 * place + 2]
                ]
                labels = np.concatenate([ends[0], labels, ends[1]], axis=dim)
        return labels

    def _part(self, node: fx.Node, x: fx.Node, dim: int, places: slice) -> Array:
        labels = self.of[x]
        if labels.shape[dim] == 1:
            return labels
        if places.step not in (None, 1):
            return self._keep(labels)[(*(slice(None) for _ in range(dim)), slice(0, 1))]
        return labels[(*(slice(None) for _ in range(dim)), places)]

    def _rolled(self, node: fx.Node, x: fx.Node, shifts: object, dims: Sequence[int]) -> Array:
        return self._mixed(self.of[x], dims)

    # --- what all of these are made of ---------------------------------------------------------------------------

    def _joined(self, arrays: Sequence[Array]) -> Array:
        """The labels of values that have become equal."""
        every = np.broadcast_arrays(*arrays)
        for other in every[1:]:
            self._unify(every[0], other)
        return every[0]

    def _mixed(self, labels: Array, dims: Iterable[int]) -> Array:
        """The labels behind something that mixes the places of these dimensions: channels there stay."""
        if all(labels.shape[dim] == 1 for dim in dims):
            return labels
        self._keep(labels)
        return np.full((1,) * labels.ndim, STAYS)

    def _summed(self, labels: Array, dim: int) -> Array:
        """The labels behind a sum over a dimension. With channels in another one too, they go with those."""
        if labels.shape[dim] == labels.size > 1:
            return np.full((1,) * labels.ndim, STAYS)
        return self._tied(labels, [dim])

    def _tied(self, labels: Array, dims: Sequence[int]) -> Array:
        """The labels with size 1 along these dimensions, in which all go together."""
        for dim in dims:
            first = labels[(*(slice(None) for _ in range(dim)), slice(0, 1))]
            if labels.shape[dim] > 1:
                self._unify(np.broadcast_to(first, labels.shape), labels)
            labels = first
        return labels

    def _make_grid(self, labels: Array) -> None:
        """What is left of a value must be whole rows and columns: where it is not, an outer dimension is tied."""
        wide = [dim for dim, size in enumerate(labels.shape) if size > 1]
        while len(wide) > 1:
            labels = _thin(np.vectorize(self._root, otypes=[np.int64])(labels))
            wide = [dim for dim, size in enumerate(labels.shape) if size > 1]
            if len(wide) > 1:
                labels = self._tied(labels, wide[:1])

    def _along(self, labels: Array, dim: int, size: int) -> Array:
        """Labels along one dimension; those that differ in another one too stay."""
        if labels.size != labels.shape[dim]:
            labels = self._keep(labels)
            return np.full(size, STAYS)
        return np.broadcast_to(labels.reshape(-1), size)

    def _record(self, name: str, dim: int, labels: Array) -> None:
        for index, label in enumerate(labels.tolist()):
            known = self.slices.setdefault(Slice(name, dim, index), label)
            self._join(known, label)

    def _new(self, count: int) -> Array:
        labels = np.arange(len(self.parent), len(self.parent) + count)
        self.parent += labels.tolist()
        return labels

    def _keep(self, labels: Array) -> Array:
        for label in np.unique(labels).tolist():
            self._join(STAYS, label)
        return labels

    def _unify(self, left: Array, right: Array) -> None:
        pairs = np.stack([side.reshape(-1) for side in np.broadcast_arrays(left, right)], axis=1)
        for one, other in {(one, other) for one, other in pairs.tolist() if one != other}:
            self._join(one, other)

    def _join(self, one: int, other: int) -> None:
        """The smaller root is the root of both, so that `STAYS` always is one."""
        one, other = sorted((self._root(one), self._root(other)))
        self.parent[other] = one

    def _root(self, label: int) -> int:
        while self.parent[label] != label:
            self.parent[label] = label = self.parent[self.parent[label]]
        return label


def _thin(labels: Array) -> Array:
    """Size 1 along dimensions in which all labels are the same."""
    for dim, size in enumerate(labels.shape):
        first = labels[(*(slice(None) for _ in range(dim)), slice(0, 1))]
        if size > 1 and bool((labels == first).all()):
            labels = first
    return labels


def _lifted(labels: Array, rank: int) -> Array:
    """With as many dimensions, more of them in front."""
    return labels.reshape((1,) * (rank - labels.ndim) + labels.shape)


def _reshaped(labels: Array, before: Sequence[int], after: Sequence[int]) -> Array:
    """The labels of the same numbers with other sizes. Dimensions without labels of their own stay without."""
    old: list[int] = []
    new: list[int] = []
    for from_, to in functions.blocks(before, after):
        shape = labels.shape[len(old) : len(old) + len(from_)]
        has_labels = max(shape, default=1) > 1
        old += from_ if has_labels else shape
        new += to if has_labels else [1] * len(to)
    return np.broadcast_to(labels, old).reshape(new)


def _same(labels: Labels, node: fx.Node, before: Array) -> Array:
    return before


def _flattened(labels: Labels, node: fx.Node, before: Array) -> Array:
    return _reshaped(before, node.all_input_nodes[0].meta["shape"], node.meta["shape"])


def _shuffled(labels: Labels, node: fx.Node, before: Array) -> Array:
    """Neighbouring channels become one."""
    wide, channels = (one.meta["shape"][1] for one in (node.all_input_nodes[0], node))
    parts = np.broadcast_to(labels._along(before, 1, wide).reshape(channels, -1), (channels, wide // channels))
    labels._unify(parts[:, :1], parts)
    return parts[:, 0].reshape(1, -1, 1, 1)


def _unshuffled(labels: Labels, node: fx.Node, before: Array) -> Array:
    """Each channel becomes several neighbours."""
    channels, wide = (one.meta["shape"][1] for one in (node.all_input_nodes[0], node))
    return labels._along(before, 1, channels).repeat(wide // channels).reshape(1, -1, 1, 1)


def _unchanged(labels: Labels, node: fx.Node, x: fx.Node, *others: object) -> Array:
    return _lifted(labels.of[x], len(node.meta["shape"]))


def _turned(labels: Labels, node: fx.Node, x: fx.Node, order: Sequence[int]) -> Array:
    return labels.of[x].transpose(order)


def _resized(labels: Labels, node: fx.Node, x: fx.Node, sizes: object) -> Array:
    return _reshaped(labels.of[x], x.meta["shape"], node.meta["shape"])


_LAYERS: tuple[tuple[Any, Callable[..., Array]], ...] = (
    (POINTWISE, _same),
    (_POOLING, Labels._pooled),
    (nn.GroupNorm, Labels._group_normed),
    (nn.PReLU, Labels._sloped),
    (nn.PixelShuffle, _shuffled),
    (nn.PixelUnshuffle, _unshuffled),
    (nn.Flatten, _flattened),
    (nn.Softmax, Labels._softmax),
    ((BatchNorm, nn.LayerNorm), Labels._normed),
    (WeightedLayer, Labels._weighted),
)
"""What layers do to labels."""

_FUNCTIONS: dict[object, Callable[..., Array]] = {
    **dict.fromkeys((*ELEMENTWISE, operator.truediv), Labels._elementwise),
    functions.for_each: Labels._for_each,
    functions.part: Labels._part,
    functions.spread: _unchanged,
    nn.functional.pad: Labels._padded,
    torch.cat: Labels._concatenated,
    **dict.fromkeys((torch.abs, torch.clamp_min, torch.erf, torch.exp, torch.log), _unchanged),
    **dict.fromkeys((torch.neg, torch.pow, torch.sqrt), _unchanged),
    torch.linalg.vector_norm: Labels._reduced,
    torch.matmul: Labels._product,
    torch.mean: Labels._reduced,
    torch.permute: _turned,
    torch.reshape: _resized,
    torch.roll: Labels._rolled,
}
"""What each function does to labels."""
