"""What is right for single cases: the numbers of quantized, shared and trained networks."""

import math
from functools import partial

import torch
from torch import nn

from compression.engine.measure.evaluation import logits_of
from compression.engine.measure.latency import measure_latency
from compression.explain.reasons import in_short
from compression.explain.verdict import speed_words
from compression.recipe.recipe import make_recipe
from compression.recipe.steps import Quantization, WeightSharing
from compression.results.timing import pooled
from tests.cases.checks import TECHNIQUES
from tests.cases.files import operators, run_onnx, steps_apart
from tests.cases.findings import need
from tests.cases.looking import distance, every_value, forward, quantizers_of, sites, weighted
from tests.cases.networks import SHAPE, rounded
from tests.cases.trial import BARS, Subject, split_of
from tests.support.made_up_results import MACHINE, fabricate

INTEGERS, EIGHT = TECHNIQUES["8/8"], TECHNIQUES["8"]


def moved(trial, model):
    """How far a network's logits are from the case's."""
    return distance(forward(trial.module, BARS), forward(model, BARS))


def rounding(trial, bits):
    """How far rounding to the nearest codes moves the logits."""
    return moved(trial, rounded(trial.module, bits))


def below(trial, steps, limit):
    """On `images` these steps move the logits by less than `limit`, in torch and in ONNX Runtime."""

    def check():
        right = forward(trial.module, BARS)
        found = forward(trial.on_bars.after(*steps), BARS), run_onnx(trial.on_bars.file(*steps), BARS)
        errors = [distance(right, logits) for logits in found]
        need(max(errors) <= limit, f"torch {errors[0]:.1%} off, the file {errors[1]:.1%}; at most {limit:.1%} is right")

    return check


def branches(trial):
    yield "8 bits", below(trial, EIGHT, 2 * rounding(trial, 8))


def equalized(trial):
    yield "equalize, float16", below(trial, (Quantization(weight_bits=16, equalize=True),), 0.005)
    yield (
        "equalize, 8 bits",
        below(trial, (Quantization(weight_bits=8, equalize=True),), 2 * rounding(trial, 8) + 0.002),
    )


def zero_branch(trial):
    tried = {f"{bits} bits": (Quantization(weight_bits=bits),) for bits in range(1, 9)}
    for bits in (1, 3):
        for method in ("nearest", "mse", "adaround"):
            tried[f"{bits} bits {method}"] = (Quantization(weight_bits=bits, method=method),)
    tried |= {f"mixed {bits}": (Quantization(weight_bits=bits, mixed_precision=True),) for bits in (2, 5)}
    tried |= {name: TECHNIQUES[name] for name in ("8/8", "sharing 4", "low rank", "separable", "coding")}
    tried["asymmetric"] = (Quantization(weight_bits=4, symmetric=False, activation_bits=8),)

    def check(steps):
        trial.subject.check_result(*steps)
        result = trial.subject.after(*steps)
        values = every_value(result, BARS)
        add = next(node for node in result.graph.nodes if node.name.startswith("add"))
        branch, other = (float(values[node].abs().max()) for node in add.args)
        binary = any(len(layer.weight.unique()) <= 2 for layer in weighted(result))  # two signs and no zero
        need(branch == 0 or (binary and branch < 1e-6 * other), f"the branch adds {branch:.1e} to {other:.1e}")

    for name, steps in tried.items():
        yield name, partial(check, steps)


