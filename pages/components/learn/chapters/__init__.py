"""The chapters of the course, in their order, by the name that stands in addresses."""

from __future__ import annotations

from pages.components.learn.chapter import Chapter
from pages.components.learn.chapters import (
    coding,
    distillation,
    efficient,
    factorization,
    measuring,
    pruning,
    quantization,
    sharing,
    why,
)

_ORDER = (why, pruning, quantization, distillation, sharing, factorization, efficient, coding, measuring)

CHAPTERS: dict[str, Chapter] = {module.CHAPTER.name: module.CHAPTER for module in _ORDER}
