"""Why is it not smaller, why is it not faster? Rules that are tried on a result's own measurements. Torch-free.

Each rule says what was measured, whether that is a cause, and what to do about it; where the remedy is another recipe,
it is given. Unlike `compression.verdict`, which knows a result's row only, these know every layer and node.
"""

from __future__ import annotations

from compression.reasons import size, speed
from compression.reasons.evidence import Evidence, Finding, Question
from compression.result import Result
from compression.studies.anatomy import Anatomy

__all__ = ["RULES", "Finding", "Question", "findings"]

RULES = (*size.RULES, *speed.RULES)


def findings(result: Result, anatomy: Anatomy) -> list[Finding]:
    """All rules, those that fired first, in their order."""
    evidence = Evidence(result, anatomy)
    found = [rule(evidence) for rule in RULES]
    return sorted(found, key=lambda finding: not finding.fired)
