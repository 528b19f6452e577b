"""A model and its data that stand in no catalogue: colour images, a mean for each colour, more classes than a byte."""

import hashlib
import json

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from compression.models.data import SampleData
from compression.models.subject import Subject
from sample_models.catalogue import SampleModel

N_CLASSES, SHAPE = 300, (3, 8, 8)


def network(width_mult: float = 1.0) -> nn.Module:
    channels = max(1, round(8 * width_mult))
    convolutions = nn.Conv2d(3, channels, 3), nn.ReLU(), nn.Conv2d(channels, channels, 3), nn.ReLU()
    return nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, N_CLASSES))


def fetch(watch):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (700, *SHAPE), dtype=np.uint8)
    return (images, random.permutation(np.arange(700) % N_CLASSES)), None


def own_subject(folder, **changes) -> Subject:
    """With its weights and card in `folder`, which must be the catalogue's `WEIGHTS`."""
    entry = SampleModel(
        "own",
        "My network",
        "Tell things apart",
        "own-data",
        "tests.support.own_model:network",
        "Mine.",
        epochs=1,
        learning_rate=0.1,
        **changes,
    )
    data = SampleData(
        name="own-data",
        title="My images",
        fetch=fetch,
        classes=tuple(map(str, range(N_CLASSES))),
        shape=SHAPE,
        images=700,
        mean=(0.5, 0.4, 0.3),
        std=(0.2, 0.3, 0.4),
        test_size=200,
        validation_size=100,
        calibration_size=100,
    )
    torch.manual_seed(0)
    model = network()
    save_file(model.state_dict(), entry.weights_path)
    sha256 = hashlib.sha256(entry.weights_path.read_bytes()).hexdigest()
    layers = {name: list(layer.weight.shape) for name, layer in model.named_modules() if hasattr(layer, "weight")}
    entry.card_path.write_text(json.dumps({"weights_sha256": sha256, "layers": layers, "params": 1}))
    return Subject(entry, data, teachers=("own",))
