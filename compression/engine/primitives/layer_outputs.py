"""What the layers of a network answer on some images: the target of every fit without training.

One network is compressed in many ways, so its answers are remembered by the contents of network and images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, fx, nn

from compression.engine.byte_cache import ByteCache
from compression.engine.network.form import weighted_calls
from compression.engine.primitives.execution import Call, Walk
from compression.engine.primitives.moments import output_rows
from compression.watch import Watch

ROOM = 96 << 20
"""Bytes of answers to remember: those of one sample model take 10 to 80 MiB."""


@dataclass(frozen=True)
class Answers:
    """What a layer gave for the first `images`: at drawn positions (rows x outputs), and on average (outputs)."""

    rows: Tensor
    mean: Tensor
    images: int

    def of_channels(self, kept: Tensor) -> Answers:
        """Those of some outputs (indices)."""
        return Answers(self.rows[:, kept], self.mean[kept], self.images)


Named = tuple[str, Answers]
"""The layer's name, and what it answered."""

_remembered: ByteCache[list[Named]] = ByteCache(ROOM)


def answers_of(call: Call) -> Answers:
    """What a fit needs of a layer's output."""
    return Answers(output_rows(call.layer, call.y), channel_means(call.y), len(call.y))


def channel_means(y: Tensor) -> Tensor:
    """Of N x C x ..., shape C."""
    return y.mean([dim for dim in range(y.dim()) if dim != 1])


def answers_in_turn(model: fx.GraphModule, x: Tensor, watch: Watch) -> Iterator[Named]:
    """The answers at each call of a weighted layer on images `x` (N x C x H x W), in the order of the calls.

    From memory, or by running the network as far as whoever asks goes on; those of a large network are not
    held all at once. Nobody may change them.
    """
    key = _fingerprint(model, x)
    known = _remembered.get(key)
    if known is not None:
        yield from known
        return
    found: list[Named] = []
    size, calls = 0, len(weighted_calls(model))
    for call in Walk(model, x, watch).calls():
        named = call.name, answers_of(call)
        size += named[1].rows.nbytes
        if size <= ROOM:
            found.append(named)
        else:
            found.clear()
        if len(found) == calls:  # now, as nobody asks for more than there is
            _remembered.put(key, found, size)
        yield named


def _fingerprint(model: fx.GraphModule, x: Tensor) -> bytes:
    """Of everything that answers depend on: the graph, each layer's settings, and all numbers."""
    layers = [(type(layer).__name__, _settings(layer)) for layer in model.modules()]
    digest = hashlib.blake2b(repr([model.code, layers]).encode())
    for tensor in (x, *model.state_dict().values()):
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.digest()


def _settings(layer: nn.Module) -> list[tuple[str, object]]:
    """Strides, scales and the like; not what `code` or `state_dict` say."""
    return [(name, value) for name, value in vars(layer).items() if isinstance(value, bool | int | float | str | tuple)]
