"""What a chapter draws of a layer is what the recipe of its question does to that layer."""

import numpy as np
import pytest
import torch

from compression.engine import laboratory
from compression.engine.build import load_network
from compression.engine.network.form import weight_format, weighted_layers
from compression.engine.techniques import Context, apply_step
from compression.inquiries import course as asked
from compression.models.subject import subject_of
from compression.recipe.recipe import make_recipe
from pages.components.learn.chapter import Lesson
from pages.components.learn.chapters import coding, factorization, pruning, quantization, sharing
from tests.support.laboratory_tools import prepared

LINEAR, CONVOLUTION, MATRIX = "layers.1", "stages.1.conv1", "stages.1.shortcut.0"
"""A linear layer, a convolution with batch norm behind it, and one that looks at one place at a time."""


@pytest.fixture(
    scope="module", params=[("mlp-digits", LINEAR), ("resnet8-mnist5k", CONVOLUTION)], ids=lambda one: one[1]
)
def place(request):
    return lesson_of(*request.param)


def lesson_of(model, layer):
    subject = subject_of(model)
    info = next(one for one in subject.layers if one.name == layer)
    return Lesson(subject, info), prepared(f"as-it-is-{model}", make_recipe(model, [])).bench


def drawn(place, kind):
    lesson, bench = place
    return laboratory.answer(kind(recipe=lesson.recipe(), layer=lesson.layer.name), bench)


def measured(place, recipe):
    """The layers of the network that the question's recipe leads to; rows of zeros are still there."""
    lesson, bench = place
    model = trained = load_network(lesson.subject)
    for step in recipe.steps:
        model = apply_step(model, step, Context(bench.dataset, trained, lambda student: trained, recipe.seed))
    return weighted_layers(model)


def corner(weight):
    return weight.detach().flatten(1)[: asked.ROWS, : asked.COLUMNS].numpy()


@pytest.mark.parametrize("pattern", ["weights", "blocks", "2:4"])
def test_pruning_cuts_the_weights_that_are_drawn_as_gone_and_leaves_the_others_alone(place, pattern):
    sparsity = 0.5
    found = drawn(place, asked.PruningInquiry)
    layer = measured(place, pruning.recipe_of(place[0], pattern, sparsity, refitted=False))[place[0].layer.name]
    at = 0 if pattern == "2:4" else asked.SPARSITIES.index(sparsity)
    expected = np.where(found.gone_at[pattern] > at, found.weights.astype(np.float32), 0)
    np.testing.assert_allclose(corner(layer.weight), expected, atol=2e-3)


def test_pruning_leaves_as_many_outputs_as_are_drawn(place):
    found = drawn(place, asked.PruningInquiry)
    for sparsity in (0.3, 0.7):
        layer = measured(place, pruning.recipe_of(place[0], "channels", sparsity, refitted=False))[place[0].layer.name]
        share = 1 - found.zeros["channels"][asked.SPARSITIES.index(sparsity)]
        assert len(layer.weight) == round(share * place[0].layer.shape[0])


def test_rounding_is_the_one_that_is_drawn(place):
    found = drawn(place, asked.RoundingInquiry)
    for scales, method in asked.GRIDS:
        layer = measured(place, quantization.recipe_of(place[0], 3, scales, method))[place[0].layer.name]
        expected = found.corners[f"{scales} {method}"][asked.BITS.index(3)].astype(np.float32)
        np.testing.assert_allclose(corner(layer.weight), expected, atol=2e-3)


def test_weights_share_the_values_that_are_drawn(place):
    found = drawn(place, asked.SharingInquiry)
    for clusters in (2, 8):
        layer = measured(place, sharing.recipe_of(place[0], clusters))[place[0].layer.name]
        book = found.values[asked.CLUSTERS.index(clusters)]
        values, counts = np.unique(layer.weight.detach().numpy(), return_counts=True)
        np.testing.assert_allclose(values, np.sort(book[:clusters]), rtol=2e-3)  # stored in half precision
        np.testing.assert_array_equal(counts, found.members[asked.CLUSTERS.index(clusters)][:clusters])


@pytest.mark.parametrize(("model", "layer"), [("mlp-digits", LINEAR), ("resnet8-mnist5k", MATRIX)])
def test_the_thin_layers_have_the_rank_that_is_drawn_and_where_no_layer_comes_before_its_weights(model, layer):
    place = lesson_of(model, layer)
    found = drawn(place, asked.FactorInquiry)
    share = 25
    chain = measured(place, factorization.recipe_of(place[0], share))
    first, second = (chain[f"{layer}_{name}"].weight.detach().flatten(1) for name in ("in", "out"))
    rank = factorization.rank_of(found, share)
    assert len(first) == rank
    if layer != LINEAR:  # it is fitted to what the thin layers before it say
        return
    product = found.left[:, :rank].astype(np.float64) @ found.right[:rank].astype(np.float64)
    np.testing.assert_allclose(corner(second @ first), product, atol=0.12 * np.abs(product).max())


@pytest.mark.parametrize("sparsity", [0.0, 0.5])
def test_codes_occur_as_often_as_is_drawn(place, sparsity):
    found = drawn(place, asked.CodingInquiry)
    layer = measured(place, coding.recipe_of(place[0], 4, sparsity, "context"))[place[0].layer.name]
    codes = weight_format(layer).grid.quantize(layer.weight.detach()).to(torch.int64)
    counts = np.bincount((codes - codes.min()).flatten().numpy(), minlength=256)
    np.testing.assert_array_equal(counts, found.counts[asked.CODED_SPARSITIES.index(sparsity), asked.BITS.index(4)])
