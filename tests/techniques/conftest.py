"""Sample models with what a technique needs to work on them."""

import functools

import pytest
import torch

from compression.data import load_dataset
from compression.network import trace
from compression.techniques import Context
from sample_models.catalogue import find_model


@functools.cache
def make_context(name, seed=0):
    """The trained model of the catalogue as teacher, its data, and students."""
    entry = find_model(name)
    dataset = load_dataset(entry.dataset)
    shape = dataset.input_shape
    return Context(dataset, trace(entry.load(), shape), lambda width: trace(entry.build(width), shape), seed)


@pytest.fixture(scope="session")
def context_of():
    return make_context


@pytest.fixture(scope="session")
def images_of():
    """The first 100 validation images of a model's data set."""
    return lambda name: torch.from_numpy(make_context(name).dataset.validation.head(100).x)
