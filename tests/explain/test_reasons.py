import pytest

from compression.explain.reasons import RULES, findings
from compression.kernels import KERNEL_CHANNELS
from compression.recipe.recipe import make_recipe
from tests.support.made_up_answers import BASELINE, anatomy, row
from tests.support.made_up_results import MACHINE, fabricate

MODEL = "lenet5-mnist5k"
INTEGERS = {"technique": "quantization", "weight_bits": 8, "activation_bits": 8}
CODES = tuple(
    layer.model_copy(update={"format": "codes", "bits": 4, "integer": True, "weight_bytes": layer.weight_bytes // 8})
    for layer in BASELINE
)


def found(title, steps=(), layers=BASELINE, others=(), result=None, **changes):
    """The finding whose title begins so."""
    measured = fabricate(make_recipe(MODEL, list(steps)), **(result or {}))
    seen = anatomy(layers, others, **changes)
    every = [one for question in RULES for one in findings(question, measured, seen)]
    (one,) = [one for one in every if one.title.startswith(title)]
    return one


def fits(one, *words):
    return all(word in one.measured for word in words)


@pytest.mark.parametrize("question", RULES)
def test_every_rule_speaks_and_those_that_fired_come_first(question):
    every = findings(question, fabricate(make_recipe(MODEL, [])), anatomy())
    assert len(every) == len(RULES[question])
    assert [one.fired for one in every] == sorted((one.fired for one in every), reverse=True)
    for one in every:
        assert one.measured.endswith(".")
        assert one.remedy.endswith(".")
        assert one.fired or one.recipe is None


class TestSize:
    def test_dense_zeros(self):
        steps = [{"technique": "magnitude_pruning", "sparsity": 0.9}, INTEGERS]
        ledger = {"weights": 100, "zeros": 620, "codebooks": 0, "scales": 0, "biases": 0, "rounding": 0, "graph": 280}
        one = found("Zeros stay dense", steps, result={"onnx_bytes": 1000, "runtime_ledger": ledger})
        assert one.fired
        assert fits(one, "62 % of the runtime file (620 bytes)")
        assert one.recipe is None  # nothing else is as small and as accurate
        assert not found("Zeros stay dense", steps, result={"runtime_ledger": ledger | {"zeros": 0}}).fired

    def test_zeros_that_nobody_pruned_are_no_cause(self):
        steps = [{"technique": "quantization", "weight_bits": 3}]
        parts = {"positions": 360, "scales": 20, "codes": 620}
        ledger = {"weights": 640, "zeros": 360}
        result = {"stored_bytes": 1000, "ledger": parts, "onnx_bytes": 1000, "runtime_ledger": ledger}
        layers = (row(nonzero=100), BASELINE[1])
        for title in ("Zeros stay dense", "Positions, scales", "Zeros are multiplied"):
            assert not found(title, steps, layers, result=result).fired
            pruned = [{"technique": "magnitude_pruning", "sparsity": 0.5}, *steps]
            assert found(title, pruned, layers, result=result).fired
        overhead = found("Positions, scales", steps, layers, result=result)
        assert fits(overhead, "20 bytes of scales")
        assert "positions" not in overhead.measured

    def test_no_more_bits_are_advised_to_one_that_has_fewer(self):
        steps = [{"technique": "quantization", "weight_bits": 3}]
        one = found("Layers are left in float", steps, (CODES[0], BASELINE[1]), result={"stored_bytes": 133_000})
        assert one.fired
        assert one.recipe is None

    def test_one_scale_a_layer_is_only_advised_where_it_was_as_accurate(self):
        for bits, is_advised in ((3, False), (4, True), (8, True)):
            steps = [{"technique": "quantization", "weight_bits": bits}]
            one = found("Positions, scales", steps, result={"stored_bytes": 1000, "ledger": {"scales": 400}})
            assert (one.recipe is not None) == is_advised

    def test_float_layers(self):
        one = found("Layers are left in float", layers=(CODES[0], BASELINE[1]), result={"stored_bytes": 133_000})
        assert one.fired
        assert fits(one, "1 of 2 layers", "(hidden)", "98 % of the stored file")
        assert one.recipe.steps[0].technique == "quantization"
        assert not found("Layers are left in float", [INTEGERS], CODES).fired

    def test_a_small_model(self):
        assert found("The model is so small that its structure", result={"stored_bytes": 500}).fired
        assert not found("The model is so small that its structure", result={"stored_bytes": 5000}).fired

    @pytest.mark.parametrize(
        ("part", "step", "setting"),
        [
            ("scales", INTEGERS, ("granularity", "tensor")),
            ("codebooks", {"technique": "weight_sharing", "clusters": 16}, ("scope", "global")),
        ],
    )
    def test_overhead(self, part, step, setting):
        parts = {"positions": 10, "scales": 20, "codebooks": 30} | {part: 400}
        one = found("Positions, scales", [step], result={"stored_bytes": 1000, "ledger": parts})
        assert one.fired
        assert fits(one, "% of the stored file", f"400 bytes of {part}")
        assert getattr(one.recipe.steps[0], setting[0]) == setting[1]

    def test_no_overhead(self):
        one = found("Positions, scales", result={"ledger": {"positions": 0, "scales": 0, "codebooks": 0}})
        assert not one.fired
        assert one.measured == "The stored file has no positions, scales or codebooks."

    def test_coding(self):
        one = found("The stored file is not", [{"technique": "entropy_coding", "coding": "packed"}])
        assert one.fired
        assert fits(one, "plain bits")
        assert one.recipe.steps[0].coding == "context"
        assert not found("The stored file is not").fired

    def test_one_layer(self):
        one = found("One layer", result={"stored_bytes": 140_000})
        assert one.fired
        assert fits(one, "hidden (Linear, 40.0 k parameters in 32 bits)", "93 %")
        assert not found("One layer", result={"stored_bytes": 1_400_000}).fired

    def test_whole_bytes(self):
        assert found("The runtime file has no codes", [INTEGERS], CODES).fired
        assert not found("The runtime file has no codes").fired

    def test_more_weights(self):
        assert found("The network has more weights", result={"params": 10_000_000}).fired
        assert not found("The network has more weights").fired


class TestSpeed:
    def test_a_cpu_without_dot_products(self):
        slow = found("The CPU has no", [INTEGERS], CODES)  # the made-up machine has AVX2 only
        assert slow.fired
        assert fits(slow, "Test CPU", "2 of 2 layers run on integers")
        fast = MACHINE.model_copy(update={"instruction_sets": ("avx2", "avx512_vnni")})
        other = found("The CPU has no", [INTEGERS], CODES, result={"machine": fast})
        assert not other.fired
        assert fits(other, "avx512_vnni")
        assert not found("The CPU has no").fired

    def test_codes_that_are_turned_into_floats(self):
        layers = (CODES[0].model_copy(update={"integer": False}), CODES[1])
        steps = [{"technique": "quantization", "weight_bits": 4}]
        able = MACHINE.model_copy(update={"instruction_sets": ("avx512_vnni",)})
        one = found("Layers compute in float", steps, layers, result={"macs": 140_000, "machine": able})
        assert one.fired
        assert fits(one, "1 of 2 layers", "71 % of the operations", "1 of them hold codes")
        assert one.recipe.steps[0].activation_bits == 8
        assert one.recipe.steps[0].weight_bits == 4
        assert not found("Layers compute in float").fired  # nobody asked for integers
        unable = found("Layers compute in float", steps, layers, result={"macs": 140_000})
        tiny = found("Layers compute in float", steps, layers, [("Add", 0.004)] * 20, result={"machine": able})
        assert unable.recipe is tiny.recipe is None
        assert "integer kernels are no faster" in unable.remedy

    def test_half_precision_gets_integers_instead(self):
        layers = (row(format="float16", bits=16),)
        one = found("Layers compute in float", [{"technique": "quantization", "weight_bits": 16}], layers)
        assert one.recipe is None or one.recipe.steps[0].weight_bits == 8

    def test_rounding(self):
        one = found("Rounding takes", [INTEGERS], CODES, [("QuantizeLinear", 0.01)])
        assert one.fired
        assert fits(one, "10 µs or 25 %")
        assert not found("Rounding takes", [INTEGERS], CODES, [("QuantizeLinear", 0.001)]).fired

    def test_dynamic_ranges_can_be_fixed(self):
        steps = [INTEGERS | {"activations": "dynamic"}]
        one = found("Rounding takes", steps, CODES, [("ReduceMax", 0.01)])
        assert fits(one, "finding ranges for each image")
        assert one.recipe.steps[0].activations == "static"

    def test_odd_channels(self):
        steps = [{"technique": "channel_pruning", "pruning_ratio": 0.3, "round_to": 1}]
        odd = row("conv1", shape=(13, 5, 5, 5))
        one = found("Channels are no multiple", steps, (odd, BASELINE[1]))
        assert one.fired
        assert fits(one, "conv1: 13", "67 % of the time")
        assert one.recipe.steps[0].round_to == KERNEL_CHANNELS
        whole = row("conv1", shape=(3 * KERNEL_CHANNELS, 5, 5, 5))
        assert not found("Channels are no multiple", steps, (whole, BASELINE[1])).fired
        assert not found("Channels are no multiple", steps).fired
        same = anatomy((odd,)).subject
        assert not found("Channels are no multiple", (), (odd,), baseline=same).fired  # it was so before

    def test_tiny_nodes(self):
        one = found("The model is so small that starting", others=[("Add", 0.004)] * 10)
        assert one.fired
        assert fits(one, "10 of 12 nodes", "57 % of the time")
        assert not found("The model is so small that starting").fired

    def test_zeros_are_multiplied(self):
        layers = (row(nonzero=100), BASELINE[1])
        steps = [{"technique": "magnitude_pruning", "sparsity": 0.9}]
        one = found("Zeros are multiplied", steps, layers)
        assert one.fired
        assert fits(one, "64 % of the operations", "faster in linear1")
        assert [step.technique for step in one.recipe.steps] == ["channel_pruning"]
        assert not found("Zeros are multiplied").fired

    def test_more_nodes(self):
        assert found("There are more nodes", others=[("Add", 0.001)] * 3).fired
        assert not found("There are more nodes").fired

    def test_weights_without_work(self):
        steps = [{"technique": "channel_pruning", "pruning_ratio": 0.3}]
        one = found("Weights went", steps, result={"params": 100_000, "macs": 2_200_000})
        assert one.fired
        assert fits(one, "4.2× fewer parameters, but 1.04× fewer operations")
        assert one.recipe.steps[0].target == "macs"
        by_layer = [{**steps[0], "levels": [["conv1", 0.5]]}, *steps[1:]]  # levels count channels, not operations
        unmoved = found("Weights went", by_layer, result={"params": 100_000, "macs": 2_200_000})
        assert unmoved.recipe is None
        assert "measured time" not in unmoved.remedy
        fewer_still = {"params": 100_000, "macs": 1_000_000}  # than 30 % of the operations would leave
        assert found("Weights went", steps, result=fewer_still).recipe is None
        assert not found("Weights went", steps, result={"params": 400_000, "macs": 2_200_000}).fired

    def test_layers_that_got_slower(self):
        slow = (CODES[0].model_copy(update={"ms": 0.05}), CODES[1])
        as_a_whole = {"latency_ratio": 1.3, "latency_ratio_low": 1.2, "latency_ratio_high": 1.4}
        one = found("Some layers got slower", [INTEGERS], slow, result=as_a_whole)
        assert one.fired
        assert fits(one, "1 of 2 layers", "together 30 µs more", "conv1 50 µs, 20 µs before")
        assert found("Some layers got slower", [INTEGERS], slow).recipe is None  # integers pay all the same
        assert one.recipe.steps[0].activation_bits is None
        assert not found("Some layers got slower", [INTEGERS], CODES).fired
        part = row("conv1_in", original="conv1", ms=0.05)
        assert not found("Some layers got slower", layers=(part,)).fired  # half of a layer is another one

    def test_time_outside_of_layers(self):
        one = found("The time is not spent", others=[("MaxPool", 0.01), ("Transpose", 0.01)])
        assert one.fired
        assert fits(one, "40 % of the time", "20 % into rearranging")
        assert not found("The time is not spent").fired


def test_a_remedy_is_a_legal_recipe_after_training_too():
    steps = [
        {"technique": "magnitude_pruning", "sparsity": 0.9},
        {"technique": "fine_tuning", "epochs": 1},
        {"technique": "weight_sharing", "clusters": 16},
    ]
    one = found("Zeros are multiplied", steps, (row(nonzero=10),))
    assert [step.technique for step in one.recipe.steps] == ["channel_pruning", "fine_tuning", "weight_sharing"]


def test_a_student_stays_first():
    steps = [
        {"technique": "slimmable_student", "width_mult": 0.5},
        {"technique": "magnitude_pruning", "sparsity": 0.9},
    ]
    one = found("Zeros are multiplied", steps, (row(nonzero=10),))
    assert [step.technique for step in one.recipe.steps] == ["slimmable_student", "channel_pruning"]
