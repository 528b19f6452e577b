"""What every technique promises, checked over all of them. A new technique adds its entry to `CONTRACTS`."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import fx, nn

from compression.engine.files.export import to_onnx
from compression.engine.files.stored_file import decode, encode
from compression.engine.network.form import ActivationQuantizer, count_costs
from compression.engine.techniques import TECHNIQUES, Context, apply_step
from compression.errors import Cancelled
from compression.recipe.steps import (
    STEP_TYPES,
    ChannelPruning,
    DepthwiseSeparable,
    Distillation,
    EntropyCoding,
    FineTuning,
    LayerTying,
    LowRank,
    MagnitudePruning,
    Quantization,
    SecondOrderPruning,
    SlimmableStudent,
    Step,
    WeightSharing,
)
from tests.engine.techniques.conftest import apply, small_context
from tests.support.networks import carried_out, loss, runtime_logits
from tests.support.watches import GIVEN_UP

MODELS = ("mlp-digits", "resnet8-mnist5k")


@dataclass(frozen=True)
class Contract:
    """Settings to try, one that changes logits by at most `neutral_tolerance`, and a slider from left to right.

    `effect` is what the slider lowers, and `start` what is done before it. `models` are those the technique
    makes sense for; the slider moves on the first. A technique that always changes something has no neutral setting.
    """

    settings: tuple[Step, ...]
    neutral: Step | None
    slider: tuple[Step, ...]
    effect: Callable[[fx.GraphModule, Context], float]
    neutral_tolerance: float = 0.0
    start: tuple[Step, ...] = ()
    models: tuple[str, ...] = MODELS


CONTRACTS = {
    "magnitude_pruning": Contract(
        settings=(
            MagnitudePruning(sparsity=0.7),
            MagnitudePruning(sparsity=0.7, scope="layer", recalibrate=False),
            MagnitudePruning(sparsity=0.75, pattern="1:4"),
            MagnitudePruning(sparsity=0.8, pattern="blocks", epochs=0.2, regrowth="gradient"),
            MagnitudePruning(sparsity=0.9, epochs=0.2, regrowth="magnitude"),
        ),
        neutral=MagnitudePruning(sparsity=0),
        slider=tuple(MagnitudePruning(sparsity=value) for value in (0, 0.2, 0.5, 0.9, 0.99)),
        effect=lambda model, context: count_costs(model).nonzero_params,
    ),
    "second_order_pruning": Contract(
        settings=(
            SecondOrderPruning(sparsity=0.7),
            SecondOrderPruning(sparsity=0.5, pattern="2:4", scope="layer"),
        ),
        neutral=SecondOrderPruning(sparsity=0),
        slider=tuple(SecondOrderPruning(sparsity=value) for value in (0, 0.2, 0.5, 0.9, 0.99)),
        effect=lambda model, context: count_costs(model).nonzero_params,
        models=("mlp-digits", "blocks-digits"),  # on a larger network it takes ten seconds
    ),
    "channel_pruning": Contract(
        settings=(
            ChannelPruning(pruning_ratio=0.3),
            ChannelPruning(pruning_ratio=0.5, importance="batch_norm", recalibrate=False),
            ChannelPruning(pruning_ratio=0.5, importance="random", round_to=4),
            ChannelPruning(pruning_ratio=0.95, importance="l1"),
            ChannelPruning(pruning_ratio=0.5, importance="taylor", target="macs"),
            ChannelPruning(pruning_ratio=0.6, importance="activation", ratios="sensitivity"),
        ),
        neutral=ChannelPruning(pruning_ratio=0),
        slider=tuple(ChannelPruning(pruning_ratio=value, recalibrate=False) for value in (0, 0.1, 0.3, 0.5, 0.95)),
        effect=lambda model, context: count_costs(model).params,
    ),
    "quantization": Contract(
        settings=(
            Quantization(weight_bits=4),
            Quantization(weight_bits=1),
            Quantization(weight_bits=16),
            Quantization(weight_bits=8, activation_bits=8),
            Quantization(weight_bits=3, symmetric=False, granularity="tensor", method="nearest", activation_bits=8),
            Quantization(weight_bits=2, method="adaround"),
            Quantization(weight_bits=4, method="mse", mixed_precision=True),
            Quantization(weight_bits=8, activation_bits=8, activations="dynamic"),
            Quantization(weight_bits=16, float_format="bfloat16"),
            Quantization(weight_bits=6, granularity="tensor", equalize=True, method="nearest"),
            Quantization(weight_bits=4, activation_bits=5),
        ),
        neutral=Quantization(weight_bits=16),
        neutral_tolerance=0.05,  # half precision: 11 bits of a logit of about 10, over some layers
        slider=tuple(Quantization(weight_bits=bits) for bits in (16, 8, 7, 6, 5, 4, 3, 2, 1)),
        effect=lambda model, context: count_costs(model).theoretical_bytes / count_costs(model).nonzero_params,
    ),
    "distillation": Contract(
        settings=(
            Distillation(width_mult=0.5, epochs=0.2),
            Distillation(width_mult=0.3, epochs=0.1, alpha=0),
            Distillation(width_mult=0.5, epochs=0.1, loss="dkd", match="relation"),
            Distillation(width_mult=0.5, epochs=0.1, match="hint"),
            Distillation(width_mult=1, epochs=0.1, temperature=1),
        ),
        neutral=Distillation(width_mult=1, epochs=0),
        slider=tuple(Distillation(width_mult=value, epochs=0) for value in (1, 0.75, 0.5, 0.25, 0.1)),
        effect=lambda model, context: count_costs(model).params,
    ),
    "slimmable_student": Contract(
        settings=(SlimmableStudent(width_mult=0.25), SlimmableStudent(width_mult=0.6)),
        neutral=None,  # the full width is the slimmable network, not the one that was given
        slider=tuple(SlimmableStudent(width_mult=value) for value in (1, 0.75, 0.5, 0.25)),
        effect=lambda model, context: count_costs(model).params,
        models=("lenet5-mnist5k", "resnet8-mnist5k"),
    ),
    "layer_tying": Contract(
        settings=(LayerTying(blocks=2), LayerTying(blocks=3)),
        neutral=LayerTying(blocks=1),
        slider=tuple(LayerTying(blocks=value) for value in (1, 2, 3)),
        effect=lambda model, context: count_costs(model).params,
        models=("blocks-digits",),
    ),
    "depthwise_separable": Contract(
        settings=(DepthwiseSeparable(share=0.5), DepthwiseSeparable()),
        neutral=DepthwiseSeparable(share=0),
        slider=tuple(DepthwiseSeparable(share=value) for value in (0, 0.2, 0.5, 1)),
        effect=lambda model, context: count_costs(model).params,
        models=("resnet8-mnist5k",),
    ),
    "low_rank": Contract(
        settings=(
            LowRank(rank_ratio=0.4, ranks="uniform"),
            LowRank(rank_ratio=0.3, convolutions="spatial", ranks="error"),
            LowRank(rank_ratio=0.3, ranks="error", round_to=4),
        ),
        neutral=LowRank(rank_ratio=1),
        slider=tuple(LowRank(rank_ratio=value, ranks="uniform") for value in (1, 0.45, 0.3, 0.15, 0.05)),
        effect=lambda model, context: count_costs(model).params,
    ),
    "weight_sharing": Contract(
        settings=(
            WeightSharing(clusters=4),
            WeightSharing(clusters=16, weighting="none", scope="global"),
            WeightSharing(clusters=256),
        ),
        neutral=WeightSharing(clusters=256),
        neutral_tolerance=0.2,  # 256 values a layer: errors of about 1 % of a weight, logits of about 10
        slider=tuple(WeightSharing(clusters=value) for value in (256, 100, 16, 7, 2)),
        effect=lambda model, context: count_costs(model).theoretical_bytes,
    ),
    "fine_tuning": Contract(
        settings=(
            FineTuning(epochs=0.2),
            FineTuning(epochs=0.1, learning_rate=0.05),
            FineTuning(epochs=0.1, alpha=0.9, entropy_penalty=0.01, learn_scales=True),
        ),
        neutral=FineTuning(epochs=0),
        start=(MagnitudePruning(sparsity=0.97),),
        slider=tuple(FineTuning(epochs=value, alpha=0) for value in (0, 3, 12)),
        effect=lambda model, context: loss(model, context.dataset.train),
    ),
    "entropy_coding": Contract(
        settings=(EntropyCoding(), EntropyCoding(coding="packed")),
        neutral=EntropyCoding(coding="huffman"),
        start=(Quantization(weight_bits=5),),
        slider=tuple(EntropyCoding(rate_weight=value) for value in (0, 0.1, 0.3, 0.6, 1)),
        effect=lambda model, context: len(encode(to_onnx(model))),
    ),
}
CASES = [(model, step) for contract in CONTRACTS.values() for step in contract.settings for model in contract.models]
NEUTRAL = [
    (technique, model) for technique, contract in CONTRACTS.items() if contract.neutral for model in contract.models
]


def _name(value):
    return (
        value if isinstance(value, str) else "-".join(str(v) for v in value.model_dump(exclude_defaults=True).values())
    )


def _same_tensors(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _activation_steps(model):
    """Levels of the coarsest quantizer of activations; 0 without any."""
    return min((2**layer.bits for layer in model.modules() if isinstance(layer, ActivationQuantizer)), default=0)


def test_every_step_has_a_technique_and_a_contract():
    assert set(TECHNIQUES) == set(STEP_TYPES.values())
    assert set(CONTRACTS) == set(STEP_TYPES)
    for name, contract in CONTRACTS.items():
        steps = (*contract.settings, *contract.slider, *filter(None, [contract.neutral]))
        assert {type(step) for step in steps} == {STEP_TYPES[name]}


@pytest.mark.parametrize(("model_name", "step"), CASES, ids=_name)
class TestContract:
    @pytest.fixture(scope="class")
    def context_of(self):
        return small_context

    @pytest.fixture(scope="class")
    def applied(self):
        return functools.partial(apply, context_of=small_context)

    def test_given_model_is_unchanged(self, model_name, step, applied):
        run = applied(model_name, step)
        (code, tensors, formats), (code_after, tensors_after, formats_after) = run.given_before, run.given_after
        assert (code, formats) == (code_after, formats_after)
        assert tensors.keys() == tensors_after.keys()
        assert all(torch.equal(tensors[name], tensors_after[name]) for name in tensors)

    def test_same_seed_same_result(self, model_name, step, context_of, applied):
        context = context_of(model_name)
        with torch.random.fork_rng():
            torch.manual_seed(20)  # the global generator must not matter
            again = apply_step(context.teacher, step, context)
        assert again.code == applied(model_name, step).model.code
        assert _same_tensors(again, applied(model_name, step).model)

    def test_global_random_state_is_left_alone(self, model_name, step, applied):
        run = applied(model_name, step)
        assert torch.equal(run.random_before, run.random_after)

    def test_logits_keep_their_shape_and_are_finite(self, model_name, step, applied, images_of):
        model = applied(model_name, step).model
        found = model(images_of(model_name))
        assert found.shape == (100, 10)
        assert torch.isfinite(found).all()
        assert not model.training

    def test_result_is_a_plain_graph(self, model_name, step, applied):
        model = applied(model_name, step).model
        assert type(model).__mro__[1] is fx.GraphModule
        assert not any(nn.utils.parametrize.is_parametrized(layer) for layer in model.modules())
        assert all("shape" in node.meta for node in model.graph.nodes if node.op != "output")
        assert all(parameter.is_leaf for parameter in model.parameters())

    def test_can_be_cancelled(self, model_name, step, context_of):
        context = dataclasses.replace(context_of(model_name), watch=GIVEN_UP)
        with pytest.raises(Cancelled):
            apply_step(context.teacher, step, context)

    def test_progress_rises_to_one(self, model_name, step, applied):
        fractions = applied(model_name, step).fractions
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1

    def test_stored_file_decodes_to_what_was_exported(self, model_name, step, applied):
        run = applied(model_name, step)
        assert run.decoded.SerializeToString() == run.exported.SerializeToString()

    def test_runtime_equals_torch(self, model_name, step, applied, images_of):
        """Float networks within 1e-3 of the largest logit; with rounded activations, where a value on the edge
        between two codes may fall to either side, a step of the logits' range on average, same classes."""
        run, x = applied(model_name, step), images_of(model_name)
        model, expected = run.model, run.model(x).detach()
        found = torch.from_numpy(runtime_logits(run.decoded.SerializeToString(), x))
        size = expected.abs().max()
        steps = _activation_steps(model)
        if steps:
            assert (found - expected).abs().mean() <= size / steps
            assert (found.argmax(1) == expected.argmax(1)).float().mean() >= 0.97
        else:
            assert (found - expected).abs().max() <= 1e-3 * size


