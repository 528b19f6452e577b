"""Answers of inquiries with made-up numbers in real shapes."""

import numpy as np

from compression.inquiries import course as asked
from compression.inquiries.activations import ActivationRange, Activations
from compression.inquiries.anatomy import Anatomy, Arrow, Box, FileAnatomy, LayerRow, NodeTime
from compression.inquiries.layer_tables import LEVELS, Cell, LayerTable, Left, Tables
from compression.inquiries.outcomes import Outcomes
from compression.inquiries.retiming import Retimed, RetimingInquiry
from compression.inquiries.weights import Histogram, LayerWeights, Weights
from tests.support.made_up_results import timing

LAYER = LayerRow(
    name="conv1",
    kind="Conv 5×5",
    shape=(8, 5, 5, 5),
    original="conv1",
    weights=1000,
    parameters=1008,
    nonzero=1000,
    format="float32",
    bits=32,
    levels=0,
    stored_bytes=3500,
    weight_bytes=3400,
    runtime_bytes=4032,
    macs=100_000,
    integer=False,
    ms=0.02,
)


def row(name="conv1", **changes):
    """One layer: 1,000 weights in float."""
    return LAYER.model_copy(update={"name": name, "original": name} | changes)


def file(layers, others=(), rest=None):
    """A file of these layers; `others` are nodes without weights: operator and milliseconds."""
    rest = rest or {"graph": 100, "header": 12, "shared": 0, "others": 0}
    nodes = [NodeTime(operator="Conv", layer=layer.name, ms=layer.ms) for layer in layers]
    nodes += [NodeTime(operator=operator, layer="", ms=ms) for operator, ms in others]
    return FileAnatomy(
        layers=tuple(layers),
        rest=rest,
        nodes=tuple(nodes),
        run_ms=0.05,
        overhead_ms=0.003,
        runs=240,
        stored_bytes=sum(layer.stored_bytes for layer in layers) + sum(rest.values()),
    )


BASELINE = (
    LAYER,
    row(
        "hidden",
        kind="Linear",
        shape=(50, 800),
        weights=40_000,
        parameters=40_050,
        nonzero=40_000,
        stored_bytes=130_000,
        weight_bytes=129_000,
        runtime_bytes=160_200,
        macs=40_000,
        ms=0.01,
    ),
)


def anatomy(layers=BASELINE, others=(), **changes):
    """A network of these layers beside the made-up baseline."""
    boxes = [Box(label="Image"), *(Box(label="ReLU", layer=layer.name) for layer in layers), Box(label="Classes")]
    arrows = [Arrow(source=number, target=number + 1, bits=8 * (number == 1)) for number in range(len(boxes) - 1)]
    made = Anatomy(subject=file(layers, others), baseline=file(BASELINE), boxes=tuple(boxes), arrows=tuple(arrows))
    return made.model_copy(update=changes)


def histogram(levels=(), before=True):
    """Ten bars."""
    return Histogram(
        edges=np.linspace(-1, 1, 11).astype(np.float32),
        before=np.arange(10, dtype=np.int32) if before else np.zeros(0, np.int32),
        after=np.arange(10, dtype=np.int32)[::-1],
        levels=np.array(levels, np.float32),
        zeros_before=0,
        zeros_after=5,
    )


def layer_weights(name="conv1", **changes):
    """A layer of eight outputs and 125 inputs, of which every other one is zero."""
    made = LayerWeights(
        name=name,
        original=name,
        shape=(8, 5, 5, 5),
        original_shape=(8, 5, 5, 5),
        n_zeros=500,
        values=histogram(),
        steps=histogram((-1, 0, 1)),
        zeros=np.full((8, 63), 127, np.uint8),
        cell=(1, 2),
        corner=np.tile([True, False], (8, 16)),
        filters=np.ones((8, 5, 5, 5), np.float16),
        filters_before=np.ones((8, 5, 5, 5), np.float16),
    )
    return made.model_copy(update=changes)


def weights(names=("conv1", "hidden")):
    """All layers."""
    return Weights(layers=tuple(layer_weights(name) for name in names))


