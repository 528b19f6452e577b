"""Slimmable sample models: one set of weights whose first channels are narrower networks. Cheap to import."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compression.errors import CorruptFile, NotApplicable
from sample_models import catalogue

if TYPE_CHECKING:
    from torch import nn


def weights_path(name: str) -> Path:
    """Where the slimmable weights of the sample model `name` are, or would be."""
    return catalogue.WEIGHTS / f"slimmable-{name}.safetensors"


def card_path(name: str) -> Path:
    """Where the card of those weights is, or would be."""
    return catalogue.WEIGHTS / f"slimmable-{name}.json"


def slimmable_models() -> tuple[str, ...]:
    """Names of the sample models that have slimmable weights."""
    return tuple(name for name in catalogue.MODELS if weights_path(name).is_file())


def card(name: str) -> dict[str, Any]:
    """Origin of the weights and accuracy at some widths; raises `CorruptFile` when it cannot be read."""
    path = card_path(name)
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorruptFile(f"The card {path.name} cannot be read: {error}. {_remedy(name)}") from error
    return found


def load(name: str) -> nn.Module:
    """The full width of the slimmable network, in evaluation mode.

    The file is compared with the hash on its card, and never unpickled. Raises `NotApplicable` for a model
    without slimmable weights, `CorruptFile` for weights that fail their checks.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    if not weights_path(name).is_file():
        raise NotApplicable(
            f"There are no slimmable weights for {name}. Models that have them: "
            f"{', '.join(slimmable_models()) or 'none'}. Choose one of those, use distillation, or make some: "
            f"python -m compression.engine.samples.train_slimmable {name}"
        )
    content = weights_path(name).read_bytes()
    if hashlib.sha256(content).hexdigest() != card(name).get("weights_sha256"):
        raise CorruptFile(f"{weights_path(name).name} is not the file that its card describes. {_remedy(name)}")
    with torch.random.fork_rng(devices=[]):
        network = catalogue.find_model(name).build()
    try:
        network.load_state_dict(parse(content))
    except (SafetensorError, RuntimeError) as error:
        raise CorruptFile(f"{weights_path(name).name} cannot be loaded: {error}. {_remedy(name)}") from error
    return network.eval()


def _remedy(name: str) -> str:
    return f"Make it again: python -m compression.engine.samples.train_slimmable {name}"