@pytest.mark.parametrize(("technique", "model_name"), NEUTRAL)
def test_neutral_setting_is_neutral(technique, model_name, context_of, images_of):
    contract, context, x = CONTRACTS[technique], context_of(model_name), images_of(model_name)
    changed = apply_step(context.teacher, contract.neutral, context)
    assert changed is not context.teacher
    difference = (changed(x) - context.teacher(x)).abs().max()
    assert difference <= contract.neutral_tolerance


@pytest.mark.parametrize("technique", CONTRACTS)
def test_slider_is_monotone(technique, context_of):
    contract = CONTRACTS[technique]
    context = context_of(contract.models[0])
    model = carried_out(context, *contract.start)
    effects = [contract.effect(apply_step(model, step, context), context) for step in contract.slider]
    assert all(right < left for left, right in pairwise(effects)), effects


@pytest.mark.parametrize("model_name", ["mlp-digits", "lenet5-mnist5k"])
def test_steps_compose(model_name, context_of, images_of):
    """The recipe of the design, and more: every step works on what the others leave."""
    context, x = context_of(model_name), images_of(model_name)
    steps = (
        Distillation(width_mult=0.8, epochs=0.1),
        ChannelPruning(pruning_ratio=0.3),
        MagnitudePruning(sparsity=0.5),
        ChannelPruning(pruning_ratio=0.2),
        FineTuning(epochs=0.1),
        Quantization(weight_bits=4, activation_bits=8),
        FineTuning(epochs=0.1),
    )
    model = carried_out(context, *steps)
    exported = to_onnx(model)
    assert decode(encode(exported)).SerializeToString() == exported.SerializeToString()
    found = runtime_logits(exported.SerializeToString(), x)
    assert (torch.from_numpy(found).argmax(1) == model(x).argmax(1)).float().mean() >= 0.97