def dead_inputs(trial):
    gptq = (Quantization(weight_bits=4, method="gptq"),)

    def scales():
        found = []
        for steps in (gptq, INTEGERS):
            result = trial.subject.after(*steps)
            grids = [layer.weight_format.grid for layer in weighted(result) if hasattr(layer, "weight_format")]
            for owner in (*grids, *quantizers_of(result).values()):
                found += torch.as_tensor(owner.scale).flatten().tolist()
        need(all(0 < scale < math.inf for scale in found), "a scale is not positive and finite")

    def dead_weights():
        layer, before = (sites(model)["b"] for model in (trial.subject.after(*gptq), trial.subject.model))
        grid = layer.weight_format.grid
        off = (layer.weight - grid.project(before.weight))[:, :4].abs().max() / grid.scale.max()
        need(off <= 1.01, f"weights of dead inputs are {off:.1f} codes from the nearest")

    yield "gptq 4", below(trial, gptq, 1.5 * rounding(trial, 4))
    yield "scales", scales
    yield "dead weights", dead_weights


def softened(trial):
    """Where softmax is let in: distilled as the network without it, whose logits differ by a constant an image."""
    plain = trial.case.build()
    plain.soft = nn.Identity()
    other = Subject(plain, trial.data)

    def check(steps):
        mine, its = (one.after(*steps).state_dict() for one in (trial.subject, other))
        worst = max(distance(its[name], tensor) for name, tensor in mine.items() if tensor.is_floating_point())
        need(worst <= 0.01, f"probabilities are softened again: weights are {worst:.0%} from those without softmax")

    for name in ("distillation", "fine-tuning"):
        yield name, partial(check, TECHNIQUES[name])


def lopsided(trial):
    yield "8/8", below(trial, INTEGERS, 0.15)


def big_bias(trial):
    def biases():
        right, found = (every_value(model, BARS) for model in (trial.on_bars.model, trial.on_bars.after(*INTEGERS)))
        name = next(node.name for node in found if str(node.target) in ("act", "mixed"))
        right, found = (next(value for node, value in one.items() if str(node) == name) for one in (right, found))
        off = float(((found - right).abs() / right.abs().clamp(min=1e-3))[:, ::2].max())
        need(off <= 0.01, f"the biases of 5 and -4.5 come out {off:.1%} off")

    yield "8/8", below(trial, INTEGERS, 0.10)
    yield "8", below(trial, EIGHT, 0.10)
    yield "biases", biases


def microscopic(trial):
    other = Subject(trial.twin, trial.bars)

    def check(steps):
        mine = moved(trial, trial.on_bars.after(*steps))
        its = distance(forward(trial.twin, BARS), forward(other.after(*steps), BARS))
        need(mine <= 2 * its + 1e-3, f"errs by {mine:.1%}, with ordinary numbers by {its:.1%}")

    names = ("8", "4", "float16", "sharing 4", "8/8", "equalize", "channels 0.5", "second order")
    tried = {name: TECHNIQUES[name] for name in names}
    tried["bfloat16"] = (Quantization(weight_bits=16, float_format="bfloat16"),)
    tried["sharing 64"] = (WeightSharing(clusters=64),)
    for name, steps in tried.items():
        yield name, partial(check, steps)


def exact(trial):
    def evaluation():
        split = split_of(BARS)
        right = forward(trial.subject.after(*INTEGERS), torch.from_numpy(split.x))
        off = distance(right, torch.from_numpy(logits_of(trial.subject.file(*INTEGERS), split)))
        need(off < 0.02, f"the engine's own evaluation is {off:.1%} off torch's fake quantization")

    yield "the engine's evaluation", evaluation


def borders(trial):
    def corners():
        steps, _ = steps_apart(trial.subject.after(*INTEGERS), trial.subject.file(*INTEGERS), BARS)
        for node, apart in steps.items():
            if apart.dim() == 4:
                apart[:, :, 1:-1, 1:-1] = 0
                need(apart.max() <= 1, f"codes at the border of {node.args[0]} are {apart.max():.0f} steps off")

    yield from exact(trial)
    yield "corners", corners


