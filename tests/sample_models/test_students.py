"""Students of other families: shapes, sizes, and that the engine can do with them what it does with any model."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from compression.engine.build import build_student as build_for_step
from compression.engine.files import export
from compression.engine.network.form import count_costs
from compression.engine.network.tracing import trace
from compression.engine.primitives.batch_norm import BatchNorm
from compression.engine.primitives.calibration import insert_quantizers, quantization_points
from compression.engine.primitives.channels import channel_groups, remove_units
from compression.engine.training.loop import train
from compression.models.data import load_dataset
from compression.models.subject import subject_of
from compression.recipe.steps import Distillation
from compression.watch import SILENT
from sample_models.small_inputs import SMALLEST_MAP, Resize, strides
from sample_models.students import FAMILIES, build_student
from tests.support.networks import correct, runtime_logits, samples_of

SIZES = [
    ((1, 8, 8), {"width_mult": 0.25, "depth_mult": 0.5}),
    ((1, 28, 28), {"width_mult": 0.1, "depth_mult": 0.2, "resolution": 10}),
    ((3, 32, 32), {"width_mult": 0.5, "depth_mult": 0.2, "resolution": 20}),
    ((1, 8, 8), {"width_mult": 0.3, "depth_mult": 0.2, "resolution": 12}),
]
EVERY = [(family, shape, settings) for family in FAMILIES for shape, settings in SIZES]


def _build(family, shape, **settings):
    torch.manual_seed(0)
    return build_student(family, input_shape=shape, classes=10, **settings)


def _graph(family, shape, **settings):
    """With batch-norm statistics of something that went through."""
    network = _build(family, shape, **settings)
    for norm in network.modules():
        if isinstance(norm, BatchNorm):
            norm.momentum = 1.0
    network.train()(_images(shape, 32))
    return trace(network, shape)


def _images(shape, n=16):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(1))


def _runtime(model, x):
    return runtime_logits(export.to_onnx(model).SerializeToString(), x)


@pytest.mark.parametrize(("family", "shape", "settings"), EVERY)
def test_runtime_equals_torch(family, shape, settings):
    model, x = _graph(family, shape, **settings), _images(shape)
    with torch.no_grad():
        expected = model(x).numpy()
    assert expected.shape == (16, 10) and expected.std() > 0
    np.testing.assert_allclose(_runtime(model, x), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("family", FAMILIES)
class TestFamilies:
    def test_width_and_depth_shrink_it(self, family):
        sizes = [{"width_mult": width} for width in (0.5, 0.2)] + [{"width_mult": 0.2, "depth_mult": 0.3}]
        costs = [count_costs(trace(_build(family, (1, 8, 8), **size), (1, 8, 8))) for size in sizes]
        assert all(small.params < large.params and small.macs < large.macs for large, small in pairwise(costs))

    def test_resolution_changes_operations_and_no_weights(self, family):
        small, large = (
            count_costs(trace(_build(family, (1, 28, 28), width_mult=0.1, resolution=side), (1, 28, 28)))
            for side in (14, None)
        )
        assert small.params == large.params
        assert small.macs < 0.4 * large.macs

    def test_the_last_map_is_not_too_small(self, family):
        for side in (8, 28, 32):
            model = trace(_build(family, (1, side, side), width_mult=0.1, depth_mult=0.2), (1, side, side))
            maps = [node.meta["shape"][2] for node in model.graph.nodes if len(node.meta.get("shape", ())) == 4]
            assert min(size for size in maps if size > 1) >= SMALLEST_MAP

    def test_macs_are_those_of_the_layers_that_run(self, family):
        """Counted again by watching torch."""
        network, counted = _build(family, (1, 8, 8), width_mult=0.25, depth_mult=0.5).eval(), []

        def count(layer, inputs, output):
            counted.append(layer.weight.numel() * output[0, 0].numel())

        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.register_forward_hook(count)
        network(_images((1, 8, 8), 1))
        expected = sum(counted)
        for layer in network.modules():
            layer._forward_hooks.clear()
        assert count_costs(trace(network, (1, 8, 8))).macs == expected

    def test_the_graph_overwrites_nothing(self, family):
        model = trace(_build(family, (1, 8, 8), width_mult=0.1, depth_mult=0.2), (1, 8, 8))
        assert not any(getattr(layer, "inplace", False) for layer in model.modules())
        assert "+=" not in model.code and "iadd" not in model.code
        assert not any("stochastic" in str(node.target) for node in model.graph.nodes)

    def test_the_same_seed_gives_the_same_network(self, family):
        one, two = (_build(family, (1, 8, 8), width_mult=0.2).state_dict() for _ in range(2))
        assert all(torch.equal(one[name], two[name]) for name in one)

    def test_8_bit_activations_run_alike(self, family):
        """Within a few steps of 256 on the logits' range."""
        model, x = _graph(family, (1, 8, 8), width_mult=0.25, depth_mult=0.2), _images((1, 8, 8), 40)
        with torch.no_grad():
            before = model(x)
        insert_quantizers(model, samples_of(model, x), 8, SILENT)
        with torch.no_grad():
            expected = model(x)
        found = torch.from_numpy(_runtime(model, x))
        assert len(quantization_points(model)) > 0
        assert (found - expected).abs().mean() <= expected.abs().max() / 100
        assert (before - expected).square().mean() <= 0.1 * before.var()

    def test_channels_can_be_removed(self, family):
        """Through squeeze-and-excitation too: what scales a channel goes with it."""
        model, x = _graph(family, (1, 8, 8), width_mult=0.25, depth_mult=0.4, resolution=12), _images((1, 8, 8))
        groups = channel_groups(model)
        smaller, _ = remove_units(model, [unit for group in groups for unit in group[: len(group) // 3]])
        assert count_costs(smaller).params < 0.7 * count_costs(model).params
        with torch.no_grad():
            expected = smaller(x).numpy()
        np.testing.assert_allclose(_runtime(smaller, x), expected, atol=1e-5 * np.abs(expected).max())

    def test_a_channel_that_is_zero_can_be_removed_without_a_trace(self, family):
        model, x = _graph(family, (1, 8, 8), width_mult=0.25, depth_mult=0.4), _images((1, 8, 8))
        group = max(channel_groups(model), key=len)
        for part in (part for unit in group[:3] for part in unit if part.dim == 1):
            with torch.no_grad():
                model.get_submodule(part.layer).weight[:, part.position] = 0
        smaller, _ = remove_units(model, group[:3])
        torch.testing.assert_close(smaller(x), model(x), atol=1e-5, rtol=1e-4)


def test_a_step_gets_the_student_that_it_asks_for():
    subject = subject_of("mlp-digits")
    entry, dataset = subject.entry, subject.data.load()
    same = build_for_step(subject, dataset, Distillation(width_mult=0.5))
    assert count_costs(same).params == count_costs(trace(entry.build(0.5), (1, 8, 8))).params
    step = Distillation(student="squeezenet", width_mult=0.2, depth_mult=0.5, resolution=12)
    other = build_for_step(subject, dataset, step)
    expected = trace(_build("squeezenet", (1, 8, 8), width_mult=0.2, depth_mult=0.5, resolution=12), (1, 8, 8))
    assert other.code == expected.code


def test_a_student_learns_within_a_few_epochs():
    dataset = load_dataset("digits")
    student = _build("squeezenet", dataset.input_shape, width_mult=0.2, depth_mult=0.3)
    train(student, dataset, epochs=12, learning_rate=0.05, seed=0)
    assert correct(student, dataset.validation) >= 0.85


class TestSmallInputs:
    @pytest.mark.parametrize(
        ("side", "expected"),
        [(4, (1, 1, 1, 1)), (8, (1, 2, 1, 1)), (28, (1, 2, 2, 1)), (32, (1, 2, 2, 2)), (64, (2, 2, 2, 2))],
    )
    def test_strides(self, side, expected):
        assert strides(4, side) == expected

    @pytest.mark.parametrize("before", [(28, 28), (8, 8), (7, 12)])
    @pytest.mark.parametrize("after", [(14, 14), (10, 10), (4, 4), (36, 20)])
    def test_resizing_keeps_brightness_and_runs_alike(self, before, after):
        model = trace(Resize(before, after), (2, *before))
        x = _images((2, *before)) + 3
        found = model(x)
        assert found.shape[2:] == after
        torch.testing.assert_close(found.mean((2, 3)), x.mean((2, 3)), atol=0.5, rtol=0)
        np.testing.assert_allclose(_runtime(model, x), found.numpy(), atol=1e-5)

    def test_halving_averages_all_pixels(self):
        x = _images((1, 28, 28))
        torch.testing.assert_close(Resize((28, 28), (14, 14))(x), functional.interpolate(x, (14, 14), mode="area"))
