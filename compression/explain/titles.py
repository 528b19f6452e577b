"""The setting of a result in words. Torch-free."""

from __future__ import annotations

from compression.recipe.recipe import Recipe
from compression.recipe.words import recipe_in_words
from compression.results.record import Result

_words: dict[str, str] = {}
MAX_WORDS = 100_000
"""Settings whose words are kept, about 100 bytes each."""


def setting_in_words(result: Result) -> str:
    """The recipe of a result in words, found once: a recipe's id is the hash of its content."""
    words = _words.get(result.recipe_id)
    if words is None:
        if len(_words) >= MAX_WORDS:
            _words.clear()
        words = _words[result.recipe_id] = recipe_in_words(Recipe.model_validate(result.recipe))
    return words
