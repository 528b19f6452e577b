import pytest
import torch

from compression.engine.network.form import clone, weight_format, weighted_layers
from compression.engine.techniques import apply_step
from compression.recipe.steps import MagnitudePruning
from tests.support.networks import correct

pytestmark = pytest.mark.usefixtures("trusted")

SPARSITIES = (0.1, 0.5, 0.875, 0.99)


def weights(model):
    return {name: layer.weight.detach() for name, layer in weighted_layers(model).items()}


def zeros(weight):
    return int((weight == 0).sum())


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_global_sparsity_is_exact_and_by_magnitude(sparsity, lenet5):
    before = torch.cat([weight.flatten() for weight in weights(lenet5.teacher).values()])
    pruned = apply_step(lenet5.teacher, MagnitudePruning(sparsity=sparsity, recalibrate=False), lenet5)
    after = torch.cat([weight.flatten() for weight in weights(pruned).values()])
    assert zeros(after) == round(sparsity * len(after))
    stays = after != 0
    assert torch.equal(after[stays], before[stays])
    assert before[~stays].abs().max() <= before[stays].abs().min()


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_layer_sparsity_is_exact_in_each_layer(sparsity, lenet5):
    step = MagnitudePruning(sparsity=sparsity, scope="layer", recalibrate=False)
    pruned = apply_step(lenet5.teacher, step, lenet5)
    for name, weight in weights(pruned).items():
        before = weights(lenet5.teacher)[name]
        assert zeros(weight) == round(sparsity * weight.numel())
        assert before[weight == 0].abs().max() <= before[weight != 0].abs().min()


def test_without_recalibration_only_weights_change(resnet8):
    step = MagnitudePruning(sparsity=0.8, recalibrate=False)
    pruned = apply_step(resnet8.teacher, step, resnet8).state_dict()
    names = set(weights(resnet8.teacher))
    for name, value in resnet8.teacher.state_dict().items():
        assert torch.equal(pruned[name], value) != (name.removesuffix(".weight") in names), name


@pytest.mark.parametrize(("name", "sparsity", "expected"), [("resnet8-mnist5k", 0.9, 0.97), ("mlp-digits", 0.9, 0.95)])
def test_recalibration_keeps_networks_alive(name, sparsity, expected, context_of):
    """Measured on validation images: 98.2 and 97 % with, 10 and 86.5 % without."""
    context = context_of(name)
    accuracy = {}
    for recalibrate in (True, False):
        step = MagnitudePruning(sparsity=sparsity, recalibrate=recalibrate)
        accuracy[recalibrate] = correct(apply_step(context.teacher, step, context), context.dataset.validation)
    assert accuracy[True] >= expected > accuracy[False] + 0.05


@pytest.mark.parametrize(("pattern", "kept"), [("2:4", 2), ("1:4", 1)])
@pytest.mark.parametrize("epochs", [0, 0.5])
def test_n_of_every_four_stay(pattern, kept, epochs, mlp):
    step = MagnitudePruning(sparsity=1 - kept / 4, pattern=pattern, epochs=epochs)
    for weight in weights(apply_step(mlp.teacher, step, mlp)).values():
        assert ((weight.reshape(-1, 4) != 0).sum(1) == kept).all() or weight.shape[1] % 4


@pytest.mark.parametrize("epochs", [0, 0.5])
def test_blocks_go_as_a_whole(epochs, mlp):
    step = MagnitudePruning(sparsity=0.7, pattern="blocks", epochs=epochs)
    pruned = apply_step(mlp.teacher, step, mlp)
    blocks = torch.cat([weight_format(layer).mask.reshape(-1, 4) for layer in weighted_layers(pruned).values()])
    assert (blocks == blocks[:, :1]).all()
    assert (~blocks).float().mean() == pytest.approx(0.7, abs=1e-3)


@pytest.mark.parametrize("regrowth", ["none", "gradient", "magnitude"])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_gradual_pruning_reaches_the_sparsity(regrowth, scope, mlp):
    step = MagnitudePruning(sparsity=0.8, epochs=3, learning_rate=0.05, regrowth=regrowth, scope=scope)
    pruned = apply_step(mlp.teacher, step, mlp)
    found = weights(pruned).values()
    assert sum(map(zeros, found)) == pytest.approx(0.8 * sum(weight.numel() for weight in found), abs=2)
    assert correct(pruned, mlp.dataset.validation) >= 0.93


def test_regrowth_chooses_other_weights(mlp):
    masks = {}
    for regrowth in ("none", "gradient", "magnitude"):
        step = MagnitudePruning(sparsity=0.9, epochs=4, learning_rate=0.1, regrowth=regrowth)
        pruned = apply_step(mlp.teacher, step, mlp)
        masks[regrowth] = torch.cat([(weight == 0).flatten() for weight in weights(pruned).values()])
    assert not torch.equal(masks["none"], masks["gradient"])
    assert not torch.equal(masks["none"], masks["magnitude"])
    assert not torch.equal(masks["gradient"], masks["magnitude"])


@pytest.mark.parametrize("sparsity", [0, 0.9])
def test_too_short_a_training_prunes_at_once(sparsity, mlp):
    short = apply_step(mlp.teacher, MagnitudePruning(sparsity=sparsity, epochs=0.001), mlp)
    once = apply_step(mlp.teacher, MagnitudePruning(sparsity=sparsity), mlp)
    assert all(torch.equal(weights(short)[name], weight) for name, weight in weights(once).items())


def test_the_given_masks_are_not_written_into(mlp):
    once = apply_step(mlp.teacher, MagnitudePruning(sparsity=0.3), mlp)
    before = [weight_format(layer).mask.clone() for layer in weighted_layers(once).values()]
    apply_step(once, MagnitudePruning(sparsity=0.9, epochs=0.5), mlp)
    after = [weight_format(layer).mask for layer in weighted_layers(once).values()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_equal_weights_are_told_apart_the_same_way_each_time(mlp):
    model = clone(mlp.teacher)
    with torch.no_grad():
        for layer in weighted_layers(model).values():
            layer.weight.fill_(0.5)
    one, other = (apply_step(model, MagnitudePruning(sparsity=0.3, recalibrate=False), mlp) for _ in range(2))
    total = sum(weight.numel() for weight in weights(one).values())
    assert sum(zeros(weight) for weight in weights(one).values()) == round(0.3 * total)
    assert all(torch.equal(weights(one)[name], weights(other)[name]) for name in weights(one))


def test_an_earlier_mask_stays(mlp):
    once = apply_step(mlp.teacher, MagnitudePruning(sparsity=0.5), mlp)
    twice = apply_step(once, MagnitudePruning(sparsity=0.7, scope="layer"), mlp)
    for (name, earlier), later in zip(weights(once).items(), weights(twice).values(), strict=True):
        assert (later[earlier == 0] == 0).all(), name
    weaker = apply_step(once, MagnitudePruning(sparsity=0.1, recalibrate=False), mlp)
    assert all(torch.equal(weights(weaker)[name], weights(once)[name]) for name in weights(once))


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_no_layer_vanishes(scope, mlp):
    model = clone(mlp.teacher)
    with torch.no_grad():
        next(iter(weighted_layers(model).values())).weight.mul_(1e-6)
    pruned = apply_step(model, MagnitudePruning(sparsity=0.99, scope=scope), mlp)
    for layer in weighted_layers(pruned).values():
        assert layer.weight.count_nonzero() >= 1
        assert torch.equal(weight_format(layer).mask, layer.weight != 0)
