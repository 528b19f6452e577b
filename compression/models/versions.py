"""Which weights a model has: a hash of them, read from their cards. Torch-free."""

from __future__ import annotations

import functools
import hashlib

from compression.errors import CorruptFile
from sample_models import slimmable
from sample_models.catalogue import find_model


def model_version(model: str) -> str:
    """SHA-256 of the trained weights, as their card states it; with slimmable weights a hash of both."""
    trained = _trained_version(model)
    slimmable_version = _slimmable_version(model)
    return hashlib.sha256(f"{trained} {slimmable_version}".encode()).hexdigest() if slimmable_version else trained


def _slimmable_version(model: str) -> str:
    """SHA-256 of the slimmable weights, as their card states it; empty where there are none."""
    try:
        changed_at = slimmable.weights_path(model).with_suffix(".json").stat().st_mtime_ns
    except FileNotFoundError:
        return ""
    return _slimmable_sha256(model, changed_at)


@functools.lru_cache(maxsize=64)
def _slimmable_sha256(model: str, card_changed_at: int) -> str:
    return str(slimmable.card(model).get("weights_sha256", ""))


def _trained_version(model: str) -> str:
    card_path = find_model(model).weights_path.with_suffix(".json")
    try:
        return _weights_sha256(model, card_path.stat().st_mtime_ns)
    except OSError as error:
        raise CorruptFile(
            f"The card of {model} ({card_path.name}) cannot be read: {error}. "
            f"Make it again: python -m compression.engine.samples.train {model}"
        ) from error


@functools.lru_cache(maxsize=64)
def _weights_sha256(model: str, card_changed_at: int) -> str:
    """Reading a card takes a file and a parse; a page asks many times a second."""
    try:
        return str(find_model(model).card["weights_sha256"])
    except KeyError as error:
        raise CorruptFile(
            f"The card of {model} does not name its weights (weights_sha256). "
            f"Make it again: python -m compression.engine.samples.train {model}"
        ) from error
