"""Why is it not smaller, why is it not faster? Rules that are tried on a result's own measurements. Torch-free.

Each rule says what was measured, whether that is a cause, and what to do about it; where the remedy is another recipe,
it is given. That needs every layer and node. What a result's row alone can tell is said in short.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compression.explain.reasons import faster, smaller
from compression.explain.reasons.evidence import Evidence, Finding, Question, Rule
from compression.inquiries.anatomy import Anatomy
from compression.results.record import Result

__all__ = ["RULES", "Finding", "Question", "findings", "in_short"]

RULES: Mapping[Question, tuple[Rule, ...]] = {"size": smaller.RULES, "speed": faster.RULES}


def findings(question: Question, result: Result, anatomy: Anatomy) -> list[Finding]:
    """All rules on a question, those that fired first, in their order; a remedy only where it fired."""
    evidence = Evidence(result, anatomy)
    found = [rule.look(evidence) for rule in RULES[question]]
    return [one for one in found if one.fired] + [replace(one, recipe=None) for one in found if not one.fired]


def in_short(result: Result) -> tuple[str, ...]:
    """What the row alone tells, in sentences: why it did not shrink, and why it is not faster where it is not."""
    recipe = result.parsed_recipe
    asked: tuple[Question, ...] = ("size",) if result.latency_ratio_high < 1 else ("size", "speed")
    rules = [rule for question in asked for rule in RULES[question]]
    return tuple(reason for rule in rules if rule.short for reason in rule.short(recipe, result))
