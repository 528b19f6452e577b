"""The fastest way of computing a training step on this processor, found by a quick test and then kept.

Which way that is depends on the processor and on the network. Images whose channels lie next to each other
("channels last") suit nearly every convolution; bfloat16 is more than twice as fast where the processor has matrix
units for it (AMX), and slower where it only has vector instructions for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from compression import ENGINE_VERSION, atomic, environment
from compression.engine.network.form import ActivationQuantizer, DynamicQuantizer, weighted_layers
from compression.results.machine import machine_id


@dataclass(frozen=True)
class Mode:
    """How a training step is computed on the CPU."""

    channels_last: bool = False
    bfloat16: bool = False

    def images(self, x: Tensor) -> Tensor:
        """The same images (N x C x H x W), laid out for this mode; layers answer in the layout of their input."""
        if not self.channels_last or x.dim() != 4:
            return x
        _, channels, height, width = x.shape
        strides = (channels * height * width, 1, width * channels, channels)  # explicit: one channel fits any layout
        return x.contiguous(memory_format=torch.channels_last).as_strided(x.shape, strides)

    def arithmetic(self) -> torch.autocast:
        """Inside, layers compute in this mode's precision; parameters, their gradients and grids are float32."""
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16)


PLAIN = Mode()
CHANNELS_LAST = Mode(channels_last=True)
BFLOAT16 = Mode(bfloat16=True)
FASTEST = Mode(channels_last=True, bfloat16=True)

ROUNDS = 4
"""Timed steps in each mode, after one to warm up. The shortest counts: whatever else runs only adds."""

FEWEST_STEPS = 20
"""Shorter trainings are plain and unmeasured, always: the test takes about as long as they do."""

LAYOUT_GAIN = 1.05
"""Channels last must be this many times as fast: below lies what such a short test cannot tell."""

PRECISION_GAIN = 1.25
"""bfloat16 must be this many times as fast as the best float32: it rounds, so it has to be worth it. Timings vary by
a tenth or two, and processors with matrix units gain twice as much, others lose: no test comes near this by chance."""

_forced: ContextVar[Mode | None] = ContextVar("forced training mode", default=None)


@contextlib.contextmanager
def always(mode: Mode) -> Iterator[None]:
    """Inside, every training on the CPU is computed in `mode`, whatever is faster: for comparisons."""
    token = _forced.set(mode)
    try:
        yield
    finally:
        _forced.reset(token)


def training_mode(model: nn.Module, x: Tensor, y: Tensor, steps: int) -> Mode:
    """The mode for `steps` training steps of `model` on batches like `x` (N x C x H x W) with labels `y` (N).

    The first training of its kind on a machine is preceded by a test of a second or so. What that chose is kept in
    memory and under `COMPRESSION_HOME`, for all processes and for good: the same recipe on the same machine
    is computed in the same mode, and so gives the same weights, however its timings vary. A kind is the
    layers with their kernels, the number of parameters to a factor of four, the batch's shape, the number of
    threads, processor, and versions of torch and engine: networks of one family that were cut a little more or less
    share one test. The model is left as it was.
    """
    forced = _forced.get()
    if forced is not None:
        return forced
    modes = candidates(model)
    if steps < FEWEST_STEPS or len(modes) == 1:
        return PLAIN
    mode = _remembered(model, x, y, modes)
    return mode if _fits(model, x[:1], mode) else PLAIN


def candidates(model: nn.Module) -> list[Mode]:
    """The modes that make sense, plain first. Rounded activations are float32: bfloat16 would round them again."""
    rounding = any(isinstance(module, ActivationQuantizer | DynamicQuantizer) for module in model.modules())
    layouts = [PLAIN, CHANNELS_LAST] if _kernels(model) else [PLAIN]
    return layouts if rounding else [*layouts, FASTEST if _kernels(model) else BFLOAT16]


def choose(seconds: Mapping[Mode, float]) -> Mode:
    """The mode to take, given the seconds a step takes in each; in doubt the plainer one."""
    precise = {mode: value for mode, value in seconds.items() if not mode.bfloat16}
    best = min(precise, key=precise.__getitem__)
    if precise[best] * LAYOUT_GAIN > precise[PLAIN]:
        best = PLAIN
    rough = min(seconds, key=seconds.__getitem__)
    return rough if seconds[rough] * PRECISION_GAIN <= seconds[best] else best


