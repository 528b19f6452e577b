"""Numbers are written in one way: by `compression.units` and the units of metrics, not by whoever has one to tell."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("explain", "charts", "search", "results", "inquiries", "recipe", "models", "cli")
FILES = [
    *(path for room in ROOMS for path in sorted((ROOT / "compression" / room).rglob("*.py"))),
    *sorted((ROOT / "pages").rglob("*.py")),
]


def by_hand(source):
    """Values in f-strings that a share (× 100) or a time (× 1000) is made into, or that Python formats as a percentage.

    `units.share` and `units.short_time` do it with the same digits and signs everywhere.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            value, spec = ast.unparse(node.value), ast.unparse(node.format_spec).strip("f'\"")
            if "100 * " in value or "1000 * " in value or spec.endswith("%"):
                yield f"line {node.lineno}: {value}:{spec}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_share_and_no_time_is_formatted_by_hand(path):
    assert list(by_hand(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("source", ['f"{100 * share:.0f} %"', 'f"{1000 * ms:.1f} µs"', 'f"{share:.1%}"'])
def test_what_is_done_by_hand_is_found(source):
    assert list(by_hand(source))
