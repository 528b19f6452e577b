"""Imports go one way; each rule of the layout is a test here."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "torchvision", "onnxruntime"}
PAGE_SIDE = (
    "recipe", "result", "job", "store", "jobs", "host", "keys", "machine", "statistics",
    "plots", "drawing", "axes", "limits", "pipeline", "step_chart", "track_record",
    "breakdown", "ledger", "energy", "crossover", "pareto", "estimate", "foresight", "verdict",
    "schooling", "settings", "neighbours", "sweeps", "links", "studies", "lessons", "wording",
    "activity", "crew", "deletion", "disk", "history", "joblog",
    "classes", "comparison", "comparison_plots", "layer_comparison", "presentation", "alternatives",
    "report", "bundle", "chart_files",
    "inspection", "reasons",
)  # fmt: skip


def imported(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found
    return found


def offenders(paths: list[Path], forbidden: tuple[str, ...]) -> list[str]:
    def bad(name: str) -> bool:
        return any(name == f or name.startswith(f + ".") for f in forbidden)

    return [f"{path.relative_to(ROOT)}: {name}" for path in paths for name in imported(path) if bad(name)]


def test_the_engine_never_imports_streamlit():
    assert offenders(files("compression", "sample_models"), ("streamlit",)) == []


def test_techniques_know_nothing_of_jobs_files_or_pages():
    ours = tuple(
        f"compression.{name}" for name in ("jobs", "store", "worker", "run", "variants", "studies", "laboratory")
    )
    forbidden = (*ours, "streamlit", "pages")
    assert offenders(files("compression/techniques", "compression/primitives"), forbidden) == []


def test_primitives_know_nothing_of_techniques():
    assert offenders(files("compression/primitives"), ("compression.techniques",)) == []


def test_pages_import_only_the_torch_free_half():
    allowed = {f"compression.{name}" for name in (*PAGE_SIDE, "errors", "data", "paths")}
    pages = [ROOT / "app.py", *files("pages")]
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in pages
        for name in imported(path)
        if name.split(".")[0] in HEAVY
        or (name.startswith("compression.") and ".".join(name.split(".")[:2]) not in allowed)
    ]
    assert wrong == []


def test_torchvision_is_imported_through_one_door():
    others = [path for path in files("compression", "sample_models") if path.name != "vision.py"]
    assert offenders(others, ("torchvision",)) == []


@pytest.mark.parametrize("modules", [[f"compression.{name}" for name in PAGE_SIDE] + ["sample_models.catalogue"]])
def test_importing_the_page_side_loads_nothing_heavy(modules):
    code = f"import sys, {', '.join(modules)}; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_worker_that_starts_does_not_wait_for_torchvision():
    """It takes longer to import than torch itself, and only students of other families need it."""
    code = "import sys, compression.run; print(sorted({'torch', 'torchvision', 'torch._dynamo'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['torch']"
