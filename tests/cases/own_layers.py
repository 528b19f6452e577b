"""What is right for single cases: their layers, channels, names and classes."""

from functools import partial

import onnx
import torch
from torch import nn

from compression.engine.measure.evaluation import predict
from compression.engine.network.form import count_costs, count_macs
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.moments import second_moments
from compression.engine.primitives.thin_layers import make_chain, thin_form
from compression.recipe.steps import (
    ChannelPruning,
    FineTuning,
    LowRank,
    MagnitudePruning,
    Quantization,
    SecondOrderPruning,
    WeightSharing,
)
from tests.cases.checks import FEW_BYTES, TECHNIQUES, same, zeros_stay
from tests.cases.files import kernels_of, operators, run_onnx, tensors, weights_in
from tests.cases.findings import need
from tests.cases.looking import count_by_hand, distance, every_value, forward, sites, weighted
from tests.cases.networks import SHAPE, parameters_of
from tests.cases.own_numbers import moved, rounding
from tests.cases.trial import BARS, Subject, seen_images, split_of, written

HALF, INTEGERS, EIGHT = (TECHNIQUES[name] for name in ("channels 0.5", "8/8", "8"))


def divisible_groups(trial):
    groups = {"C01": {"mid.0": 4, "out": 4}, "C02": {"pairs": 2, "thirds": 3}}[trial.id]

    def check(ratio, round_to):
        step = ChannelPruning(pruning_ratio=ratio, round_to=round_to)
        trial.subject.check_result(step)
        result = trial.subject.after(step)
        for name, count in groups.items():
            layer = sites(result)[name]
            need(layer.groups == count, f"{name} has {layer.groups} groups, not {count}")
            need(layer.in_channels % count == layer.out_channels % count == 0, f"{name} does not divide by {count}")
        if trial.id == "C01" and ratio == 0.5:  # 8 channels are a multiple of 4
            left, half = parameters_of(result), trial.case.half()
            need(left <= half, f"{left} parameters are left, not {half}")

    for ratio, round_to in ((0.5, 1), (0.5, 4), (0.3, 1)):
        yield f"ratio {ratio}, round_to {round_to}", partial(check, ratio, round_to)


def multiplier(trial):
    def pruned():
        layer = sites(trial.subject.after(*HALF))["wide.0"]
        need(layer.groups == layer.in_channels and layer.out_channels == 2 * layer.in_channels, f"{layer}")

    def scales():
        data = trial.subject.file(*INTEGERS)
        shapes = {name: values.shape for name, values in tensors(data).items()}
        nodes = onnx.load_from_string(data).graph.node
        mine = [node for node in nodes if node.op_type == "DequantizeLinear"]
        found = [shapes[node.input[1]] for node in mine if shapes.get(node.input[0]) == (16, 1, 3, 3)]
        need(found == [(16,)], f"scales of the depthwise layer have shapes {found}, not (16,)")

    yield "multiplier", pruned
    yield "scales", scales


def widths(trial):
    def check():
        layers = sites(trial.subject.after(*HALF))
        if trial.id == "C04":
            need(layers["narrow.0"].out_channels == layers["widen.0"].in_channels == 1, "the bottleneck has changed")
        else:
            need(layers["read.0"].in_channels == 2 * layers["stem.0"].out_channels, "the reader is not twice as wide")

    yield "widths", check


def stored_once(trial):
    def check():
        found = [values.dtype.name for values in weights_in(trial.subject.file()) if values.shape == (8, 8, 3, 3)]
        need(found == ["float32"], f"weights of the common layer are stored as {found}")

    yield "float weights once", check


def tied(trial):
    def once():
        found = count_costs(trial.subject.model)
        need(found.params == 786, f"{found.params} parameters, not 786")
        need(found.theoretical_bytes == 4 * 786, f"{found.theoretical_bytes} bytes, not {4 * 786}")

    def quantized():
        result = trial.subject.after(*EIGHT)
        trial.subject.file(*EIGHT)  # asserts that weights lie on their grids
        weights = {id(layer.weight): layer.weight for layer in weighted(result)}.values()
        others = parameters_of(result) - sum(weight.numel() for weight in weights)
        needed = sum(int(weight.count_nonzero()) for weight in weights) + 4 * others
        found = count_costs(result).theoretical_bytes
        need(found >= needed, f"{found} theoretical bytes, weights that are not zero and the rest need {needed}")
        off, most = moved(trial, result), 2 * rounding(trial, 8) + 0.01
        need(off <= most, f"8 bits move the logits by {off:.1%}, more than {most:.1%}")

    yield "counted once", once
    yield "quantized", quantized


