"""What the engine can do with torchvision's 80 classifiers, which nobody here has trained or looked at: one table.

    python -m benchmarks.zoo                                        # everything: hours
    python -m benchmarks.zoo --models resnet18 vit_b_16 --tasks channels "8/8"
    python -m benchmarks.zoo --models resnet18 --exporters torchscript-11 dynamo-18
    python -m benchmarks.zoo --files ~/exported/*.onnx
    python -m benchmarks.zoo --markdown benchmarks/zoo.md

Each network has random weights and runs in a process of its own. It goes through the one door and must answer as
before; then each task is carried out on it, written, encoded, decoded, and run in ONNX Runtime, which must answer like
torch. What an exporter has written goes the way of a file that somebody brings instead, and must answer as ONNX Runtime
does with that file. A cell says what is left of the parameters and how long it took, or why it does not work. Rows are
appended to a file as they come, and what stands there already is not done again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from compression import ENGINE_VERSION, environment, units
from compression.errors import CompressionError

Row = dict[str, Any]

TASKS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "channels": {"technique": "channel_pruning", "pruning_ratio": 0.5},
    "8/8": {"technique": "quantization", "weight_bits": 8, "activation_bits": 8},
    "4": {"technique": "quantization", "weight_bits": 4},
    "zeros": {"technique": "magnitude_pruning", "sparsity": 0.8},
    "codebook": {"technique": "weight_sharing", "clusters": 16},
    "low rank": {"technique": "low_rank", "rank_ratio": 0.5},
}
"""The steps that are tried."""
PEER = "Torch-Pruning"
"""What another tool leaves at the ratio of `channels`, in its simplest use (Fang et al., 2023; `pip install
torch-pruning==1.6.1`): all layers but the last, those of least magnitude first."""
EXPORTERS: dict[str, dict[str, Any]] = {
    "torchscript-11": {"dynamo": False, "opset_version": 11},
    "torchscript-17": {"dynamo": False, "opset_version": 17, "has_free_batch": True, "is_unfolded": True},
    "dynamo-18": {"dynamo": True, "opset_version": 18, "has_free_batch": True},
    "dynamo-23": {"dynamo": True, "opset_version": 23, "is_unfolded": True},
}
"""Those of torch, and how they are asked: with batch norms folded into the layers before them or not, for one image or
any number of them."""
FITTING_IMAGES, TEST_IMAGES = 32, 4
"""Random ones: what matters here is whether it works."""
SAME = {"8/8": 0.5}
"""How far the runtime may be from torch, of the largest logit. Codes fall to either side of a step."""
EXACT = 1e-3


def names() -> list[str]:
    """Every classifier that torchvision lists."""
    from sample_models.vision import torchvision

    found: list[str] = torchvision.models.list_models(module=torchvision.models)
    return found


def fill(wanted: Iterable[tuple[str, str]], path: Path, limit_s: float, say: Callable[[str], None]) -> list[Row]:
    """The rows of each model and task; those that `path` does not have yet are measured and appended."""
    known = {(row["model"], row["task"]): row for row in _read(path) if row["engine"] == ENGINE_VERSION}
    rows = []
    for model, task in wanted:
        say(f"{model}, {task}")
        row = known.get((model, task))
        if row is None:
            row = {"model": model, "task": task, "engine": ENGINE_VERSION} | _alone(model, task, limit_s)
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        rows.append(row)
    return rows


def _read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _alone(model: str, task: str, limit_s: float) -> Row:
    """What a process of its own says, or that it ended or took too long."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(model, task, there), daemon=True)
    began = time.perf_counter()
    process.start()
    there.close()
    try:
        found: Row = here.recv() if here.poll(limit_s) else {"problem": f"not done in {limit_s:.0f} s"}
    except EOFError:
        found = {"problem": "the process ended: probably too little memory"}
    process.kill()
    process.join()
    return found | {"total_s": time.perf_counter() - began}


def _child(model: str, task: str, answer: Any) -> None:  # noqa: ANN401 - a connection
    try:
        found = carry_out_elsewhere(model) if task == PEER else carry_out(model, task)
    except CompressionError as error:
        found = {"problem": str(error)}
    except Exception as error:  # whatever it is, the table says so
        found = {"problem": f"{type(error).__name__}: {error}", "crashed": True}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answer.send(found | {"peak_bytes": peak})


