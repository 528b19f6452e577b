"""Against a plain loop (change one layer of a copy, run the whole copy), and against files that are really written."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from compression.engine import laboratory
from compression.engine.build import load_network
from compression.engine.files.export import to_onnx
from compression.engine.files.stored_file import encode
from compression.engine.laboratory.layer_tables import lone_forms
from compression.engine.laboratory.layer_tables.answering import FITTING_IMAGES, MOST_IMAGES
from compression.engine.laboratory.layer_tables.lone_forms import both_of, changed, forms_of, seen_by_layers
from compression.engine.network.form import clone, restrict, weighted_layers
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.patterns import pattern_masks
from compression.engine.run import run_recipe
from compression.engine.techniques.context import fitting_images
from compression.inquiries.layer_tables import LEVELS, TableInquiry
from compression.models.subject import subject_of
from compression.recipe.recipe import make_recipe
from compression.watch import SILENT
from tests.support.networks import correct


@pytest.fixture(scope="module")
def found(bench):
    return laboratory.answer(TableInquiry(recipe=bench.recipe.baseline()), bench.bench)


def loss_of(whole, other, x):
    with torch.no_grad():
        expected, logits = (functional.softmax(model(x).double(), 1) for model in (whole, other))
    return float((expected * (expected / logits).log()).sum(1).mean())


def test_pruned_layers_lose_what_pruned_copies_lose(bench, found):
    model = fold_batch_norm(load_network(subject_of("mlp-digits")))
    images = bench.bench.dataset.validation.head(MOST_IMAGES)
    assert found.n_images == len(images)
    assert found.accuracy == pytest.approx(correct(model, images))
    assert [layer.name for layer in found.layers] == list(weighted_layers(model))
    x = fitting_images(bench.bench.dataset, FITTING_IMAGES)
    seen = seen_by_layers(model, x, SILENT)
    for layer in found.layers:
        module = weighted_layers(model)[layer.name]
        (cell,) = (cell for cell in layer.of("magnitude_pruning") if cell.level == 0.9)
        order = np.argsort(np.abs(module.weight.detach().numpy()).ravel(), kind="stable")
        mask = np.ones(order.size, bool)
        mask[order[: round(0.9 * order.size)]] = False
        weight = lone_forms.fitted(module, seen[layer.name], torch.from_numpy(mask).reshape(module.weight.shape))
        other = clone(model)
        with torch.no_grad():
            weighted_layers(other)[layer.name].weight.copy_(weight)
            weighted_layers(other)[layer.name].bias.copy_(changed(module, seen[layer.name], weight).bias)
        assert cell.accuracy == pytest.approx(correct(other, images), abs=1.5 / len(images))
        assert cell.loss == pytest.approx(loss_of(model, other, torch.from_numpy(images.x)), rel=0.1, abs=1e-4)


def test_more_bits_lose_less_and_take_more(found):
    for technique in ("quantization", "magnitude_pruning", "weight_sharing"):
        rows = [layer.of(technique) for layer in found.layers]
        losses = np.mean([[cell.loss for cell in row] for row in rows], axis=0)
        assert (np.diff(losses) >= 0).all()
        for row, layer in zip(rows, found.layers, strict=True):
            assert [cell.level for cell in row] == list(LEVELS[technique])
            sizes = [layer.bytes, *(cell.bytes for cell in row)]
            assert (np.diff(sizes) < 0).all()


def test_ranks_and_channels_take_fewer_operations(found):
    first = found.layers[0]
    for layer in found.layers:
        for cell in layer.of("low_rank"):
            assert cell.macs < layer.macs
    widths = first.of("channel_pruning")
    assert [left.layer for left in widths[0].left] == [layer.name for layer in found.layers[:2]]
    assert (np.diff([cell.macs for cell in widths]) < 0).all()
    assert widths[0].macs < sum(layer.macs for layer in found.layers[:2])
    assert not found.layers[-1].of("channel_pruning")  # classes stay


def test_every_layer_has_a_time(found):
    for layer in found.layers:
        assert layer.ms > 0
        assert all(cell.ms > 0 for cell in layer.cells)
    assert found.other_ms >= 0


@pytest.mark.parametrize(
    ("step", "level"),
    [
        ({"technique": "quantization", "weight_bits": 4}, 4),
        ({"technique": "quantization", "weight_bits": 8}, 8),
        ({"technique": "quantization", "weight_bits": 2}, 2),
        ({"technique": "weight_sharing", "clusters": 16}, 16),
        ({"technique": "magnitude_pruning", "sparsity": 0.8, "scope": "layer"}, 0.8),
    ],
    ids=str,
)
def test_bytes_add_up_to_those_of_a_file(found, bench, step, level):
    measured = run_recipe(bench.bench.subject, make_recipe("mlp-digits", [step])).result.stored_bytes
    cells = [cell for layer in found.layers for cell in layer.of(step["technique"]) if cell.level == level]
    assert found.other_bytes + sum(cell.bytes for cell in cells) == pytest.approx(measured, rel=0.1)


def test_the_layers_as_they_are_add_up_to_the_file(found, bench):
    whole = found.other_bytes + sum(layer.bytes for layer in found.layers)
    assert whole == pytest.approx(bench.bench.baseline.result.stored_bytes, rel=0.03)


def test_zeros_and_codes_together_take_what_a_file_takes():
    """Of a large layer only some outputs are looked at."""
    model = fold_batch_norm(load_network(subject_of("lenet5-mnist5k")))
    layer = weighted_layers(model)["hidden"]
    sizes = {(both.zeros, both.technique, both.level): both.bytes for both in both_of(layer, ())}
    plain = len(encode(to_onnx(model)))
    mask = pattern_masks([layer.weight.detach().abs()], 0.8, "layer", "weights")[0]
    restrict(layer, mask=mask)
    restrict(layer, grid=fit_affine(layer.weight, 4, mask=mask))
    written = len(encode(to_onnx(model)))
    whole = fold_batch_norm(load_network(subject_of("lenet5-mnist5k")))
    as_it_is = lone_forms.floats_bytes(weighted_layers(whole)["hidden"].weight) + lone_forms.bias_bytes(layer)
    assert as_it_is - sizes[0.8, "quantization", 4] == pytest.approx(plain - written, rel=0.03)


def test_a_layer_that_nothing_reads_loses_nothing():
    """All inputs of the layer behind it are cut off."""
    model = fold_batch_norm(load_network(subject_of("mlp-digits")))
    layers = list(weighted_layers(model).values())
    with torch.no_grad():
        layers[1].weight.zero_()
    x = torch.rand(32, 1, 8, 8)
    name = next(iter(weighted_layers(model)))
    seen = seen_by_layers(model, x, SILENT)
    whole = clone(model)
    for form in forms_of(layers[0], seen[name], torch.ones_like(layers[0].weight), None, SILENT):
        other = clone(whole)
        with torch.no_grad():
            weighted_layers(other)[name].weight.copy_(form.changed.weight)
        assert loss_of(whole, other, x) == pytest.approx(0, abs=1e-9)


def test_the_model_itself_is_left_alone(bench, found):
    before = {
        name: layer.weight.clone() for name, layer in weighted_layers(load_network(subject_of("mlp-digits"))).items()
    }
    for name, layer in weighted_layers(load_network(bench.bench.subject)).items():
        assert torch.equal(layer.weight, before[name])


def losses_of(tables):
    return [(cell.technique, cell.level, cell.loss, cell.accuracy) for layer in tables.layers for cell in layer.cells]


def test_it_never_looks_at_test_images_and_finds_the_same_again(bench, found, monkeypatch):
    dataset = bench.bench.dataset
    batches = type(dataset.test).batches
    monkeypatch.setattr(
        type(dataset.test), "batches", lambda split, size: len(split) != len(dataset.test) and batches(split, size)
    )
    again = laboratory.answer(TableInquiry(recipe=bench.recipe.baseline()), bench.bench)
    assert losses_of(again) == losses_of(found)