def unused(trial):
    tried = {
        "taylor": ChannelPruning(pruning_ratio=0.5, round_to=1, importance="taylor"),
        "activation": ChannelPruning(pruning_ratio=0.5, round_to=1, importance="activation"),
        "sensitivity": ChannelPruning(pruning_ratio=0.5, round_to=1, ratios="sensitivity"),
        "macs": ChannelPruning(pruning_ratio=0.5, round_to=1, target="macs"),
        "second order": SecondOrderPruning(sparsity=0.5),
        "hessian": WeightSharing(clusters=8),
        "adaround": Quantization(weight_bits=3, method="adaround"),
    }
    for name, step in tried.items():
        yield name, partial(same, trial.subject, trial.other, (step,))

    def bytes_and_macs():
        sizes, macs = zip(*((one.size(), count_macs(one.model)) for one in (trial.subject, trial.other)), strict=True)
        need(macs[0] == macs[1], f"{macs[0]:,} operations, {macs[1]:,} without the unused branch")
        need(abs(sizes[0] - sizes[1]) <= FEW_BYTES, f"{sizes[0]} bytes, {sizes[1]} without the unused branch")

    yield "bytes and MACs", bytes_and_macs


def dropped(trial):
    def twice():
        with torch.no_grad():
            answers = [trial.subject.model(BARS[:7].clone()) for _ in range(2)]
        need(torch.equal(*answers), f"two evaluations differ by {distance(*answers):.0%}")

    yield "evaluated twice", twice


def effective_weights(trial):
    def zeros():
        weights = weights_in(trial.subject.file(MagnitudePruning(sparsity=0.8)))
        share = 1 - sum((values != 0).sum() for values in weights) / sum(values.size for values in weights)
        need(share > 0.75, f"{share:.0%} zeros in the decoded file, not 80 %")

    yield "80 % zeros in the file", zeros


class Renamed(nn.Module):
    """The layers of `NameClash` under other names."""

    def __init__(self, module):
        super().__init__()
        self.a, self.act, self.b, self.c = module.quantizer_0, nn.ReLU(), module.quantizer_1, module.quantizer_1_in
        self.d, self.e, self.head = module.parts["3x3-größe"], module.parts["logits"], module.head

    def forward(self, x):
        x = self.act(self.c(self.act(self.b(self.act(self.a(x))))))
        return self.head(self.act(self.e(self.act(self.d(x)))))


def other_names(trial):
    other = Subject(Renamed(trial.case.build()).eval(), trial.data)
    for name, steps in TECHNIQUES.items():
        if not (trial.subject.failure(*steps) and other.failure(*steps)):
            yield name, partial(same, trial.subject, other, steps)


def nothing_empty(trial):
    def sparse(step):
        trial.subject.check_result(step)
        result = trial.subject.after(step)
        for name, layer in sites(result).items():
            need(bool(layer.weight.any()), f"{name} is empty")
        folded = fold_batch_norm(result)
        zeros = int(sum((values == 0).sum() for values in weights_in(written(folded)[0])))
        costs = count_costs(folded)
        found = costs.params - costs.nonzero_params
        need(found == zeros, f"{found} zeros, {zeros} in the file")

    for kind, sparsity in ((MagnitudePruning, 0.95), (SecondOrderPruning, 0.95), (MagnitudePruning, 0.999)):
        yield f"{kind.__name__} {sparsity}", partial(sparse, kind(sparsity=sparsity))
    yield "channels 0.8", partial(trial.subject.check_result, ChannelPruning(pruning_ratio=0.8, round_to=1))


