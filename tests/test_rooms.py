"""The rules of the house: which room imports which, who may be heavy, no circles, plain names."""

import ast
import functools
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from compression.models.data import DATA_SETS
from sample_models.catalogue import MODELS

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "torchvision", "onnx", "onnxruntime"}
GROUND = {"__init__", "errors", "watch", "environment", "atomic", "kernels", "units", "guard", "limits", "knapsack"}
MAY = {
    "sample_models": {"errors", "kernels"},
    "models": GROUND | {"sample_models"},
    "recipe": GROUND | {"models"},
    "results": GROUND | {"models", "recipe"},
    "inquiries": GROUND | {"recipe", "results"},
    "engine": GROUND | {"sample_models", "models", "recipe", "results", "inquiries"},
    "store": GROUND | {"models", "recipe", "results", "inquiries"},
    "search": GROUND | {"models", "recipe", "results", "inquiries"},
    "work": GROUND | {"models", "recipe", "results", "inquiries", "store", "search"},
    "explain": GROUND | {"models", "recipe", "results", "inquiries", "search"},
    "charts": GROUND | {"models", "recipe", "results", "inquiries", "search", "explain"},
}
LIGHT = set(MAY) - {"engine"}
MAY |= {
    "pages": GROUND | LIGHT - {"sample_models"},
    "app": {"pages"},
    "cli": GROUND | set(MAY),
    "__main__": {"cli"},
    "benchmarks": GROUND | set(MAY) | {"pages"},
}
"""What each room may import besides itself; the ground, a file each, imports nothing of ours but the ground."""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {
    module_of(path): path
    for path in (
        ROOT / "app.py",
        *(p for room in ("compression", "sample_models", "pages", "benchmarks") for p in (ROOT / room).rglob("*.py")),
    )
}


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imported(path: Path, *, at_once: bool = False) -> set[str]:
    """Every module that a file imports, anywhere in it, or (`at_once`) as soon as it is imported itself."""
    nodes = tree_of(path).body if at_once else ast.walk(tree_of(path))
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room_of(module: str) -> str:
    first, *rest = module.split(".")
    return (rest or ["__init__"])[0] if first == "compression" else first


def ours(path: Path, *, at_once: bool = False) -> set[str]:
    return imported(path, at_once=at_once) & FILES.keys()


def test_rooms_import_what_lies_below_them():
    wrong = [
        f"{module}: {other}"
        for module, path in FILES.items()
        for other in ours(path, at_once=room_of(module) == "work")  # what runs in workers loads the engine there
        if room_of(other) not in MAY.get(room_of(module), GROUND) | {room_of(module)}
    ]
    assert wrong == []


def test_no_module_imports_itself_in_a_circle():
    """Packages are left out: an `__init__` hands names on, and importing a module of it is no arrow to them all."""
    arrows = {
        module: {other for other in ours(path) if other != module and FILES[other].name != "__init__.py"}
        for module, path in FILES.items()
    }
    assert set(TopologicalSorter(arrows).static_order()) >= set(FILES)  # or CycleError, which names the circle


def test_only_the_engine_and_builders_need_torch_and_onnx():
    wrong = [
        f"{module}: {name}"
        for module, path in FILES.items()
        if room_of(module) not in ("engine", "sample_models", "benchmarks")
        for name in imported(path)
        if name.split(".")[0] in HEAVY
    ]
    assert wrong == []


def test_importing_all_light_rooms_loads_nothing_heavy():
    light = [module for module in FILES if module.startswith("compression.") and room_of(module) in LIGHT | GROUND]
    code = f"import sys, {', '.join(light)}; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_side_that_asks_for_work_does_not_wait_for_dask():
    code = "import sys; from compression.work import cluster, dispatcher, worker; print('distributed' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("streamlit", {"pages", "app", "benchmarks"}),  # one of these speaks its protocol
        ("torchvision", {"sample_models", "benchmarks"}),
        ("plotly", set()),  # plotly.js draws plain data; importing the package takes half a second
    ],
)
def test_a_library_has_one_door(library, rooms):
    users = [module for module, path in FILES.items() if library in {name.split(".")[0] for name in imported(path)}]
    assert {room_of(module) for module in users} <= rooms


def test_names_have_one_meaning():
    """No module is called like one of the standard library's, and no two differ by an s."""
    names = {part for module in FILES if not module.startswith("pages") for part in module.split(".")[1:]}
    assert names & sys.stdlib_module_names == set()
    assert {name for name in names if f"{name}s" in names} == set()


def test_a_worker_that_starts_does_not_wait_for_torchvision():
    """It takes longer to import than torch itself, and only students of other families need it."""
    heavy = {"torch", "torchvision", "torch._dynamo"}
    code = f"import sys, compression.engine.run; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['torch']"


def strings_of(path: Path) -> set[str]:
    """The strings in a file's code, docstrings left out."""
    words = {id(node.value) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Expr)}
    strings = (
        node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {node.value for node in strings if id(node) not in words}


def test_no_name_of_a_model_or_data_set_outside_the_catalogue_and_the_table_of_data_sets():
    names = {*MODELS, *DATA_SETS}
    parts = re.compile(r"\b(mlp|lenet|resnet|mnist|fashion|cifar)|\bmobilenet\b", re.IGNORECASE)
    wrong = [
        f"{module}: {text}"
        for module, path in FILES.items()
        if room_of(module) not in ("sample_models", "benchmarks") and module != "compression.models.data"
        for text in strings_of(path)
        if text in names or parts.search(text)
    ]
    assert wrong == []
