"""Results are kept by engine version, so what decides numbers must not change without a thought about it."""

import ast
import hashlib
from pathlib import Path

from compression import ENGINE_VERSION
from tests.test_rooms import ROOT, imported

RECORDED = Path(__file__).with_name("engine_fingerprint.txt")
STARTS = ("compression.engine.run", "compression.engine.build")
ASIDE = ("compression.inquiries", "compression.results.conditions", "compression.environment", "compression.errors")
"""Answers about results, how results are found again, where files lie, words of errors: no number comes from these."""


def file_of(module):
    path = ROOT / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def deciding():
    """The modules that a measurement imports, by name."""
    waiting, found = list(STARTS), {}
    while waiting:
        module = waiting.pop()
        path = file_of(module)
        if path is None or module in found or module.startswith(ASIDE):
            continue
        found[module] = path
        waiting += [name for name in imported(path) if name.startswith(("compression", "sample_models"))]
    return found


def code_of(path):
    """The source without docstrings, blank lines and lines of comments."""
    source = path.read_text(encoding="utf-8")
    words = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    lines = enumerate(source.splitlines(), start=1)
    kept = (text.rstrip() for number, text in lines if number not in words)
    return "\n".join(text for text in kept if text and not text.lstrip().startswith("#"))


def fingerprint():
    modules = sorted(deciding().items())
    return hashlib.sha256("\n".join(f"{name}\n{code_of(path)}" for name, path in modules).encode()).hexdigest()


def test_the_engines_code_is_the_recorded_one():
    version, recorded = RECORDED.read_text(encoding="utf-8").split()
    assert (version, recorded) == (ENGINE_VERSION, fingerprint()), (
        "Code that decides measured numbers has changed. If a number can be another one now, raise ENGINE_VERSION in "
        "compression/__init__.py: stored results are then measured anew. Either way, record the new state: write "
        f"'{ENGINE_VERSION} {fingerprint()}' into {RECORDED.name}."
    )


def test_it_covers_techniques_export_storage_and_measuring():
    assert {
        "compression.engine.techniques.quantization",
        "compression.engine.primitives.rounding",
        "compression.engine.files.export.writer",
        "compression.engine.files.stored_file",
        "compression.engine.measure.evaluation",
        "compression.engine.measure.latency",
        "sample_models.students",
    } <= deciding().keys()


def test_words_and_comments_do_not_count(tmp_path):
    plain, told = tmp_path / "plain.py", tmp_path / "told.py"
    plain.write_text("A = 1\ndef f():\n    return A\n")
    told.write_text('"""A module."""\n\n# why\nA = 1\n\n\ndef f():\n    """One."""\n    return A\n')
    assert code_of(plain) == code_of(told)
    told.write_text("A = 2\ndef f():\n    return A\n")
    assert code_of(plain) != code_of(told)