def directions(trial):
    def integers():
        kernels = kernels_of(trial.subject.file(*INTEGERS))
        need(kernels["QLinearConv"] == 4, f"not all of 4 convolutions run as QLinearConv: {dict(kernels)}")

    def full_rank(form):
        model, (_, x) = trial.subject.model, seen_images()
        values = every_value(model, x)
        for node in model.graph.nodes:
            if str(node.target) in ("row", "column", "odd"):
                layer, given = model.get_submodule(str(node.target)), values[node.args[0]]
                with torch.no_grad():
                    moments = second_moments(layer, given, values[node], centred=True)
                    thin = thin_form(model, node, form)
                    off = distance(values[node], make_chain(thin, thin.full, layer, moments)(given))
                need(off <= 1e-3, f"at full rank {node} is {off:.1%} off")

    yield "QLinearConv", integers
    for form in ("tucker", "spatial"):
        yield f"{form} at full rank", partial(full_rank, form)
        step = LowRank(rank_ratio=0.4, round_to=1, convolutions=form, ranks="uniform")
        yield f"{form} 0.4", partial(trial.subject.check_result, step)


def on_a_map(trial):
    def macs():
        found, right = count_macs(trial.subject.model), count_by_hand(trial.module, SHAPE)["macs"]
        need(found == right, f"{found} MACs, by hand {right}")

    yield "MACs", macs


def transposed(trial):
    def check():
        shapes = [values.shape for values in tensors(trial.subject.file(*EIGHT)).values()]
        scales = [shape for shape in shapes if [size for size in shape if size > 1] == [24]]
        need((24, 8, 1, 1) in shapes and scales, f"no 24 scales for the transposed convolution: {shapes}")

    yield "24 scales", check


def many_classes(trial):
    def check(*steps):
        for split in (trial.data.test, split_of(BARS)):
            right = forward(trial.subject.after(*steps), torch.from_numpy(split.x)).argmax(1)
            found = torch.from_numpy(predict(trial.subject.file(*steps), split)).long()
            wrong = int((found != right).sum())
            need(wrong <= len(right) // 100, f"{wrong} of {len(right)} predicted classes are wrong")

    yield "float", check
    yield "8", partial(check, *EIGHT)


def as_modules(trial):
    def same_nodes():
        files = [one.file(*INTEGERS) for one in (trial.subject, trial.other)]
        mine, its = (operators(file)["QuantizeLinear"] for file in files)
        need(mine == its, f"{mine} QuantizeLinear, the twin of modules {its}")
        kernels = [kernels_of(file) for file in files]
        need(kernels[0] == kernels[1], f"kernels {dict(kernels[0])}, the twin {dict(kernels[1])}")

    def unoptimized():
        data, (_, x) = trial.subject.file(*INTEGERS), seen_images()
        answers = [run_onnx(data, x, optimize=optimize).argmax(1) for optimize in (True, False)]
        others = float((answers[0] != answers[1]).float().mean())
        need(others <= 0.02, f"without optimizations {others:.1%} of the classes are others")

    yield "nodes", same_nodes
    yield "without optimizations", unoptimized


def depthwise(trial):
    def three():
        layers = sites(trial.subject.after(WeightSharing(clusters=3)))
        counts = {name: len(layer.weight.unique()) for name, layer in layers.items()}
        need(max(counts.values()) <= 3, f"values a layer: {counts}")

    yield "3 clusters", three
    patterned, sparse = MagnitudePruning(sparsity=0.5, pattern="2:4"), MagnitudePruning(sparsity=0.7)
    training = FineTuning(epochs=2)
    rows = {
        "2:4, training": (patterned, training),
        "zeros, training": (sparse, training),
        "2:4, sharing 3, training": (patterned, WeightSharing(clusters=3), training),
        "zeros, 4 bits, training": (sparse, Quantization(weight_bits=4), FineTuning(epochs=2, learn_scales=True)),
    }
    for name, steps in rows.items():
        yield name, partial(zeros_stay, trial.subject, *steps)


LAYERS = {
    "C01": divisible_groups,
    "C02": divisible_groups,
    "C03": multiplier,
    "C04": widths,
    "C05": widths,
    "C10": stored_once,
    "C12": tied,
    "C17": unused,
    "C19": dropped,
    "C21": effective_weights,
    "C25": other_names,
    "C31": nothing_empty,
    "C36": directions,
    "C38": on_a_map,
    "C49": transposed,
    "C53": many_classes,
    "C56": as_modules,
    "C65": depthwise,
}
"""The checks of each case that has any of its own."""
