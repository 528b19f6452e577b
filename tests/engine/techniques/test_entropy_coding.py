import pytest
import torch

from compression.engine.files import stored_file
from compression.engine.files.export import to_onnx
from compression.engine.network.form import weight_format
from compression.engine.network.grids import Affine
from compression.engine.techniques import apply_step
from compression.errors import NotApplicable
from compression.recipe.steps import EntropyCoding, FineTuning, MagnitudePruning, Quantization, WeightSharing
from tests.support.networks import carried_out, correct, pairs_of_layers, runtime_logits


def size(model):
    return len(stored_file.encode(to_onnx(model)))


@pytest.mark.parametrize("coding", ["context", "huffman", "packed"])
def test_the_coding_alone_changes_nothing(coding, mlp):
    model = carried_out(mlp, Quantization(weight_bits=4))
    coded = apply_step(model, EntropyCoding(coding=coding), mlp)
    assert coded is not model
    assert to_onnx(coded) == to_onnx(model)


@pytest.mark.parametrize("name", ["mlp-digits", "resnet8-mnist5k"])
def test_half_the_bytes_at_the_same_accuracy(name, context_of):
    context = context_of(name)
    model = carried_out(context, Quantization(weight_bits=5))
    rounded = apply_step(model, EntropyCoding(rate_weight=0.4), context)
    assert size(rounded) < 0.62 * size(model)
    assert correct(rounded, context.dataset.validation) > correct(model, context.dataset.validation) - 0.012


@pytest.mark.parametrize(
    "steps",
    [
        (Quantization(weight_bits=3, symmetric=False),),
        (Quantization(weight_bits=4, granularity="tensor"),),
        (Quantization(weight_bits=4, method="gptq", activation_bits=8),),
        (Quantization(weight_bits=4), FineTuning(epochs=0.5)),
        (MagnitudePruning(sparsity=0.6), Quantization(weight_bits=4)),
        (WeightSharing(clusters=16),),
        (MagnitudePruning(sparsity=0.6), WeightSharing(clusters=16)),
    ],
)
def test_codes_stay_on_their_grids_and_get_cheaper(steps, mlp):
    model = carried_out(mlp, *steps)
    rounded = apply_step(model, EntropyCoding(rate_weight=0.3), mlp)
    assert size(rounded) < size(model)
    for before, after in pairs_of_layers(model, rounded):
        assert torch.equal(weight_format(after).project(after.weight), after.weight)
        assert weight_format(after).bits == weight_format(before).bits
        mask = weight_format(after).mask
        assert mask is None or (after.weight[~mask] == 0).all()
    x = torch.from_numpy(mlp.dataset.validation.head(100).x)
    found = torch.from_numpy(runtime_logits(to_onnx(rounded).SerializeToString(), x))
    assert (found.argmax(1) == rounded(x).argmax(1)).float().mean() >= 0.97
    assert correct(rounded, mlp.dataset.validation) > correct(model, mlp.dataset.validation) - 0.03


def test_steps_only_get_wider(mlp):
    model = carried_out(mlp, Quantization(weight_bits=6))
    rounded = apply_step(model, EntropyCoding(rate_weight=0.5), mlp)
    for before, after in pairs_of_layers(model, rounded):
        grids = weight_format(before).grid, weight_format(after).grid
        assert all(isinstance(grid, Affine) for grid in grids)
        assert (grids[1].scale > 0.9 * grids[0].scale).all()
        assert grids[1].scale.unique().numel() == 1


def test_biases_get_fewer_digits(mlp):
    model = carried_out(mlp, Quantization(weight_bits=4))
    rounded = apply_step(model, EntropyCoding(rate_weight=0.3), mlp)
    before, after = (
        stored_file.decode_with_ledger(stored_file.encode(to_onnx(found)))[1] for found in (model, rounded)
    )
    assert after["biases"] < 0.7 * before["biases"]


def test_trained_codes_are_not_thrown_away(mlp):
    """After training on the grid it is the network on the grid that predicts well, not the one behind it."""
    trained = carried_out(mlp, Quantization(weight_bits=1), FineTuning(epochs=1))
    with pytest.raises(NotApplicable, match="could be cheaper"):
        apply_step(trained, EntropyCoding(rate_weight=0.1), mlp)
    trained = carried_out(mlp, Quantization(weight_bits=2), FineTuning(epochs=3))
    rounded = apply_step(trained, EntropyCoding(rate_weight=0.1), mlp)
    assert correct(rounded, mlp.dataset.validation) > correct(trained, mlp.dataset.validation) - 0.03


@pytest.mark.parametrize("steps", [(), (Quantization(weight_bits=16),), (MagnitudePruning(sparsity=0.5),)])
def test_floats_cannot_be_rounded_for_rate(steps, mlp):
    with pytest.raises(NotApplicable, match="Put quantization"):
        apply_step(carried_out(mlp, *steps), EntropyCoding(rate_weight=0.5), mlp)
