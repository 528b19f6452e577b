"""What is known of a model without loading it. Torch-free."""

from __future__ import annotations

from sample_models import slimmable
from sample_models.catalogue import MODELS, SampleModel, find_model

__all__ = ["MODELS", "SampleModel", "find_model", "has_slimmable", "teachers_for"]


def has_slimmable(model: str) -> bool:
    """Whether one network for all widths comes with the model, so that students need no training."""
    return model in slimmable.slimmable_models()


def teachers_for(model: str) -> tuple[str, ...]:
    """The sample models on the same data, itself first: those that can teach its students."""
    data = MODELS[model].dataset if model in MODELS else None
    return (model, *(name for name, entry in MODELS.items() if entry.dataset == data and name != model))
