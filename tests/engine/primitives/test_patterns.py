import pytest
import torch

from compression.engine.primitives.patterns import pattern_masks


def scores(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize(("pattern", "kept"), [("2:4", 2), ("1:4", 1)])
def test_n_of_every_four_neighbours_stay(pattern, kept):
    score = scores((6, 2, 3, 3))[0]
    (mask,) = pattern_masks([score], 0, "global", pattern)
    groups, values = mask.flatten(1)[:, :16].reshape(6, 4, 4), score.flatten(1)[:, :16].reshape(6, 4, 4)
    assert (groups.sum(2) == kept).all()
    assert (values.masked_fill(~groups, 2).amin(2) >= values.masked_fill(groups, -2).amax(2)).all()
    assert (mask.flatten(1)[:, 16:].sum(1) == kept).all()  # of the two that are left over


def test_a_short_group_keeps_no_more_than_it_has():
    (mask,) = pattern_masks(scores((3, 9)), 0, "layer", "2:4")
    assert mask[:, 8].all() and (mask.sum(1) == 5).all()


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_blocks_go_as_a_whole_and_the_weakest_first(scope):
    layers = scores((8, 16), (4, 4, 2, 2))
    masks = pattern_masks(layers, 0.75, scope, "blocks")
    squares = [layer.square().flatten(1).reshape(-1, 4).sum(1) for layer in layers]
    blocks = [mask.flatten(1).reshape(-1, 4) for mask in masks]
    assert all((block == block[:, :1]).all() for block in blocks)
    pairs = zip(squares, blocks, strict=True)
    if scope == "global":
        pairs = [(torch.cat(squares), torch.cat(blocks))]
    for square, block in pairs:
        stays = block[:, 0]
        assert stays.sum() == len(stays) / 4
        assert square[stays].min() >= square[~stays].max()


def test_a_block_may_be_shorter_than_four():
    score = torch.tensor([[0.5, 0.5, 0.5, 0.5, 0.9, 0.9], [0.1, 0.1, 0.1, 0.1, 0.2, 0.2]])
    (mask,) = pattern_masks([score], 0.5, "layer", "blocks")
    assert mask.tolist() == [[True] * 6, [False] * 6]
    (mask,) = pattern_masks([score], 0.75, "layer", "blocks")
    assert mask.tolist() == [[False] * 4 + [True] * 2, [False] * 6]


@pytest.mark.parametrize("pattern", ["weights", "2:4", "1:4", "blocks"])
def test_what_has_gone_stays_away(pattern):
    score = scores((5, 8))[0]
    score[:, :4] = -1
    (mask,) = pattern_masks([score], 0.1, "layer", pattern)
    assert not mask[:, :4].any()
    assert mask[:, 4:].any()


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("pattern", ["weights", "blocks"])
def test_no_layer_vanishes(scope, pattern):
    small, large = scores((4, 8), (40, 80))
    masks = pattern_masks([small / 1000, large], 0.999, scope, pattern)
    assert all(mask.any() for mask in masks)
