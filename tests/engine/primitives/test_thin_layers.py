"""Forms of thin layers: what they cost, and that their chains compute what their factors say."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from compression.engine.network.form import count_costs
from compression.engine.network.tracing import trace
from compression.engine.primitives.factorization import composed
from compression.engine.primitives.moments import second_moments
from compression.engine.primitives.thin_layers import MatrixForm, SpatialForm, TuckerForm, make_chain, thin_form

SHAPE = (6, 11, 9)
LAYERS = {
    "3x3": nn.Conv2d(6, 8, 3, padding=1),
    "strided": nn.Conv2d(6, 8, (3, 5), stride=(2, 1), padding=(1, 2)),
    "dilated": nn.Conv2d(6, 8, 3, dilation=(2, 3), padding=(2, 3)),
    "1x1": nn.Conv2d(6, 8, 1, stride=2, padding=1),
    "linear": nn.Linear(6 * 11 * 9, 8),
}


def _model(*layers):
    flat = [nn.Flatten()] if isinstance(layers[0], nn.Linear) else []
    return trace(nn.Sequential(*flat, *layers), SHAPE)


def _form(layer, convolutions):
    model = _model(layer)
    node = next(node for node in model.graph.nodes if node.target in ("0", "1") and node.next.op == "output")
    return thin_form(model, node, convolutions)


def _moments(layer, n=64):
    x = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(1)) + 0.5
    x = x.flatten(1) if isinstance(layer, nn.Linear) else x
    return x, second_moments(layer, x, layer(x).detach(), centred=True)


CASES = [
    ("3x3", "tucker", (3, 4)),
    ("3x3", "tucker", (6, 4)),
    ("3x3", "tucker", (3, 8)),
    ("3x3", "spatial", (5,)),
    ("strided", "tucker", (3, 4)),
    ("strided", "spatial", (5,)),
    ("dilated", "tucker", (2, 7)),
    ("dilated", "spatial", (5,)),
    ("1x1", "tucker", (3,)),
    ("1x1", "spatial", (3,)),
    ("linear", "tucker", (3,)),
]


@pytest.mark.parametrize(("name", "convolutions", "ranks"), CASES)
class TestChains:
    def test_costs_are_those_of_the_chain(self, name, convolutions, ranks):
        layer = LAYERS[name]
        form = _form(layer, convolutions)
        with torch.no_grad():
            chain = make_chain(form, ranks, layer, _moments(layer)[1])
        counted = count_costs(_model(*chain))
        assert form.cost(ranks) == (counted.params - len(layer.bias), counted.macs)
        original = count_costs(_model(layer))
        assert form.cost(None) == (original.params - len(layer.bias), original.macs)

    def test_computes_what_its_factors_say(self, name, convolutions, ranks):
        """One convolution with the composed kernel, against the chain with its strides and paddings."""
        layer, form = LAYERS[name], _form(LAYERS[name], convolutions)
        with torch.no_grad():
            x, moments = _moments(layer)
            chain = make_chain(form, ranks, layer, moments)
            shape = (*layer.weight.shape, 1, 1)[:4]
            factors = form.factors(moments.best_weight().reshape(shape), moments.gram, ranks)
            weight = composed(factors)
            bias = moments.bias(weight.flatten(1)).float()
            expected = _answers(layer, x, weight.float(), bias)
            torch.testing.assert_close(chain(x), expected, atol=1e-4, rtol=1e-3)

    def test_weights_have_no_bias_but_the_last(self, name, convolutions, ranks):
        layer = LAYERS[name]
        with torch.no_grad():
            chain = make_chain(_form(layer, convolutions), ranks, layer, _moments(layer)[1])
        assert [part.bias is not None for part in chain] == [False] * (len(chain) - 1) + [True]
        assert all(part.weight.dtype == torch.float32 and part.weight.device.type == "cpu" for part in chain)


def _answers(layer, x, weight, bias):
    if isinstance(layer, nn.Linear):
        return functional.linear(x, weight.flatten(1), bias)
    return functional.conv2d(x, weight, bias, layer.stride, layer.padding, layer.dilation)


def test_each_kind_of_layer_has_its_form():
    assert isinstance(_form(LAYERS["linear"], "spatial"), MatrixForm)
    assert isinstance(_form(LAYERS["1x1"], "tucker"), MatrixForm)
    assert isinstance(_form(LAYERS["3x3"], "tucker"), TuckerForm)
    assert isinstance(_form(LAYERS["3x3"], "spatial"), SpatialForm)


def test_full_ranks():
    assert _form(LAYERS["3x3"], "tucker").full == (6, 8)
    assert _form(LAYERS["3x3"], "spatial").full == (18,)
    assert _form(LAYERS["linear"], "tucker").full == (8,)
    assert _form(nn.Conv2d(6, 80, 3), "tucker").full == (6, 54)  # a patch has only 54 numbers


@pytest.mark.parametrize(
    ("ratio", "round_to", "expected"), [(0.5, 1, (3, 4)), (0.01, 1, (1, 1)), (0.5, 4, (4, 4)), (0.9, 8, (6, 8))]
)
def test_ranks_are_rounded_and_at_least_one(ratio, round_to, expected):
    assert _form(LAYERS["3x3"], "tucker").ranks_at(ratio, round_to) == expected


def test_candidates_are_multiples_or_full():
    ranks = list(_form(nn.Conv2d(6, 30, 3), "tucker").candidates(4))
    assert {rank for _, rank in ranks} == {4, 8, 12, 16, 20, 24, 28, 30}
    assert {rank for rank, _ in ranks} == {4, 6}


def test_a_square_matrix_shrinks_below_half_of_its_rank():
    form = _form(nn.Conv2d(6, 6, 1), "tucker")
    assert form.shrinks((2,)) and not form.shrinks((3,))


def test_fewer_weights_with_more_operations_do_not_shrink():
    """With stride 4 the first factor of Tucker-2 works on sixteen times as many positions as the layer."""
    form = _form(nn.Conv2d(6, 8, 3, stride=4, padding=1), "tucker")
    chain, layer = form.cost((5, 5)), form.cost(None)
    assert chain.params < layer.params and chain.macs > layer.macs
    assert not form.shrinks((5, 5))


@pytest.mark.parametrize(
    ("name", "convolutions", "ranks"),
    [("3x3", "tucker", (3, 4)), ("3x3", "spatial", (5,)), ("linear", "tucker", (3,))],
)
def test_errors_tell_what_the_chain_loses(name, convolutions, ranks):
    """Exact for matrices, within a factor of two for kernels."""
    layer = LAYERS[name]
    with torch.no_grad():
        x, moments = _moments(layer, 400)
        chain = make_chain(_form(layer, convolutions), ranks, layer, moments)
        answers = layer(x)
        varying = answers - answers.mean([dim for dim in range(answers.dim()) if dim != 1], keepdim=True)
        measured = ((chain(x) - answers).square().sum() / varying.square().sum()).item()
    assert _form(layer, convolutions).errors(moments)(ranks) == pytest.approx(
        measured, rel=0.1 if name == "linear" else 1
    )
