"""How many images fits run at once."""

import pytest
import torch
from torch import nn

from compression.engine.network.tracing import trace
from compression.engine.techniques import context, within_memory
from compression.engine.techniques.context import FEWEST_IMAGES, fitting_images
from compression.models.data import load_dataset

SHAPE = (1, 8, 8)


def network(channels):
    return trace(nn.Sequential(nn.Conv2d(1, channels, 3), nn.Flatten(), nn.Linear(36 * channels, 10)), SHAPE)


def test_a_small_network_runs_all_of_them():
    dataset = load_dataset("digits")
    assert len(fitting_images(within_memory(dataset, network(4)))) == len(fitting_images(dataset)) == 512


@pytest.mark.parametrize(("room", "images"), [(100, 100), (300, 300), (1, FEWEST_IMAGES)])
def test_the_largest_value_decides_how_many(room, images, monkeypatch):
    monkeypatch.setattr(context, "VALUE_BYTES", room * 4 * 36 * 6)
    dataset = load_dataset("digits")
    few = within_memory(dataset, network(6))
    assert len(fitting_images(few)) == few.fits_on == images
    assert len(few.calibration) == min(images, len(dataset.calibration))
    assert len(few.train) == len(dataset.train)  # trainings go over all images
    assert torch.equal(fitting_images(few, 30), fitting_images(dataset, 30))
