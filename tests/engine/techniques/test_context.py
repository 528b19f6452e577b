"""How many images fits run at once."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from compression.engine.network.tracing import trace
from compression.engine.primitives import execution
from compression.engine.primitives.execution import FEWEST_IMAGES
from compression.engine.techniques import apply_step, within_memory
from compression.engine.techniques.context import fitting_images
from compression.models.data import load_dataset
from compression.recipe.steps import (
    ChannelPruning,
    DepthwiseSeparable,
    LowRank,
    Quantization,
    SecondOrderPruning,
    WeightSharing,
)
from tests.support.networks import correct

SHAPE = (1, 8, 8)


def network(channels):
    return trace(nn.Sequential(nn.Conv2d(1, channels, 3), nn.Flatten(), nn.Linear(36 * channels, 10)), SHAPE)


def test_a_small_network_runs_all_of_them():
    dataset = load_dataset("digits")
    assert len(fitting_images(within_memory(dataset, network(4)))) == len(fitting_images(dataset)) == 512


@pytest.mark.parametrize(("room", "images"), [(100, 100), (300, 300), (1, FEWEST_IMAGES)])
def test_the_largest_value_decides_how_many(room, images, monkeypatch):
    monkeypatch.setattr(execution, "VALUE_BYTES", room * 4 * 36 * 6)
    dataset = load_dataset("digits")
    few = within_memory(dataset, network(6))
    assert few.at_once == images
    assert len(fitting_images(few)) == 512  # which come one after the other
    assert len(few.calibration) == min(images, len(dataset.calibration))
    assert len(few.train) == len(dataset.train)  # trainings go over all images
    assert torch.equal(fitting_images(few, 30), fitting_images(dataset, 30))


@pytest.mark.parametrize(
    "step",
    [
        ChannelPruning(pruning_ratio=0.3),
        Quantization(weight_bits=3, method="gptq"),
        Quantization(weight_bits=3, method="mse"),
        SecondOrderPruning(sparsity=0.7),
        LowRank(rank_ratio=0.7),
        WeightSharing(clusters=8),
        DepthwiseSeparable(share=0.3),
    ],
    ids=lambda step: step.technique,
)
def test_fits_on_images_that_come_one_after_the_other_are_as_good(step, resnet8, monkeypatch):
    usual = correct(apply_step(resnet8.teacher, step, resnet8), resnet8.dataset.validation)
    monkeypatch.setattr(execution, "FEWEST_IMAGES", 16)
    monkeypatch.setattr(execution, "VALUE_BYTES", 60 * 4 * 16 * 28 * 28)  # of the widest maps, room for 60
    streamed = replace(resnet8, dataset=within_memory(resnet8.dataset, resnet8.teacher))
    assert streamed.dataset.at_once == 60
    found = correct(apply_step(resnet8.teacher, step, streamed), resnet8.dataset.validation)
    assert found == pytest.approx(usual, abs=0.03)
