"""What a module does: its operations as torch writes them down, and what can be read of one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental import proxy_tensor

from compression.errors import UnsupportedModel

aten = torch.ops.aten

BATCHES = 2, 3
"""Images that a module is run on, twice: what differs between the two depends on how many there are."""


class Program:
    """The operations that a module carried out on `images`, and inside which of its parts."""

    def __init__(self, module: nn.Module, images: Tensor) -> None:
        self.image_shape = tuple(images.shape[1:])
        self.paths: dict[str, str] = {}
        """Names of the innermost modules by the names of nodes."""
        with self._telling_where(module):
            try:
                self.graph_module = proxy_tensor.make_fx(module, pre_dispatch=True)(images)
            except Exception as error:
                raise UnsupportedModel(f"The network cannot be written down as a graph: {error}") from error
        self.nodes = list(self.graph_module.graph.nodes)

    @contextlib.contextmanager
    def _telling_where(self, module: nn.Module) -> Iterator[None]:
        """Inside, each operation that is written down is noted with the module whose part it is."""
        names, begun = {part: name for name, part in module.named_modules()}, list[int]()

        def nodes() -> Any:  # noqa: ANN401 - torch's list of nodes
            return proxy_tensor.get_proxy_mode().tracer.graph.nodes  # type: ignore[union-attr]

        def enter(part: nn.Module, args: object) -> None:
            begun.append(len(nodes()))

        def leave(part: nn.Module, args: object, answer: object) -> None:
            for node in list(nodes())[begun.pop() :]:
                self.paths.setdefault(node.name, names[part])

        hooks = [part.register_forward_pre_hook(enter) for part in names]
        hooks += [part.register_forward_hook(leave) for part in names]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def in_words(shape: Sequence[object]) -> str:
    """'3 × 28 × 28'."""
    return " × ".join(map(str, shape))


MANY = "N"
"""Stands for a size that depends on the number of images."""


def flat(value: object) -> Iterator[object]:
    """All values in nested arguments."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from flat(part)
    else:
        yield value


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Sizes of what an operation made."""
    return tuple(node.meta["val"].shape)


def is_same(node: fx.Node, twin: fx.Node) -> bool:
    """Whether two operations have the same numbers among their arguments."""
    pairs = (flat((one.args, one.kwargs)) for one in (node, twin))
    return all(a == b for a, b in zip(*pairs, strict=True) if not isinstance(a, fx.Node))


def writes(node: fx.Node) -> bool:
    """Whether an operation changes what it gets."""
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def is_made_here(node: fx.Node) -> bool:
    """Whether an operation writes into numbers that were computed on the way, and are nobody else's."""
    return writes(node) and memory(node.all_input_nodes[0]).op == "call_function"


def in_new_memory(target: Any) -> Any:  # noqa: ANN401 - torch's operations
    """The operation that does the same without changing what it gets; None where there is none."""
    schema = getattr(target, "_schema", None)
    if schema is None or not schema.is_mutable:
        return target
    packet = getattr(aten, schema.name.removeprefix("aten::").removesuffix("_"), None)
    return getattr(packet, schema.overload_name or "default", None)


def memory(node: fx.Node) -> fx.Node:
    """The first of the values that lie in the same memory as this one, or might."""
    schema = getattr(node.target, "_schema", None)
    may_alias = node.target in (aten.reshape.default, aten.flatten.using_ints, aten.contiguous.default)
    is_view = schema is not None and any(found.alias_info is not None for found in schema.returns)
    return memory(node.all_input_nodes[0]) if is_view or may_alias else node


def bound(target: Any, args: Sequence[object], kwargs: Mapping[str, object]) -> tuple[object, dict[str, object]]:  # noqa: ANN401
    """An operation's first argument, and all others by name, those that were not given as its schema has them."""
    first, *others = target._schema.arguments
    settings = {other.name: other.default_value for other in others if other.has_default_value()}
    settings |= dict(zip((other.name for other in others), args[1:], strict=False))
    return args[0] if args else kwargs[first.name], settings | dict(kwargs)


def operation(node: fx.Node) -> str:
    """'conv2d', 'softmax': the operation's name without its variant."""
    name = str(getattr(node.target, "_opname", "") or getattr(node.target, "__name__", node.target))
    return name.split(".", maxsplit=1)[0].lstrip("_")


def source_of(node: fx.Node) -> fx.Node:
    """The first value that an operation reads."""
    return node.all_input_nodes[0]
