"""On tables that are made up: what is best is known, or found by trying everything."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.inquiries.layer_tables import Both, Cell, LayerTable, Left, Tables
from compression.knapsack import GAP
from compression.search.allocation import (
    PRICES,
    Allocation,
    Limits,
    accuracy_at,
    allocate,
    frontier,
    original,
    recipe_of,
    steps_of,
)

LOSSES = st.floats(1e-4, 1.0)


def cell(technique, level, size, loss, ms=1.0, accuracy=None, left=(), macs=100.0):
    return Cell(
        technique=technique,
        level=level,
        bytes=size,
        macs=macs,
        ms=ms,
        loss=loss,
        accuracy=0.9 - 0.4 * min(1, loss) if accuracy is None else accuracy,
        left=left,
    )


def layer(name, losses, size=1000.0):
    """Two numbers of bits, two of zeros, and both together."""
    fine, coarse, few, many = losses
    sizes = {("quantization", 8.0): 0.25, ("quantization", 2.0): 0.07}
    return LayerTable(
        name=name,
        weights=250,
        bytes=size,
        macs=100.0,
        ms=1.0,
        cells=(
            cell("quantization", 8, 0.25 * size, fine),
            cell("quantization", 2, 0.07 * size, coarse),
            cell("magnitude_pruning", 0.5, 0.6 * size, few),
            cell("magnitude_pruning", 0.9, 0.15 * size, many),
        ),
        both=tuple(
            Both(zeros=zeros, technique=technique, level=level, bytes=share * left * size)
            for zeros, left in ((0.5, 0.7), (0.9, 0.3))
            for (technique, level), share in sizes.items()
        ),
    )


def tables(layers):
    return Tables(n_images=100, accuracy=0.9, layers=tuple(layers), other_bytes=50.0, other_ms=0.5)


@given(st.lists(st.tuples(LOSSES, LOSSES, LOSSES, LOSSES), min_size=1, max_size=3), st.floats(0.02, 1))
@settings(max_examples=60, deadline=None)
def test_no_levels_within_the_limit_lose_less(losses, share):
    known = tables(layer(f"layer{number}", some) for number, some in enumerate(losses))
    limit = 50 + share * 1000 * len(losses)
    ways = []
    for one in known.layers:
        bits, zeros = one.of("quantization"), one.of("magnitude_pruning")
        coded = [(cell.loss, cell.bytes) for cell in bits]
        for both in one.both:
            (zero,) = (cell for cell in zeros if cell.level == both.zeros)
            (few,) = (cell for cell in bits if cell.level == both.level)
            coded.append((zero.loss + few.loss, both.bytes))
        ways.append((coded, [(0.0, one.bytes), *((cell.loss, cell.bytes) for cell in zeros)]))
    every = [
        (sum(loss for loss, _ in choice), 50 + sum(size for _, size in choice))
        for kind in (0, 1)  # codes everywhere, or nowhere
        for choice in itertools.product(*(way[kind] for way in ways))
    ]
    allowed = [loss for loss, size in every if size <= limit]
    found = allocate(known, Limits(bytes=limit))
    assert (found is None) == (not allowed)
    if found:
        assert found.bytes <= limit * (1 + 1e-6)
        assert found.loss <= min(allowed) * (1 + GAP) + 1e-9
        steps = {technique: dict(levels) for technique, levels in found.levels.items()}
        assert set(steps) <= {"quantization", "magnitude_pruning"}


def test_codes_are_for_all_layers_or_none():
    known = tables([layer("a", (0.1, 0.2, 0.3, 0.4)), layer("b", (0.1, 0.2, 0.3, 0.4))])
    found = allocate(known, Limits(bytes=800))
    assert found.levels["quantization"].keys() == {"a", "b"}
    assert allocate(known, Limits()).levels == {}
    assert allocate(known, Limits(bytes=60)) is None


NARROW = LayerTable(
    name="first",
    weights=250,
    bytes=1000.0,
    macs=100.0,
    ms=1.0,
    cells=(
        cell("quantization", 8, 250, 0.0),
        cell(
            "channel_pruning",
            0.5,
            1500,
            0.05,
            ms=1.0,
            macs=100,
            left=(Left(layer="first", share=0.5, ms=0.4), Left(layer="second", share=0.5, ms=0.6)),
        ),
    ),
)
SECOND = LayerTable(
    name="second",
    weights=500,
    bytes=2000.0,
    macs=100.0,
    ms=1.0,
    cells=(cell("quantization", 8, 500, 0.0), cell("low_rank", 0.5, 1000, 0.02, ms=0.9, macs=50.0)),
)


class TestChannels:
    def test_go_only_where_nothing_cheaper_keeps_the_limits(self):
        known = tables([NARROW, SECOND])
        assert "channel_pruning" not in allocate(known, Limits(bytes=900)).levels
        found = allocate(known, Limits(bytes=450))
        assert found.levels["channel_pruning"] == {"first": 0.5}
        assert found.bytes == pytest.approx(50 + (250 + 500) / 2)
        assert found.loss == pytest.approx(0.05)

    def test_make_all_layers_that_they_run_through_faster(self):
        found = allocate(tables([NARROW, SECOND]), Limits(ms=1.6))
        assert found.levels["channel_pruning"] == {"first": 0.5}
        assert found.ms == pytest.approx(0.5 + 0.4 + 0.6)

    def test_ranks_save_operations_at_less_loss(self):
        found = allocate(tables([NARROW, SECOND]), Limits(macs=150))
        assert found.levels["low_rank"] == {"second": 0.5}
        assert "channel_pruning" not in found.levels
        assert found.macs == 150
        assert found.loss == pytest.approx(0.02)


def test_several_limits_hold_at_once():
    found = allocate(tables([NARROW, SECOND]), Limits(bytes=450, ms=1.6, macs=100))
    assert (found.bytes, found.ms, found.macs) <= (450, 1.6, 100)
    assert set(found.levels) == {"channel_pruning", "quantization"}


def test_steps_name_the_layers_that_differ():
    levels = {
        "magnitude_pruning": {"b": 0.5},
        "quantization": {"a": 4.0, "b": 3.0, "c": 4.0},
    }
    assert steps_of(Allocation(levels, 1, 1, 1, 0)) == [
        {"technique": "magnitude_pruning", "sparsity": 0.0, "levels": [["b", 0.5]]},
        {"technique": "quantization", "weight_bits": 4, "levels": [["b", 3]]},
    ]


def test_factors_of_a_layer_which_have_other_names_get_the_finest_codes():
    levels = {"low_rank": {"a": 0.5}, "quantization": {"a": 8.0, "b": 3.0, "c": 3.0}}
    low_rank, codes = steps_of(Allocation(levels, 1, 1, 1, 0))
    assert low_rank == {"technique": "low_rank", "rank_ratio": 1.0, "levels": [["a", 0.5]]}
    assert codes == {"technique": "quantization", "weight_bits": 8, "levels": [["b", 3], ["c", 3]]}


def test_factors_get_the_finest_of_shared_values_too():
    levels = {"low_rank": {"a": 0.5}, "weight_sharing": {"a": 64.0, "b": 8.0}}
    _, codes = steps_of(Allocation(levels, 1, 1, 1, 0))
    assert codes == {"technique": "weight_sharing", "clusters": 64, "levels": [["b", 8]]}


def test_as_a_recipe_zeros_go_by_what_they_cost():
    levels = {"magnitude_pruning": {"b": 0.5}, "quantization": {"b": 3.0}}
    zeros, codes = recipe_of("any", Allocation(levels, 1, 1, 1, 0)).steps
    assert (zeros.technique, zeros.levels) == ("second_order_pruning", (("b", 0.5),))
    assert codes.technique == "quantization"


class TestFrontier:
    KNOWN = tables([NARROW, SECOND])
    FOUND = frontier(KNOWN)

    def test_goes_from_the_network_as_it_is_to_the_smallest(self):
        assert (original(self.KNOWN, "bytes"), original(self.KNOWN, "ms")) == (3050, 2.5)
        assert min(one.loss for one in self.FOUND) == 0
        assert min(one.bytes for one in self.FOUND) == pytest.approx(
            50 + 125 + 125
        )  # half of the channels and the rank
        assert min(one.ms for one in self.FOUND) == pytest.approx(0.5 + 0.4 + 0.6 * 0.9)

    def test_none_is_beaten_by_another(self):
        rows = [(one.loss, one.bytes, one.ms) for one in self.FOUND]
        for row, other in itertools.permutations(rows, 2):
            assert any(mine < theirs for mine, theirs in zip(row, other, strict=True))

    @given(st.lists(st.tuples(LOSSES, LOSSES, LOSSES, LOSSES), min_size=1, max_size=3))
    @settings(max_examples=8, deadline=None)
    def test_at_each_price_nothing_is_better(self, losses):
        known = tables(layer(f"layer{number}", some) for number, some in enumerate(losses))
        techniques, whole = ("magnitude_pruning", "quantization"), original(known, "bytes")
        allocated = [allocate(known, Limits(bytes=share * whole), techniques) for share in (0.3, 0.6, 0.9)]
        found, exact = (
            np.array([(one.loss, one.bytes / whole, one.ms / original(known, "ms")) for one in some if one])
            for some in (frontier(known, techniques), allocated)
        )
        for prices in PRICES:
            assert (found @ (1, *prices)).min() <= (exact @ (1, *prices)).min(initial=np.inf) + 1e-9


class TestAccuracy:
    KNOWN = tables([layer("a", (0.01, 0.1, 0.2, 0.5)), layer("b", (0.02, 0.3, 0.4, 0.9))])

    def test_falls_with_the_loss_from_that_of_the_network(self):
        values = [accuracy_at(self.KNOWN, loss) for loss in (0, 0.05, 0.2, 0.6, 5)]
        assert values[0] == 0.9
        assert values == sorted(values, reverse=True)
        assert values[2] == pytest.approx(0.82, abs=0.01)