def _remembered(model: nn.Module, x: Tensor, y: Tensor, modes: Sequence[Mode]) -> Mode:
    """The mode chosen before for networks like this one, or now."""
    kind = _kind(model, x, modes)
    key = hashlib.sha256(json.dumps(kind, sort_keys=True).encode()).hexdigest()[:16]
    path = environment.home() / "training" / f"{key}.json"
    mode = _MEMORY.get(path) or _read(path)
    if mode is None:
        seconds = measure(model, x, y, modes)
        mode = _keep(path, choose(seconds), kind, seconds)
    _MEMORY[path] = mode
    return mode


_MEMORY: dict[Path, Mode] = {}


def _kind(model: nn.Module, x: Tensor, modes: Sequence[Mode]) -> dict[str, object]:
    """All that a choice depends on; see `training_mode`."""
    params = sum(parameter.numel() for parameter in model.parameters())
    return {
        "layers": _kernels(model) or len(weighted_layers(model)),
        "params": 4 ** round(math.log(max(params, 1), 4)),
        "batch": list(x.shape),
        "modes": [asdict(mode) for mode in modes],
        "threads": torch.get_num_threads(),
        "machine": machine_id(),
        "engine": ENGINE_VERSION,
    }


def _kernels(model: nn.Module) -> list[tuple[object, ...]]:
    """Kernel, stride, and whether channels are filtered apart, of each convolution."""
    layers = (layer for layer in weighted_layers(model).values() if isinstance(layer, nn.Conv2d))
    return [(layer.kernel_size, layer.stride, layer.groups > 1) for layer in layers]


def _read(path: Path) -> Mode | None:
    """The mode kept in a file; None where there is none, or none that can be read."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))["mode"]
        return Mode(bool(kept["channels_last"]), bool(kept["bfloat16"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, mode: Mode, kind: dict[str, object], seconds: Mapping[Mode, float]) -> Mode:
    """Write a choice down unless another process was first: then its choice holds.

    Where nothing can be written the choice holds for this process; its results can't be kept there either.
    """
    measured = [{**asdict(one), "seconds": value} for one, value in seconds.items()]
    text = json.dumps({"mode": asdict(mode), "kind": kind, "step_seconds": measured}, indent=1)
    with contextlib.suppress(OSError):
        if _read(path) is None:
            path.unlink(missing_ok=True)  # damaged
        atomic.write_first(path, text.encode())
    return _read(path) or mode


# --- the test ----------------------------------------------------------------------------------------------------


def measure(model: nn.Module, x: Tensor, y: Tensor, modes: Sequence[Mode]) -> dict[Mode, float]:
    """Seconds of forward and backward pass in each mode, the shortest of `ROUNDS`, modes in turn.

    A mode in which the model does not run is left out, unless it is `PLAIN`. Parameters, buffers and random numbers
    are as before; gradients are gone.
    """
    seconds = dict.fromkeys(modes, math.inf)
    with _unchanged(model, training=True):
        for timed in (False, *[True] * ROUNDS):
            for mode in list(seconds):
                try:
                    taken = _step_seconds(model, x, y, mode)
                except RuntimeError:  # for one, a `view` of what is laid out otherwise
                    if mode == PLAIN:
                        raise
                    del seconds[mode]
                    continue
                if timed:
                    seconds[mode] = min(seconds[mode], taken)
    return seconds


def _step_seconds(model: nn.Module, x: Tensor, y: Tensor, mode: Mode) -> float:
    """Processor time where one thread computes, so that other programs hardly count; else wall time."""
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    started = clock()
    model.zero_grad()
    with mode.arithmetic():
        logits = model(mode.images(x))
    functional.cross_entropy(logits.float(), y).backward()  # type: ignore[no-untyped-call]
    return clock() - started


@contextlib.contextmanager
def _unchanged(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Inside, the model is training or not; afterwards that, buffers and the random numbers to come are as before."""
    before, was_training = [(buffer, buffer.clone()) for buffer in model.buffers()], model.training
    try:
        with torch.random.fork_rng(devices=[]):
            model.train(training)
            yield
    finally:
        model.train(was_training)
        model.zero_grad()
        with torch.no_grad():
            for buffer, value in before:
                buffer.copy_(value)


def _fits(model: nn.Module, x: Tensor, mode: Mode) -> bool:
    """Whether the model, which may be another than the tested one of its kind, runs in this mode."""
    if mode == PLAIN:
        return True
    with _unchanged(model, training=False), torch.no_grad(), mode.arithmetic():
        try:
            model(mode.images(x))
        except RuntimeError:
            return False
    return True
