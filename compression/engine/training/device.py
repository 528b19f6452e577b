"""Where networks train, and how they get there and back: their formats and their teachers go with them."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from compression.engine.network.form import weighted_layers

CPU = torch.device("cpu")

COMPLETE = ("cuda", "xpu")
"""Kinds of accelerators with every operation that training here needs; Apple's, for one, has no fake quantization."""


def training_device() -> torch.device:
    """The machine's accelerator, or the CPU where there is none or one that lacks operations."""
    found = torch.accelerator.current_accelerator(check_available=True)
    return found if found is not None and found.type in COMPLETE else CPU


@contextlib.contextmanager
def resident(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Inside, `model` is on `device`; afterwards it is on the CPU again, whatever happened."""
    if device == CPU:
        yield
        return
    try:
        move(model, device)
        yield
    finally:
        move(model, CPU)


def move(model: nn.Module, device: torch.device) -> None:
    """Move parameters, buffers, and what each layer's weights are restricted to, in place.

    Layers that share a codebook share it afterwards.
    """
    model.to(device)
    moved: dict[int, tuple[Tensor, Tensor]] = {}
    for layer in weighted_layers(model).values():
        for name in ("weight_format", "hidden_weight"):
            if hasattr(layer, name):
                setattr(layer, name, _moved(getattr(layer, name), device, moved))


def _moved(value: object, device: torch.device, known: dict[int, tuple[Tensor, Tensor]]) -> object:
    """The same tensor, or record of tensors, on `device`; a tensor that is met twice is moved once.

    `known` holds each tensor with the moved one, so that none goes whose identity is the key.
    """
    if isinstance(value, Tensor):
        return known.setdefault(id(value), (value, value.to(device)))[1]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **{name: _moved(part, device, known) for name, part in fields.items()})
    return value


def following(network: nn.Module) -> Callable[[Tensor], Any]:
    """`network` as a function of images on any device; a copy is made for each, and the network stays where it is."""

    @functools.cache
    def on(device: torch.device) -> nn.Module:
        if device == CPU:
            return network
        copied = copy.deepcopy(network)
        move(copied, device)
        return copied

    return lambda x: on(x.device)(x)
