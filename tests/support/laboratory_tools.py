"""Measured networks of every kind, each prepared once for all tests of a run."""

import functools
from dataclasses import dataclass

from compression.engine import laboratory
from compression.engine.laboratory import Bench
from compression.engine.run import RunOutput, run_recipe
from compression.inquiries.anatomy import Anatomy, AnatomyInquiry
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe, make_recipe


@dataclass(frozen=True)
class Taken:
    """A measured recipe, and taken apart when somebody asks for it."""

    recipe: Recipe
    bench: Bench

    @functools.cached_property
    def anatomy(self) -> Anatomy:
        return laboratory.answer(AnatomyInquiry(recipe=self.recipe), self.bench)


_INTEGERS = {"technique": "quantization", "weight_bits": 8, "activation_bits": 8}
CASES = {
    "baseline": ("lenet5-mnist5k", []),
    "sparse": ("resnet8-mnist5k", [{"technique": "magnitude_pruning", "sparsity": 0.5, "pattern": "2:4"}]),
    "channels": ("resnet8-mnist5k", [{"technique": "channel_pruning", "pruning_ratio": 0.3}, _INTEGERS]),
    "integers": ("lenet5-mnist5k", [_INTEGERS | {"weight_bits": 4}]),
    "dynamic": ("mlp-digits", [_INTEGERS | {"activations": "dynamic"}]),
    "shared": ("lenet5-mnist5k", [{"technique": "weight_sharing", "clusters": 16}]),
    "together": ("lenet5-mnist5k", [{"technique": "weight_sharing", "clusters": 8, "scope": "global"}]),
    "thin": ("lenet5-mnist5k", [{"technique": "low_rank", "rank_ratio": 0.3}]),
    "slim": ("lenet5-mnist5k", [{"technique": "slimmable_student", "width_mult": 0.5}]),
    "huffman": ("mlp-digits", [_INTEGERS, {"technique": "entropy_coding", "coding": "huffman"}]),
}


@functools.cache
def _baseline(recipe: Recipe) -> RunOutput:
    return run_recipe(subject_of(recipe.model), recipe)


@functools.cache
def _measured(recipe: Recipe) -> Taken:
    baseline = _baseline(recipe.baseline())
    output = run_recipe(subject_of(recipe.model), recipe, baseline=baseline) if recipe.steps else baseline
    return Taken(recipe, Bench(subject_of(recipe.model), output, baseline))


_OTHERS: dict[str, Recipe] = {}


def prepared(case: str, recipe: Recipe | None = None) -> Taken:
    """One of `CASES`, or another recipe that is known by that name from now on."""
    if case in CASES:
        model, steps = CASES[case]
        return _measured(make_recipe(model, steps))
    return _measured(_OTHERS.setdefault(case, recipe))
