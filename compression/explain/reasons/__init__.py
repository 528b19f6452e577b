"""Why is it not smaller, why is it not faster? Rules that are tried on a result's own measurements. Torch-free.

Each rule says what was measured, whether that is a cause, and what to do about it; where the remedy is another recipe,
it is given. Unlike `compression.explain.verdict`, which knows a result's row only, these know every layer and node.
"""

from __future__ import annotations

from compression.explain.reasons import faster, smaller
from compression.explain.reasons.evidence import Evidence, Finding, Question
from compression.inquiries.anatomy import Anatomy
from compression.results.record import Result

__all__ = ["RULES", "Finding", "Question", "findings"]

RULES = (*smaller.RULES, *faster.RULES)


def findings(result: Result, anatomy: Anatomy) -> list[Finding]:
    """All rules, those that fired first, in their order."""
    evidence = Evidence(result, anatomy)
    found = [rule(evidence) for rule in RULES]
    return sorted(found, key=lambda finding: not finding.fired)
