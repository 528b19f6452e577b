"""Made-up answers to the lessons' inquiries, of the right shapes, for tests of pages."""

import numpy as np

from compression.inquiries import course as asked


def fabricate_answer(inquiry):
    """The answer to a lesson's inquiry."""
    return _MAKERS[inquiry.kind]()


def _layout():
    names = tuple(f"layer{number}" for number in range(12))
    return asked.Layout(
        layers=names, weights=np.arange(12, 0, -1) * 1000, macs=np.arange(1, 13) * 10_000, others=580
    )  # fmt: skip


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
        counts=np.arange(10), edges=np.linspace(-1, 1, 11), weights=np.eye(8, dtype=np.float16),
        corners=dict.fromkeys(grids, np.stack([np.eye(8, dtype=np.float16)] * 8)), channel=3, sample=sample,
        levels=dict.fromkeys(grids, levels), rounded=dict.fromkeys(grids, rounded),
        errors=dict.fromkeys(grids, 0.25 ** np.arange(8)), ranges=np.array([[-1, 1], [-0.5, 0.25]], np.float32),
    )  # fmt: skip


def _taught():
    n = asked.TEACHER_PICTURES
    logits = np.random.default_rng(0).normal(size=(n, 10)) * 4
    odds = np.exp(logits / np.array(asked.TEMPERATURES)[:, None, None])
    return asked.Taught(
        images=np.full((n, 1, 8, 8), 7, np.uint8), white=16, labels=np.arange(n).astype(np.uint8) % 10,
        classes=tuple("0123456789"), probabilities=(odds / odds.sum(2, keepdims=True)).astype(np.float32),
        entropy_bits=np.linspace(0.1, 3.3, len(asked.TEMPERATURES)), sure=0.95,
    )  # fmt: skip


def _shared():
    n = len(asked.CLUSTERS)
    values, members = np.full((n, 256), np.nan, np.float32), np.zeros((n, 256), np.int64)
    for at, clusters in enumerate(asked.CLUSTERS):
        values[at, :clusters] = np.linspace(-1, 1, clusters)
        members[at, :clusters] = 25_000 // clusters
    errors = 1 / np.array(asked.CLUSTERS) ** 2.0
    return asked.Shared(
        counts=np.arange(10), edges=np.linspace(-1, 1, 11), values=values, members=members,
        errors=errors, even_errors=2 * errors, size=25_000,
    )  # fmt: skip


def _factored():
    errors = np.linspace(1, 0, 51)
    random = np.random.default_rng(0)
    return asked.Factored(
        weights=random.normal(size=(32, 64)).astype(np.float16),
        left=random.normal(size=(32, 50)).astype(np.float16), right=random.normal(size=(50, 64)).astype(np.float16),
        errors=errors**3, plain_errors=errors, shape=(50, 500),
    )  # fmt: skip


def _split():
    shape = tuple(len(axis) for axis in (asked.KERNELS, asked.CHANNELS, asked.CHANNELS, asked.SIDES))
    ratio = np.full(shape, 0.5)
    ratio[0, 0, 0, 0] = 1.5
    return asked.Split(
        whole_ms=np.full(shape, 0.2), split_ms=0.2 * ratio, ratio=ratio,
        ratio_low=0.9 * ratio, ratio_high=1.1 * ratio,
    )  # fmt: skip


def _coded():
    shape = (len(asked.CODED_SPARSITIES), len(asked.BITS))
    counts, lengths = np.zeros((*shape, 256), np.int64), np.zeros((*shape, 256), np.int64)
    counts[..., :4], lengths[..., :4] = (10, 40, 25, 25), (3, 1, 3, 2)
    bits = np.broadcast_to(np.arange(1.0, 9), shape)
    return asked.Coded(
        counts=counts, lengths=lengths, entropy=0.8 * bits, huffman=0.85 * bits, arithmetic=0.75 * bits,
        plain=bits, size=25_000,
    )  # fmt: skip


def _timed():
    times = np.random.default_rng(0).exponential(0.1, (2, 8, 50)).astype(np.float32) + 0.2
    times[0] -= 0.1
    times[1, 0, 0] = 50
    return asked.Timed(times_ms=times, ratio=0.66, ratio_low=0.6, ratio_high=0.7)


_MAKERS = {
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
