import numpy as np
import torch

from compression.engine import laboratory
from compression.engine.build import build_variant, load_network
from compression.engine.laboratory.activations import MAX_IMAGES
from compression.engine.network.form import ActivationQuantizer, module_of, weighted_layers
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.execution import Walk
from compression.inquiries.activations import ActivationInquiry
from compression.models.subject import subject_of
from compression.recipe.recipe import make_recipe
from tests.support.laboratory_tools import prepared


def answer(case, recipe=None):
    taken = prepared(case, recipe)
    return laboratory.answer(ActivationInquiry(recipe=taken.recipe), taken.bench)


def test_ranges_of_the_baseline_are_those_that_torch_sees():
    found = answer("baseline")
    dataset = prepared("baseline").bench.dataset
    x = torch.from_numpy(dataset.calibration.head(MAX_IMAGES).x)
    assert found.n_images == len(x)
    model = fold_batch_norm(load_network(subject_of("lenet5-mnist5k")))
    calls = {call.name: call.y for call in Walk(model, x).calls()}
    for row in found.subject[1:]:
        y = calls[row.name] if row.name == "classifier" else calls[row.name].relu()
        np.testing.assert_allclose([row.min, row.max], [y.min(), y.max()], rtol=1e-3, atol=1e-4)
        assert row.min <= row.low <= row.high <= row.max
        assert row.bits == 0
        assert row.kept_low is None
    assert [found.subject[0].name, found.subject[0].min] == ["image", float(x.min())]


def test_kept_ranges_are_those_of_the_quantizers():
    taken = prepared("integers")
    model = build_variant(taken.bench.subject, taken.recipe, taken.bench.dataset).model
    grids = [
        (-layer.zero_point * layer.scale, (layer.high - layer.zero_point) * layer.scale)
        for node in model.graph.nodes
        if isinstance(layer := module_of(model, node), ActivationQuantizer)
    ]
    rows = [row for row in answer("integers").subject if row.bits]
    np.testing.assert_allclose([(row.kept_low, row.kept_high) for row in rows], grids, rtol=1e-5, atol=1e-6)
    assert {row.bits for row in rows} == {8}
    assert [row.name for row in rows] == ["image", *list(weighted_layers(model))[:-1]]  # logits are not rounded


def test_a_coarse_grid_has_fewer_bits_and_cuts_more_off():
    steps = [{"technique": "quantization", "weight_bits": 8, "activation_bits": 4}]
    coarse = [row for row in answer("four bits", make_recipe("lenet5-mnist5k", steps)).subject if row.bits]
    fine = [row for row in answer("integers").subject if row.bits]
    assert {row.bits for row in coarse} == {4}
    assert sum(row.clipped for row in coarse) > sum(row.clipped for row in fine)
    for row in coarse:
        if row.clipped == 0:
            step = (row.kept_high - row.kept_low) / 15
            assert row.min >= row.kept_low - step
            assert row.max <= row.kept_high + step


def test_dynamic_ranges_are_named_and_not_drawn():
    found = answer("dynamic")
    assert found.dynamic
    assert {row.bits for row in found.subject} == {0}
    before = {row.name: row.max for row in found.baseline}
    for row in found.subject:
        assert 0.8 * before[row.name] < row.max < 1.2 * before[row.name]
