"""What holds for every case: at the door, for each technique, beside its twin, and for steps in a row."""

import copy
import dataclasses
from functools import partial

import torch
from torch import nn

from compression.engine.network.form import count_costs
from compression.recipe.steps import (
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
    WeightSharing,
)
from tests.cases.files import run_onnx
from tests.cases.findings import need
from tests.cases.looking import count_by_hand, distance, forward, most_values, outputs_first, sites, weighted
from tests.cases.networks import SHAPE, parameters_of, rounded
from tests.cases.trial import EQUAL, seen_images

TRACED = 1e-6
"""Of the largest logit, computed in double precision. In float32 networks of these sizes are 3e-7 to 1e-5 off their own
exact answers, and another order of summation is as far off in another way."""

SAME_BYTES, FEW_BYTES = 0.01, 16

TRAINED_TWIN = 1e-3
"""Of the largest logit: fifteen steps of training multiply rounding errors of float32."""

ROUNDED_TWIN = 0.05
"""Of the largest logit: where activations are rounded, a value may lie on the edge between two codes."""

TECHNIQUES = {
    "channels 0.5": (ChannelPruning(pruning_ratio=0.5, round_to=1),),
    "zeros 0.5": (MagnitudePruning(sparsity=0.5, scope="global"),),
    "zeros 2:4": (MagnitudePruning(sparsity=0.5, pattern="2:4"),),
    "second order": (SecondOrderPruning(sparsity=0.5),),
    "8/8": (Quantization(weight_bits=8, activation_bits=8),),
    "8": (Quantization(weight_bits=8),),
    "4": (Quantization(weight_bits=4),),
    "2": (Quantization(weight_bits=2),),
    "1": (Quantization(weight_bits=1),),
    "float16": (Quantization(weight_bits=16),),
    "mixed": (Quantization(weight_bits=4, mixed_precision=True),),
    "gptq": (Quantization(weight_bits=4, method="gptq", activation_bits=8),),
    "equalize": (Quantization(weight_bits=8, equalize=True),),
    "equalize 16": (Quantization(weight_bits=16, equalize=True),),
    "sharing 4": (WeightSharing(clusters=4),),
    "tying": (LayerTying(blocks=2),),
    "low rank": (LowRank(rank_ratio=0.5, round_to=1),),
    "separable": (DepthwiseSeparable(),),
    "distillation": (Distillation(width_mult=1, epochs=1),),
    "fine-tuning": (FineTuning(epochs=1),),
    "coding": (Quantization(weight_bits=5), EntropyCoding(rate_weight=0.3)),
}
AGAIN = ("channels 0.5", "zeros 0.5", "second order", "4", "sharing 4")
"""What is done twice, as a network's answers are remembered."""


# --- at the door -----------------------------------------------------------------------------------------------------


def at_the_door(trial):
    """The network comes in and is written as a file. Where it is refused here, nothing of it can ever be shown."""
    yield "trace", lambda: trial.subject
    yield "export", partial(_exported, trial)


def once_inside(trial):
    yield "traced", partial(_traced, trial)
    yield "unchanged", trial.subject.check_unchanged
    yield "costs", partial(_costs, trial)


def _exported(trial):
    data = trial.subject.file()
    worst = max(distance(forward(trial.right, x), run_onnx(data, x)) for x in seen_images())
    need(worst <= EQUAL, f"the float ONNX is {worst:.1%} off")


def _traced(trial):
    right, found = (copy.deepcopy(module).double() for module in (trial.right, trial.subject.model))
    for x in seen_images():
        for count in (1, 7, 256):
            few = x[:count].double()
            off = distance(forward(right, few), forward(found, few))
            need(off <= TRACED, f"the traced network is {off:.1e} off for {count} images")


def _costs(trial):
    right = count_by_hand(trial.plain, SHAPE)
    found = dataclasses.asdict(count_costs(trial.subject.model))
    for name, value in (right | {"theoretical_bytes": 4 * right["nonzero_params"]}).items():
        need(found[name] == value, f"{name} {found[name]:,}, by hand {value:,}")


# --- techniques ------------------------------------------------------------------------------------------------------


def every_technique(trial):
    for name, steps in TECHNIQUES.items():
        yield name, partial(_technique, trial, name, steps)
    for name in AGAIN:
        if not trial.subject.failure(*TECHNIQUES[name]):
            yield f"{name} again", partial(_again, trial, TECHNIQUES[name])


def _again(trial, steps):
    """The same steps on the same network with the same seed give the same weights, whatever was done before."""
    first, second = trial.subject.after(*steps).state_dict(), trial.subject.anew(*steps).state_dict()
    for name, tensor in first.items():
        same = tensor.shape == second[name].shape and torch.equal(tensor.nan_to_num(), second[name].nan_to_num())
        need(same, f"done a second time it gives another {name}")


def _technique(trial, name, steps):
    trial.subject.check_result(*steps)
    if type(steps[-1]) in _EFFECTS:
        _EFFECTS[type(steps[-1])](trial.subject, steps)
    half = trial.case.half() if name == "channels 0.5" else None
    if half is not None:
        left = parameters_of(trial.subject.after(*steps))
        need(left <= half, f"{left} parameters are left of {parameters_of(trial.subject.model)}, not {half}")
    _harm(trial, name, steps)
    trial.subject.check_unchanged()