def activations(bits=8, dynamic=False):
    """The image and two layers, of which the first is rounded."""
    rows = (
        ActivationRange(name="image", min=-1, low=-0.9, high=0.9, max=1),
        ActivationRange(
            name="conv1", min=0, low=0, high=4, max=9, kept_low=0, kept_high=6, bits=bits, clipped=0.002 * bool(bits)
        ),
        ActivationRange(name="hidden", min=-5, low=-4, high=4, max=5),
    )
    return Activations(n_images=256, subject=rows, baseline=rows, dynamic=dynamic)


def cells(technique, accuracies, size, levels=None, **changes):
    """A layer's cells of one technique: each further one loses more, and takes a little less of `size` bytes."""
    levels = LEVELS[technique] if levels is None else levels
    return tuple(
        Cell(
            technique=technique,
            level=level,
            bytes=size * 0.7 ** (number + 1),
            macs=1000,
            ms=0.01,
            loss=0.001 * 4**number,
            accuracy=accuracy,
            **changes,
        )
        for number, (level, accuracy) in enumerate(zip(levels, accuracies, strict=True))
    )


def tables():
    """`conv1` suffers below four bits and from half of its weights on; `hidden` from two bits on only.

    `conv1` has too few channels for thinner layers.
    """
    conv1 = (
        *cells("quantization", (0.98, 0.98, 0.98, 0.972, 0.90, 0.5, 0.2), 3500),
        *cells("magnitude_pruning", (0.9, 0.8, 0.5, 0.3, 0.1), 3500),
        *cells("weight_sharing", (0.98, 0.98, 0.98, 0.9, 0.8), 3500),
        *cells(
            "channel_pruning",
            (0.97, 0.5),
            133_500,
            (0.25, 0.5),
            left=(Left(layer="conv1", share=0.5, ms=0.01), Left(layer="hidden", share=0.5, ms=0.005)),
        ),
    )
    hidden = (
        *cells("quantization", (0.98, 0.98, 0.98, 0.98, 0.975, 0.96, 0.7), 130_000),
        *cells("magnitude_pruning", (0.98, 0.98, 0.98, 0.975, 0.97), 130_000),
        *cells("weight_sharing", (0.98,) * 5, 130_000),
        *cells("low_rank", (0.98, 0.975, 0.95), 130_000),
    )
    return Tables(
        n_images=500,
        accuracy=0.98,
        layers=(
            LayerTable(name="conv1", weights=1000, bytes=3500, macs=100_000, ms=0.02, cells=conv1),
            LayerTable(name="hidden", weights=40_000, bytes=130_000, macs=40_000, ms=0.01, cells=hidden),
        ),
        other_bytes=112,
        other_ms=0.005,
    )


def _layout():
    names = tuple(f"layer{number}" for number in range(12))
    return asked.Layout(layers=names, weights=np.arange(12, 0, -1) * 1000, macs=np.arange(1, 13) * 10_000, others=580)


def _pruned():
    random = np.random.default_rng(0)
    n = len(asked.SPARSITIES)
    fixed = {"2:4": 0.5, "1:4": 0.75}
    free = ("weights", "blocks", "channels")
    return asked.Pruned(
        weights=random.normal(size=(8, 16)).astype(np.float16),
        gone_at={name: random.integers(0, n + 1, (8, 16)).astype(np.uint8) for name in free}
        | {name: random.integers(0, 2, (8, 16)).astype(np.uint8) for name in fixed},
        zeros={name: np.array(asked.SPARSITIES) for name in free} | {k: np.array([v]) for k, v in fixed.items()},
        errors={name: np.array(asked.SPARSITIES) ** 2 for name in free} | {k: np.array([v]) for k, v in fixed.items()},
    )


def _rounded():
    grids = [f"{scale} {method}" for scale, method in asked.GRIDS]
    sample = np.linspace(-1, 1, 16).astype(np.float32)
    levels = np.full((8, 256), np.nan, np.float32)
    for bits in asked.BITS:
        count = max(2, 2**bits - 1)
        levels[bits - 1, :count] = np.linspace(-1, 1, count)
    rounded = np.stack([row[np.nanargmin(np.abs(sample[:, None] - row), 1)] for row in levels])
    return asked.Rounded(
        counts=np.arange(10),
        edges=np.linspace(-1, 1, 11),
        weights=np.eye(8, dtype=np.float16),
        corners=dict.fromkeys(grids, np.stack([np.eye(8, dtype=np.float16)] * 8)),
        channel=3,
        sample=sample,
        levels=dict.fromkeys(grids, levels),
        rounded=dict.fromkeys(grids, rounded),
        errors=dict.fromkeys(grids, 0.25 ** np.arange(8)),
        ranges=np.array([[-1, 1], [-0.5, 0.25]], np.float32),
    )


