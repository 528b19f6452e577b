"""Rebuilds a program of layers and functions of the normal form."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, fx, nn

from compression.engine.network.form import free_name, propagate_shapes
from compression.engine.network.program import (
    BATCHES,
    MANY,
    Program,
    bound,
    flat,
    in_new_memory,
    in_words,
    is_made_here,
    is_same,
    memory,
    operation,
    shape_of,
    writes,
)
from compression.errors import UnsupportedModel


def takes_sizes(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Marks the rule of an operation that may be told sizes that depend on the number of images."""
    rule.takes_sizes = True  # type: ignore[attr-defined]
    return rule


class Builder:
    """Rebuilds a program from layers; it was written down twice, with different numbers of images."""

    def __init__(
        self, module: nn.Module, programs: tuple[Program, Program], rules: Mapping[object, Callable[..., Any]]
    ) -> None:
        self.source, (program, other), self.rules = module, programs, rules
        self.other = other
        self.program = program
        if [node.target for node in program.nodes] != [node.target for node in other.nodes]:
            raise UnsupportedModel("The network does other things with other numbers of images.")
        self.twins = dict(zip(program.nodes, other.nodes, strict=True))
        self.model = fx.GraphModule(nn.Module(), fx.Graph())
        self.model.input_shape = program.image_shape  # type: ignore[assignment]
        self.names = {id(tensor): name for name, tensor in (*module.named_buffers(), *module.named_parameters())}
        self.values: dict[fx.Node, Any] = {}
        self.layers: dict[tuple[object, ...], str] = {}
        """Names of layers by what they are made of: one that is called twice has its weights once."""
        self.constants: dict[int, tuple[str, Tensor]] = {}
        """Names of the graph's own tensors by the tensors that they are copies of, which are held on to."""

    def build(self) -> fx.GraphModule:
        """The graph."""
        for node in self.program.nodes:
            if node.op == "placeholder":
                self.values[node] = self.model.graph.placeholder("x")
            elif node.op == "get_attr":
                self.values[node] = self._constant(node)
            elif node.op == "output":
                self._finish(node)
            elif self._is_read(node):
                self.values[node] = self._call(node)
        return propagate_shapes(self.model.eval())  # type: ignore[arg-type]

    def _constant(self, node: fx.Node) -> object:
        """A tensor that the program reads; the same for any number of images."""
        value, twin = (
            operator.attrgetter(str(one.target))(program.graph_module)
            for one, program in ((node, self.program), (self.twins[node], self.other))
        )
        if value is not twin and not (isinstance(twin, Tensor) and value.shape == twin.shape and value.equal(twin)):
            reader = next(iter(node.users), node)
            raise self.refused(reader, "reads numbers whose count depends on the number of images")
        return value

    def _finish(self, node: fx.Node) -> None:
        (answer,) = (self.values[value] for value in node.all_input_nodes)
        if not isinstance(answer, fx.Node) or answer.op == "placeholder":
            raise UnsupportedModel("The network must return logits that depend on its input.")
        sizes = [shape_of(one.all_input_nodes[0]) for one in (node, self.twins[node])]
        if any(shape[0] != images for shape, images in zip(sizes, BATCHES, strict=True)):
            raise UnsupportedModel(
                f"The network must return logits for each image, and not {in_words(sizes[0])} numbers."
            )
        self.model.graph.output(answer)

    def _is_read(self, node: fx.Node) -> bool:
        """Whether anybody looks at what an operation makes; what is written into others is always."""
        return bool(node.users) or writes(node)

    def _call(self, node: fx.Node) -> object:
        args, kwargs = self._known(node.args), self._known(node.kwargs)
        if node.target is operator.getitem:
            return args[0][args[1]]
        target = in_new_memory(node.target)
        rule = self.rules.get(target)
        is_alike = is_same(node, self.twins[node])
        if not is_alike and not getattr(rule, "takes_sizes", False):
            raise self.refused(node, "depends on the number of images")
        is_known = is_alike and not any(isinstance(value, fx.Node) for value in flat((args, kwargs)))
        if is_known and is_made_here(node):
            return node.target(*args, **kwargs)  # type: ignore[operator]
        if is_known and target is not None:
            made = target(*args, **kwargs)
        elif rule is None:
            raise self.refused(node)
        else:
            x, settings = bound(node.target, args, kwargs)
            made = rule(self, node, x, **settings)
        if writes(node):
            self._overwrite(node, made)
        return made

    def _known(self, given: Any) -> Any:  # noqa: ANN401 - arguments are of any kind
        """Arguments with what is known of each value in the place of its node."""
        return fx.node.map_arg(given, self._value)

    def _value(self, node: fx.Node) -> Any:  # noqa: ANN401
        value = self.values[node]
        if id(value) in self.names and value.is_floating_point():
            is_mask = value.isneginf()  # which keeps attention from what it must not see
            if not (value.isfinite() | is_mask).all() or (isinstance(value, nn.Parameter) and is_mask.any()):
                raise UnsupportedModel(f"{self.names[id(value)]} has numbers that are not finite (NaN or infinity).")
        return value

    def _overwrite(self, node: fx.Node, made: object) -> None:
        """From now on everybody who looks at the memory that an operation wrote into sees what it made.

        Others that lie in the same memory without being the same, such as a part of a map, are refused.
        """
        written = node.all_input_nodes[0]
        base, before = memory(written), self.values[written]
        for other, value in list(self.values.items()):
            if memory(other) is base and any(user not in self.values and user is not node for user in other.users):
                if value is not before:
                    raise self.refused(node, "writes into memory that another value lies in")
                self.values[other] = made

    # --- what rules are made of ----------------------------------------------------------------------------------

    def refused(
        self, node: fx.Node, why: str = "has no counterpart among the layers that the engine knows"
    ) -> UnsupportedModel:
        """The error that names an operation and the layer that it comes from."""
        path = self.path(node)
        return UnsupportedModel(f"{operation(node)}{f' in {path!r}' if path else ''} ({node.name}) {why}.")

    def path(self, node: fx.Node) -> str:
        """Of the innermost module that the operation is part of; '' for the network itself."""
        return self.program.paths.get(node.name, "")

    def shape(self, node: fx.Node) -> tuple[object, ...]:
        """Sizes of an operation's result; `MANY` where they depend on the number of images."""
        pairs = zip(shape_of(node), shape_of(self.twins[node]), strict=True)
        return tuple(size if size == other else MANY for size, other in pairs)

    def target(self, node: fx.Node) -> tuple[int, ...]:
        """Sizes to reshape to: -1 is the one that depends on how many images there are."""
        sizes = self.shape(node)
        if sizes.count(MANY) != 1:
            raise self.refused(node, f"has {sizes.count(MANY)} sizes that depend on the number of images, and not one")
        return tuple(-1 if size == MANY else size for size in sizes)  # type: ignore[misc]

    def layer(
        self,
        node: fx.Node,
        make: Callable[[], nn.Module],
        x: object,
        *,
        key: tuple[object, ...] = (),
        called: str = "",
    ) -> fx.Node:
        """A call of a layer on the value `x`; those with the same `key` are the same layer.

        Where a function is meant, it is named after the operation, or as it is `called`.
        """
        if not isinstance(x, fx.Node):
            raise self.refused(node, "works on weights and not on the image")
        name = self.layers.get(key) if key else None
        if name is None:
            name = self._new_name(node, called or operation(node))
            layer = make().eval()
            self.model.add_submodule(name, layer)
            if key:
                self.layers[key] = name
        return self.model.graph.call_module(name, (x,))

    def _new_name(self, node: fx.Node, called: str) -> str:
        """Of the module that does nothing else, or of the operation within its module."""
        path = self.path(node)
        is_layer = bool(path) and next(self.source.get_submodule(path).children(), None) is None
        name = path if is_layer else f"{path}.{called}".lstrip(".")
        return free_name(self.model, name)

    def function(self, node: fx.Node, target: Callable[..., object], *args: Any) -> fx.Node:  # noqa: ANN401 - as torch's
        """A call of a function; tensors among its arguments become constants of the graph."""

        def argument(value: object) -> object:
            if not isinstance(value, Tensor):
                return value
            return value.item() if value.dim() == 0 else self.model.graph.get_attr(self._kept(value, node))

        return self.model.graph.call_function(target, fx.node.map_aggregate(args, argument))  # type: ignore[arg-type]

    def _kept(self, value: Tensor, node: fx.Node) -> str:
        """The name of the graph's copy of a tensor: as in the module if it stands there, else after the operation."""
        if id(value) not in self.constants:
            name = free_name(self.model, self.names.get(id(value), operation(node)).replace(".", "_"))
            copy = value.detach().clone()
            if isinstance(value, nn.Parameter):
                self.model.register_parameter(name, nn.Parameter(copy))
            else:
                self.model.register_buffer(name, copy)
            self.constants[id(value)] = name, value
        return self.constants[id(value)][0]