def curved(trial):
    def grids():
        found = {}
        for node, layer in quantizers_of(trial.on_bars.after(*INTEGERS)).items():
            low = -layer.zero_point * layer.scale
            found[str(node.args[0].target)] = low, low + 255 * layer.scale, layer.zero_point
        missing = {"hard_swish", "silu", "sigmoid"} - found.keys()
        need(not missing, f"no quantizer behind {missing}")
        for name, lowest in (("hard_swish", -0.34), ("silu", -0.25)):
            low, _, zero_point = found[name]
            need(zero_point > 0 and low < lowest, f"behind {name} the grid begins at {low:.3f}")
        _, high, _ = found["sigmoid"]
        need(0.9 < high < 1.05, f"behind the sigmoid the grid ends at {high:.3f}")

    def as_they_are():
        counts = operators(trial.subject.file())
        need(counts["HardSwish"] == counts["HardSigmoid"] == 1, f"{dict(counts)}")

    yield "8/8", below(trial, INTEGERS, 0.20)
    yield "grids", grids
    yield "operators", as_they_are
    yield "8/4", partial(trial.subject.check_result, Quantization(weight_bits=8, activation_bits=4))


def few_values(trial):
    def check(step):
        trial.subject.check_result(step)
        layers, before = sites(trial.subject.after(step)), sites(trial.subject.model)
        counts = {name: len(layer.weight.unique()) for name, layer in layers.items()}
        need(max(counts.values()) <= 16, f"values a layer: {counts}")
        if step.scope == "layer":
            need(counts["three"] == 3 and counts["one"] == 1, f"values a layer: {counts}")
            for name in ("three", "one"):
                need(torch.equal(layers[name].weight, before[name].weight), f"{name} is not as it was")
            need(bool((layers["negative"].weight <= 0).all()), "weights of the negative layer are positive")

    for weighting in ("none", "hessian"):
        for scope in ("layer", "global"):
            yield f"{weighting} {scope}", partial(check, WeightSharing(clusters=16, weighting=weighting, scope=scope))


def no_faster(trial):
    recipe = make_recipe("mlp-digits", list(INTEGERS))

    def told():
        files = trial.subject.file(*INTEGERS), trial.subject.file()
        ratio = pooled([measure_latency(*files, SHAPE, runs=40, narrow=math.inf).ratios])
        need(ratio.low <= ratio.at <= ratio.high, f"{ratio}")
        result = fabricate(recipe, latency_ratio=ratio.at, latency_ratio_low=ratio.low, latency_ratio_high=ratio.high)
        words = speed_words(result)
        need(not (ratio.low > 1 and "slower" not in words), words)
        need(not (ratio.high >= 1 and "faster" in words), words)

    def cause():
        machine = MACHINE.model_copy(update={"instruction_sets": ("avx512_vnni",)})
        slower = fabricate(
            recipe, latency_ratio_low=1.6, latency_ratio_high=1.9, integer_macs=2_293_000, machine=machine
        )
        reasons = in_short(slower)
        need(any("integers" in reason for reason in reasons), f"no cause is given: {reasons}")

    yield "latency", told
    yield "cause", cause


def alone(trial):
    """An image's answer does not depend on the batch it is in."""

    def check(bits):
        data = trial.subject.file(Quantization(weight_bits=bits, activation_bits=8, activations="dynamic"))
        x = BARS[:50]
        single = torch.cat([run_onnx(data, image[None]) for image in x])
        need(torch.equal(single, run_onnx(data, x)), "together the answers are others")
        need(
            torch.equal(single[:1], run_onnx(data, torch.cat([x[:1], 1000 * x[1:2]]))[:1]), "a bright image changes it"
        )

    for bits in (8, 4):
        yield f"dynamic {bits}/8", partial(check, bits)


NUMBERS = {
    "C14": branches,
    "C23": equalized,
    "C28": zero_branch,
    "C30": dead_inputs,
    "C55": softened,
    "C57": lopsided,
    "C58": big_bias,
    "C59": microscopic,
    "C61": exact,
    "C62": curved,
    "C63": borders,
    "C64": few_values,
    "C66": no_faster,
    "C67": alone,
}
"""The checks of each case that has any of its own."""