def carry_out(name: str, task: str) -> Row:
    """One task on one network: seconds, what is left of its parameters, and how far the runtime is from torch."""
    import torch
    from pydantic import TypeAdapter

    from compression.engine.files.export import to_onnx
    from compression.engine.files.stored_file import decode, encode
    from compression.engine.measure.evaluation import open_session, optimized
    from compression.engine.network.form import clone, count_costs
    from compression.engine.network.tracing import trace
    from compression.engine.techniques import Context, apply_step
    from compression.recipe.steps import Step

    torch.set_num_threads(1)
    module, shape, answers = _given(name)
    began = time.perf_counter()
    graph = trace(module, shape)
    seconds = {"trace": time.perf_counter() - began}
    x = torch.randn(TEST_IMAGES, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        apart = _apart(graph(x).numpy(), answers(x))
    found = graph
    began = time.perf_counter()
    if TASKS[task]:
        step: Any = TypeAdapter(Step).validate_python(TASKS[task])
        found = apply_step(graph, step, Context(_images(shape), clone(graph), lambda student: graph, 0))
    seconds["task"], began = time.perf_counter() - began, time.perf_counter()
    stored = encode(to_onnx(found))
    seconds["encode"], began = time.perf_counter() - began, time.perf_counter()
    decoded = decode(stored)
    seconds["decode"] = time.perf_counter() - began
    session = open_session(optimized(decoded.SerializeToString()), 1, optimize=False)
    with torch.no_grad():
        expected = found(x).numpy()
    (told,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    costs, before = count_costs(found), count_costs(graph)
    return {
        "apart": apart,
        "file_apart": _apart(told, expected),
        "params": costs.params,
        "params_before": before.params,
        "macs": costs.macs,
        "macs_before": before.macs,
        "stored_bytes": len(stored),
        "seconds": seconds,
    }


def carry_out_elsewhere(name: str) -> Row:
    """What `PEER` leaves of the parameters."""
    import torch
    import torch_pruning
    from torch import nn

    module, size = _network(name)
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    last = next((layer for layer in reversed(layers) if isinstance(layer, nn.Linear)), layers[-1])
    x = torch.zeros(1, 3, size, size)
    before = sum(parameter.numel() for parameter in module.parameters())
    began = time.perf_counter()
    importance = torch_pruning.importance.MagnitudeImportance(p=2)
    ratio = TASKS["channels"]["pruning_ratio"]
    torch_pruning.pruner.MagnitudePruner(
        module, x, importance=importance, pruning_ratio=ratio, ignored_layers=[last]
    ).step()
    module(x)
    params = sum(parameter.numel() for parameter in module.parameters())
    seconds = {"task": time.perf_counter() - began, "encode": 0.0}
    return {"params": params, "params_before": before, "apart": 0.0, "file_apart": 0.0, "seconds": seconds}


def _apart(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    return float(np.abs(one - other).max() / max(float(np.abs(other).max()), 1e-9))


def _given(name: str) -> tuple[Any, tuple[int, int, int], Callable[[Any], np.ndarray[Any, Any]]]:
    """A module, the shape of its images, and what must be answered for some: by it, or by the file that it is from."""
    from compression.engine.intake.onnx_check import answers_of
    from compression.engine.intake.sources import Wish, from_onnx

    model, _, exporter = name.partition("@")
    if not exporter and not name.endswith(".onnx"):
        module, size = _network(name)
        return module, (3, size, size), lambda x: module(x).numpy()
    unasked: Any = None  # the file says how large images are
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exported.onnx" if exporter else Path(name)
        if exporter:
            _export(model, path, **EXPORTERS[exporter])
        given, content = from_onnx(path, Wish(), unasked), path.read_bytes()
    return given.module, given.shape, lambda x: answers_of(content, x.numpy())


def _export(
    name: str, path: Path, *, dynamo: bool, opset_version: int, has_free_batch: bool = False, is_unfolded: bool = False
) -> None:
    """What an exporter of torch makes of a network."""
    import torch

    module, size = _network(name)
    images = torch.zeros(2 if has_free_batch else 1, 3, size, size)
    settings: dict[str, Any]
    if dynamo:
        settings = {"optimize": not is_unfolded, "external_data": False, "verbose": False}
        settings["dynamic_shapes"] = ({0: torch.export.Dim("images")},) if has_free_batch else None
    else:
        mode = torch.onnx.TrainingMode
        settings = {"training": mode.PRESERVE if is_unfolded else mode.EVAL, "input_names": ["images"]}
        settings["dynamic_axes"] = {"images": [0]} if has_free_batch else None
    with warnings.catch_warnings(action="ignore"):  # that the older one is older
        torch.onnx.export(module, (images,), path, dynamo=dynamo, opset_version=opset_version, **settings)


def _network(name: str) -> tuple[Any, int]:
    """With random weights, and logits that differ; and the size of its images."""
    import torch
    from torch import nn

    from sample_models.vision import torchvision

    torch.manual_seed(0)
    bare = {"inception_v3", "googlenet"}  # torchvision's two that draw their weights from slow distributions
    settings = {"init_weights": False, "aux_logits": False} if name in bare else {}
    module = torchvision.models.get_model(name, weights=None, **settings).eval()
    last = [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1:]
    for layer in last:
        nn.init.normal_(layer.weight, std=0.05)
    weights = torchvision.models.get_model_weights(name).DEFAULT
    size: int = weights.transforms().crop_size[0]
    return module, size


def _images(shape: tuple[int, int, int]) -> Any:  # noqa: ANN401 - a data set
    from compression.models.data import Augmentation, Dataset, Split

    random = np.random.default_rng(0)

    def split(count: int) -> Split:
        images = random.integers(0, 256, (count, *shape), dtype=np.uint8)
        return Split(images, random.integers(0, 1000, count), 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

    classes = tuple(map(str, range(1000)))
    return Dataset("noise", classes, Augmentation(), *map(split, (FITTING_IMAGES, FITTING_IMAGES, 8, TEST_IMAGES)))


def works(row: Row) -> bool:
    """Whether the task was done, and torch and runtime agree."""
    if "problem" in row:
        return False
    return row["apart"] <= EXACT and row["file_apart"] <= SAME.get(row["task"], EXACT)


def table_of(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """A line a model, a column a task: what is left of its parameters (MACs), and the seconds that it took."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    lines = [("model", "parameters", *tasks, "peak memory")]
    for model in dict.fromkeys(row["model"] for row in rows):
        by_task = {row["task"]: row for row in rows if row["model"] == model}
        done = next((row for row in by_task.values() if "problem" not in row), None)
        peak = max(row.get("peak_bytes", 0) for row in by_task.values())
        cells = (_cell(by_task[task]) if task in by_task else "" for task in tasks)
        shown = Path(model).name if model.endswith(".onnx") else model
        lines.append((shown, units.count(done["params_before"]) if done else "?", *cells, units.size(peak)))
    return lines


def _cell(row: Row) -> str:
    if "problem" in row:
        return f"no: {row['problem']}"
    if not works(row):
        return f"differs: {row['apart']:.1e}, file {row['file_apart']:.1e}"
    left = row["params"] / row["params_before"]
    return f"{f'{left:.2f}, ' if left < 1 else ''}{row['seconds']['task'] + row['seconds']['encode']:.1f} s"


def markdown(rows: Sequence[Row]) -> str:
    """The table in Markdown, with how many of each task work above it."""
    head, *lines = table_of(rows)
    told = []
    for task in dict.fromkeys(row["task"] for row in rows):
        group = [row for row in rows if row["task"] == task]
        told.append(f"{task}: {sum(map(works, group))} of {len(group)}")
    body = [f"| {' | '.join(cell.replace('|', ' ') for cell in line)} |" for line in lines]
    return "\n".join(
        [
            "# torchvision's classifiers",
            "",
            f"`python -m benchmarks.zoo`, engine {ENGINE_VERSION}; random weights, {FITTING_IMAGES} fitting images, "
            f"one thread. Works: {'; '.join(told)}. A cell has what is left of the parameters, and seconds to the "
            "stored file.",
            "",
            f"| {' | '.join(head)} |",
            f"| {' | '.join('---' for _ in head)} |",
            *body,
            "",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the table, print it, and return 1 where something does not work."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="only these")
    parser.add_argument("--exporters", nargs="+", choices=EXPORTERS, metavar="EXPORTER", help="as these write them")
    parser.add_argument("--files", nargs="+", metavar="FILE.onnx", help="networks as files, instead of torchvision's")
    parser.add_argument("--tasks", nargs="+", choices=(*TASKS, PEER), default=tuple(TASKS), metavar="TASK")
    parser.add_argument("--limit", type=float, default=900, metavar="SECONDS", help="for each cell (default: 900)")
    parser.add_argument(
        "--json", type=Path, metavar="ROWS.jsonl", default=environment.home() / "benchmarks" / "zoo.jsonl"
    )
    parser.add_argument("--markdown", type=Path, metavar="OUT.md", help="write the table here too")
    options = parser.parse_args(arguments)
    models = options.files or options.models or names()
    if options.exporters:
        models = [f"{model}@{exporter}" for model in models for exporter in options.exporters]
    wanted = [(model, task) for model in models for task in options.tasks]
    rows = fill(wanted, options.json, options.limit, lambda words: print(words, file=sys.stderr))
    table = Table(*table_of(rows)[0], box=None)
    for line in table_of(rows)[1:]:
        table.add_row(*line)
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    if options.markdown:
        options.markdown.write_text(markdown(rows), encoding="utf-8")
    return 0 if all(map(works, rows)) else 1


if __name__ == "__main__":
    sys.exit(main())
