"""The one door: any module becomes a graph in the engine's normal form.

torch writes down which operations the module carries out on a few images. Functions, methods and layers look alike
there, and decisions by an image's size have been taken. From that the network is rebuilt of standard layers: nothing
happens in place any more, what nobody reads is gone, dropout and its like are left out, what is computed from
parameters alone is computed here, once, and each parameter stands there once. An operation for which there is no layer
is refused by name, before any work is done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, fx, nn
from torch.nn.parameter import is_lazy

from compression.engine.network.builder import Builder
from compression.engine.network.joining import join_layers
from compression.engine.network.operations import RULES
from compression.engine.network.program import BATCHES, Program, in_words
from compression.errors import UnsupportedModel


def trace(module: nn.Module, input_shape: tuple[int, int, int]) -> fx.GraphModule:
    """Write a module down as a graph (evaluation mode) that shares nothing with it; `input_shape` is C x H x W.

    Layers keep their names; those of functions are called after the module that calls them. Every node's
    `meta["shape"]` then holds its output's shape for a batch of one. Raises `UnsupportedModel` for what the normal form
    has no layer for, naming it, and for a module that cannot be run on such images.
    """
    few, more = (torch.zeros(images, *input_shape) for images in BATCHES)
    with _evaluating(module), torch.no_grad():
        _try(module, few)
        programs = Program(module, few), Program(module, more)
    return join_layers(Builder(module, programs, RULES).build())


@contextlib.contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Inside, the module is in evaluation mode; afterwards its parts are in the mode and state they were in."""
    modes = [(part, part.training) for part in module.modules()]
    states = [(buffer, buffer.clone()) for buffer in module.buffers() if not is_lazy(buffer)]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
        for buffer, state in states:
            buffer.copy_(state)


def _try(module: nn.Module, images: Tensor) -> None:
    """Run the module once, which also gives lazy layers their sizes; raises `UnsupportedModel` unless logits come."""
    try:
        answer = module(images)
    except Exception as error:
        raise UnsupportedModel(
            f"The network cannot be run on images of {in_words(images.shape[1:])}: {error}"
        ) from error
    if not isinstance(answer, Tensor):
        count = f"{len(answer)} values" if isinstance(answer, Sequence) else f"a {type(answer).__name__}"
        raise UnsupportedModel(
            f"The network returns {count}; it must return one tensor of logits. Leave auxiliary outputs out."
        )
