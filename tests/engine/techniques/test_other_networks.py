"""Techniques on networks that are no chains of convolutions: attention, windows, shuffled channels."""

import numpy as np
import pytest
import torch

from compression.engine.files.export import to_onnx
from compression.engine.files.stored_file import decode, encode
from compression.engine.network.form import clone
from compression.engine.network.tracing import trace
from compression.engine.techniques import apply_step
from compression.engine.techniques.context import Context
from compression.models.data import Augmentation, Dataset, Split
from tests.engine.techniques.test_contract import CONTRACTS
from tests.support import token_networks
from tests.support.networks import runtime_logits

NOT_FOR_THESE = {"slimmable_student", "layer_tying"}
STEPS = [contract.settings[0] for technique, contract in CONTRACTS.items() if technique not in NOT_FOR_THESE]


def _split(count):
    random = np.random.default_rng(count)
    y = random.integers(0, 3, count)
    images = random.integers(0, 120, (count, *token_networks.SHAPE)) + 40 * y[:, None, None, None]
    return Split(images.astype(np.uint8), y, 255, (0.5,), (0.25,))


DATA = Dataset("three", ("a", "b", "c"), Augmentation(), *map(_split, (200, 100, 101, 102)))


CASES = [
    (name, step)
    for name in ("attention", "class token", "windows", "shuffle")
    for step in STEPS
    if step.technique != "depthwise_separable" or name in {"windows", "shuffle"}  # those with ordinary convolutions
]


@pytest.mark.parametrize(("name", "step"), CASES, ids=lambda value: getattr(value, "technique", value))
def test_the_stored_file_is_the_network(name, step):
    given = trace(token_networks.network(name), token_networks.SHAPE)
    before = {key: value.clone() for key, value in given.state_dict().items()}
    context = Context(DATA, clone(given), lambda student: trace(token_networks.network(name), token_networks.SHAPE), 0)
    found = apply_step(given, step, context)
    assert all(torch.equal(before[key], value) for key, value in given.state_dict().items())
    x = torch.from_numpy(DATA.test.x)
    logits = found(x)
    assert logits.isfinite().all()
    told = runtime_logits(decode(encode(to_onnx(found))).SerializeToString(), x)
    torch.testing.assert_close(torch.from_numpy(told), logits, rtol=1e-3, atol=1e-3 * logits.abs().max().item())