def _taught():
    n = asked.TEACHER_PICTURES
    logits = np.random.default_rng(0).normal(size=(n, 10)) * 4
    odds = np.exp(logits / np.array(asked.TEMPERATURES)[:, None, None])
    return asked.Taught(
        images=np.full((n, 1, 8, 8), 7, np.uint8),
        white=16,
        labels=np.arange(n).astype(np.uint8) % 10,
        classes=tuple("0123456789"),
        probabilities=(odds / odds.sum(2, keepdims=True)).astype(np.float32),
        entropy_bits=np.linspace(0.1, 3.3, len(asked.TEMPERATURES)),
        sure=0.95,
    )


def _shared():
    n = len(asked.CLUSTERS)
    values, members = np.full((n, 256), np.nan, np.float32), np.zeros((n, 256), np.int64)
    for at, clusters in enumerate(asked.CLUSTERS):
        values[at, :clusters] = np.linspace(-1, 1, clusters)
        members[at, :clusters] = 25_000 // clusters
    errors = 1 / np.array(asked.CLUSTERS) ** 2.0
    return asked.Shared(
        counts=np.arange(10),
        edges=np.linspace(-1, 1, 11),
        values=values,
        members=members,
        errors=errors,
        even_errors=2 * errors,
        size=25_000,
    )


def _factored():
    errors = np.linspace(1, 0, 51)
    random = np.random.default_rng(0)
    return asked.Factored(
        weights=random.normal(size=(32, 64)).astype(np.float16),
        left=random.normal(size=(32, 50)).astype(np.float16),
        right=random.normal(size=(50, 64)).astype(np.float16),
        errors=errors**3,
        plain_errors=errors,
        shape=(50, 500),
    )


def _split():
    shape = tuple(len(axis) for axis in (asked.KERNELS, asked.CHANNELS, asked.CHANNELS, asked.SIDES))
    ratio = np.full(shape, 0.5)
    ratio[0, 0, 0, 0] = 1.5
    return asked.Split(
        whole_ms=np.full(shape, 0.2),
        split_ms=0.2 * ratio,
        ratio=ratio,
        ratio_low=0.9 * ratio,
        ratio_high=1.1 * ratio,
    )


def _coded():
    shape = (len(asked.CODED_SPARSITIES), len(asked.BITS))
    counts, lengths = np.zeros((*shape, 256), np.int64), np.zeros((*shape, 256), np.int64)
    counts[..., :4], lengths[..., :4] = (10, 40, 25, 25), (3, 1, 3, 2)
    bits = np.broadcast_to(np.arange(1.0, 9), shape)
    return asked.Coded(
        counts=counts,
        lengths=lengths,
        entropy=0.8 * bits,
        huffman=0.85 * bits,
        arithmetic=0.75 * bits,
        plain=bits,
        size=25_000,
    )


def _timed():
    times = np.random.default_rng(0).exponential(0.1, (2, 8, 50)).astype(np.float32) + 0.2
    times[0] -= 0.1
    times[1, 0, 0] = 50
    return asked.Timed(times_ms=times, ratio=0.66, ratio_low=0.6, ratio_high=0.7)


def _outcomes():
    labels = np.arange(1000) % 10
    return Outcomes(probabilities=np.eye(10, dtype=np.float16)[labels], labels=labels.astype(np.uint8))


_MAKERS = {
    "outcomes": _outcomes,
    "anatomy": anatomy,
    "weights": weights,
    "activations": activations,
    "tables": tables,
    "lesson_layout": _layout,
    "lesson_pruning": _pruned,
    "lesson_rounding": _rounded,
    "lesson_teacher": _taught,
    "lesson_sharing": _shared,
    "lesson_factors": _factored,
    "lesson_split": _split,
    "lesson_coding": _coded,
    "lesson_timing": _timed,
}


def answer_to(inquiry):
    """What a fake dispatcher answers."""
    if isinstance(inquiry, RetimingInquiry):
        return Retimed(timing=timing(0.5, at=f"2026-01-0{1 + inquiry.done}T00:00:00"))
    return _MAKERS[inquiry.kind]()