def _zeros(subject, steps):
    layers, step = weighted(subject.after(*steps)), steps[-1]
    zeros = 1 - sum(int(one.weight.count_nonzero()) for one in layers) / sum(one.weight.numel() for one in layers)
    enough = 0.3 if step.pattern == "2:4" else step.sparsity - 0.05
    need(zeros >= enough, f"only {zeros:.0%} zeros instead of {step.sparsity:.0%}")
    for rows in map(outputs_first, layers) if step.pattern == "2:4" else ():
        full = rows[:, : rows.shape[1] // 4 * 4].reshape(len(rows), -1, 4)
        most = int(full.count_nonzero(2).max()) if full.numel() else 0
        need(most <= 2, "more than 2 of 4 neighbouring weights are left")


def _few_codes(subject, steps):
    layers, step = weighted(subject.after(*steps)), steps[-1]
    if step.weight_bits == 16:
        kinds = (torch.float16, torch.bfloat16)
        short = all(any(torch.equal(one.weight.to(kind).float(), one.weight) for kind in kinds) for one in layers)
        need(short, "weights are no 16-bit numbers")
    elif not step.mixed_precision:
        levels = max(most_values(outputs_first(layer)) for layer in layers)
        need(levels <= 2**step.weight_bits, f"{levels} different weights in one channel at {step.weight_bits} bits")


def _few_values(subject, steps):
    levels = max(len(layer.weight.unique()) for layer in weighted(subject.after(*steps)))
    need(levels <= steps[-1].clusters, f"{levels} different weights with {steps[-1].clusters} clusters")


def _fewer_parameters(subject, steps):
    left = parameters_of(subject.after(*steps))
    need(left < parameters_of(subject.model), f"{left} parameters, as many as before: nothing was done")


def _trained(subject, steps):
    """Weights have changed if the training says that they did."""
    pairs = zip(weighted(subject.after(*steps)), weighted(subject.model), strict=True)
    changed = any(not torch.equal(one.weight, other.weight) for one, other in pairs)
    claims = subject.trainings[steps].helped
    need(changed or not claims, "training has changed no weight, and says that it did")
    need(claims or not changed, "training has changed weights, and says that it kept the untrained network")


_EFFECTS = {
    ChannelPruning: _fewer_parameters,
    MagnitudePruning: _zeros,
    SecondOrderPruning: _zeros,
    Quantization: _few_codes,
    WeightSharing: _few_values,
    LowRank: _fewer_parameters,
    Distillation: _trained,
    FineTuning: _trained,
}
"""Whether the technique did what it is for."""


def _harm(trial, name, steps):
    """Logits move at most twice as far as rounding to the nearest code moves them."""
    if name not in ("8", "float16", "equalize 16") or trial.id == "C59":
        return
    _, x = seen_images()
    limit = 0.05 if "equalize" in name and any(isinstance(part, nn.ReLU6) for part in trial.module.modules()) else 0.01
    right, (_, found) = forward(trial.right, x), trial.subject.answers(*steps)
    if name == "8":
        yardstick = forward(rounded(trial.plain, 8), x)
        if trial.id == "C55":  # its outputs are probabilities
            right, found, yardstick = (
                values.log() - values.log().mean(1, True) for values in (right, found, yardstick)
            )
        limit = 0.002 + 2 * distance(right, yardstick)
    moved = distance(right, found)
    need(moved <= limit, f"logits move by {moved:.1%}; rounding to the nearest number costs at most {limit:.1%}")


# --- the twin --------------------------------------------------------------------------------------------------------


def like_its_twin(trial):
    """Whatever a technique makes of the case answers like what it makes of the twin, and takes as many bytes."""
    yield "float", partial(same, trial.subject, trial.other, (), EQUAL, bytes_too=trial.id not in OTHER_TWINS)
    for name, steps in TECHNIQUES.items() if trial.id not in OTHER_TWINS else ():
        trains = name in ("distillation", "fine-tuning")
        if not (trains and trial.id == "C19"):  # which differs in training on purpose
            yield name, partial(_as_the_twin, trial, steps, TRAINED_TWIN if trains else EQUAL)


OTHER_TWINS = ("C12", "C59")
"""Twins that are not the same network to every technique: the case's own checks compare them."""


def _as_the_twin(trial, steps, limit):
    """Where the case itself fails, the check of techniques says so; where the twin does, nothing can be said."""
    if not (trial.subject.failure(*steps) or trial.other.failure(*steps)):
        same(trial.subject, trial.other, steps, limit)


def same(one, other, steps, limit=EQUAL, *, bytes_too=True):
    """These steps give two networks the same logits and as many bytes."""
    if any(getattr(step, "activation_bits", None) for step in steps):
        limit = ROUNDED_TWIN
    worst = max(map(distance, other.answers(*steps), one.answers(*steps)))
    need(worst <= limit, f"logits differ from the twin's by {worst:.1%}")
    sizes = one.size(*steps), other.size(*steps)
    if bytes_too and 0 not in sizes:
        near = abs(sizes[0] - sizes[1]) <= max(SAME_BYTES * sizes[1], FEW_BYTES)
        need(near, f"{sizes[0]:,} bytes, the twin {sizes[1]:,}")


# --- steps in a row --------------------------------------------------------------------------------------------------


def steps_in_a_row(trial):
    narrow = ChannelPruning(pruning_ratio=0.5, round_to=1), Quantization(weight_bits=8, activation_bits=8)
    yield "channels, 8/8", partial(trial.subject.check_result, *narrow)
    sparse = MagnitudePruning(sparsity=0.8), WeightSharing(clusters=4), FineTuning(epochs=1)
    yield "zeros 0.8, sharing 4, training", partial(zeros_stay, trial.subject, *sparse)


def zeros_stay(subject, *steps):
    """What the first of these steps made zero is zero after the last, and the network is right."""
    before, after = sites(subject.after(steps[0])), sites(subject.after(*steps))
    for name, layer in before.items():
        need(not bool(after[name].weight[layer.weight == 0].any()), f"zeros of {name} have drifted")
    subject.check_result(*steps)
