"""Whether latency's intervals hold over repetitions at other times, and for others: a table.

    python -m benchmarks.truth                      # some 15 minutes
    python -m benchmarks.truth --markdown benchmarks/truth.md
    python -m benchmarks.truth --models lenet5-mnist5k --passes 2

40 settings of three models are each timed six times as the dashboard does it, every time by another process; in every
second pass a training runs beside it. The dashboard's 95 % interval of each single timing should hold the pooled value
of all six, and two timings of the same setting should seldom have intervals apart from each other. Beside it stands
what resampling a timing's rounds alone would claim. At the end a program that imports nothing of this project times
twelve of the files with plain ONNX Runtime.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from compression.errors import NotApplicable
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.words import recipe_in_words
from compression.results import machine
from compression.results.timing import Ratio, Timing, pooled

MODELS = ("lenet300-mnist5k", "lenet5-mnist5k", "resnet8-mnist5k")
VARIANTS, PASSES, OUTSIDE = 40, 6, 12
SETTLE_S = 5.0
"""For a training to be under way."""

_PRUNED = [[{"technique": "channel_pruning", "pruning_ratio": ratio}] for ratio in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75)]
_INTEGER = {"technique": "quantization", "weight_bits": 8, "activation_bits": 8}
_STEPS: list[list[dict[str, Any]]] = [
    *_PRUNED,
    [_INTEGER],
    *([*_PRUNED[at], _INTEGER] for at in (2, 5)),
    *([{"technique": "low_rank", "rank_ratio": ratio}] for ratio in (0.15, 0.3, 0.5)),
    [{"technique": "magnitude_pruning", "sparsity": 0.5}],
]


@dataclass(frozen=True)
class File:
    """A runtime file to be timed with its baseline's, and the shape of an image."""

    name: str
    content: bytes
    baseline: bytes
    shape: tuple[int, int, int]


def files(models: Sequence[str], count: int) -> list[File]:
    """The first `count` settings of the models, taken in turns."""
    each = [[_file(make_recipe(model, steps)) for steps in _STEPS] for model in models]
    found = [file for files in zip(*each, strict=True) for file in files if file is not None]
    return found[:count]


def _file(recipe: Recipe) -> File | None:
    from compression.engine.build import build_variant
    from compression.engine.files import export
    from compression.engine.primitives.batch_norm import fold_batch_norm

    subject = subject_of(recipe.model)
    data = subject.data.load()
    try:
        models = [build_variant(subject, each, data).model for each in (recipe, recipe.baseline())]
    except NotApplicable:
        return None
    variant, baseline = (export.to_onnx(fold_batch_norm(each)).SerializeToString(deterministic=True) for each in models)
    return File(f"{recipe.model}: {recipe_in_words(recipe)}", variant, baseline, data.input_shape)


# --- timing ------------------------------------------------------------------------------------------------------


def timings(every: Sequence[File], passes: int) -> dict[str, list[Timing]]:
    """Of each file by name, one a pass, by a process of its own; in every second pass beside a training."""
    found = defaultdict(list)
    for number in track(range(passes), "passes"):
        for name, text in _elsewhere(_time_all, list(every), number, beside_training=number % 2 == 1):
            found[name].append(Timing.model_validate_json(text))
    return dict(found)


def _elsewhere(work: Callable[..., Any], *given: Any, beside_training: bool) -> Any:  # noqa: ANN401  (whatever `work` gives)
    context = multiprocessing.get_context("spawn")
    training = context.Process(target=_train_for_ever, daemon=True) if beside_training else None
    if training:
        training.start()
        time.sleep(SETTLE_S)
    try:
        with context.Pool(1) as pool:
            return pool.apply(work, given)
    finally:
        if training:
            training.terminate()


def _time_all(every: Sequence[File], seed: int) -> list[tuple[str, str]]:
    """In an order of its own, so that no file always has the same neighbours."""
    from compression.engine.measure.latency import measure_latency

    order = np.random.default_rng(seed).permutation(len(every))
    return [
        (every[n].name, measure_latency(every[n].content, every[n].baseline, every[n].shape).model_dump_json())
        for n in order
    ]


def _train_for_ever() -> None:
    """A sweep of recipes that train, as a second worker would carry them out."""
    from compression.engine.build import build_variant

    subject = subject_of("resnet8-mnist5k")
    data = subject.data.load()
    for seed in itertools.count():
        build_variant(subject, make_recipe(subject.name, [{"technique": "fine_tuning", "epochs": 4}], seed=seed), data)


# --- what it says ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """Of single timings' intervals: share that holds the pooled value, share of pairs apart, and median width."""

    covered: float
    apart: float
    width: float


def held(found: dict[str, list[Timing]], interval: Callable[[Timing], Ratio]) -> Held:
    """For one way to make an interval of a timing."""
    covered, apart, widths = [], [], []
    for repeats in found.values():
        whole = math.exp(np.mean([math.log(pooled([timing.ratios]).at) for timing in repeats]))
        each = [interval(timing) for timing in repeats]
        covered += [one.low <= whole <= one.high for one in each]
        widths += [(one.high - one.low) / one.at for one in each]
        apart += [a.high < b.low or b.high < a.low for a, b in itertools.combinations(each, 2)]
    return Held(float(np.mean(covered)), float(np.mean(apart)) if apart else 0.0, float(np.median(widths)))


def ours(timing: Timing) -> Ratio:
    """As results have it."""
    return pooled([timing.ratios])


def of_rounds_alone(timing: Timing) -> Ratio:
    """By resampling the rounds (percentile bootstrap): it knows nothing of other moments."""
    logs = np.log(timing.ratios)
    picks = np.random.default_rng(0).integers(len(logs), size=(2000, len(logs)))
    low, at, high = np.quantile(np.median(logs[picks], axis=1), [0.025, 0.5, 0.975])
    return Ratio(*(math.exp(value) for value in (at, low, high)))


# --- outside -----------------------------------------------------------------------------------------------------

_PLAIN = """
import json, sys, time
import numpy as np, onnxruntime

def load(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if sys.argv[1] == "exact":  # 8-bit products without overflow, as accuracy was measured
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    image = np.random.default_rng(0).standard_normal([1, *source.shape[1:]]).astype(np.float32)
    return lambda: session.run(None, {source.name: image})

def median(run):
    for _ in range(20):
        run()
    times = []
    for _ in range(100):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return float(np.median(times))

for path in sys.argv[2:]:
    ratios = []
    for _ in range(9):
        medians = [median(load(each)) for each in (path, path + ".baseline")]
        ratios.append(medians[0] / medians[1])
    print(json.dumps(ratios))
"""


def outside(every: Sequence[File]) -> Iterator[tuple[File, Ratio]]:
    """What a plain loop over plain sessions finds, in a process that imports nothing of this project."""
    from compression.engine.measure.evaluation import has_exact_products, loadable

    mode = "plain" if has_exact_products() else "exact"
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.onnx" for number in range(len(every))]
        for path, file in zip(paths, every, strict=True):
            path.write_bytes(loadable(file.content))
            path.with_name(f"{path.name}.baseline").write_bytes(loadable(file.baseline))
        command = [sys.executable, "-c", _PLAIN, mode, *map(str, paths)]
        lines = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()
    yield from ((file, pooled([json.loads(line)])) for file, line in zip(every, lines, strict=True))


# --- the report --------------------------------------------------------------------------------------------------


def report(found: dict[str, list[Timing]], plain: Sequence[tuple[File, Ratio]]) -> str:
    """Everything as Markdown."""
    here = machine.describe_machine()
    passes = [[repeats[n] for repeats in found.values()] for n in range(len(next(iter(found.values()))))]
    loads = ", ".join(f"{100 * float(np.mean([timing.load for timing in each])):.0f} %" for each in passes)
    lines = [
        "# Do latency's intervals hold?",
        "",
        f"`python -m benchmarks.truth` on {here.cpu} ({', '.join(here.instruction_sets)}), ONNX Runtime "
        f"{here.versions['onnxruntime']}: {len(found)} settings, each timed {len(passes)} times by another process, "
        f"every second time beside a training. Other programs kept {loads} of the processors busy in the passes.",
        "",
        "| 95 % interval of one timing | holds the pooled value | pairs of repeats apart | median width |",
        "|---|---|---|---|",
    ]
    for title, interval in (("of its rounds alone, resampled", of_rounds_alone), ("as results have it", ours)):
        one = held(found, interval)
        lines.append(f"| {title} | {100 * one.covered:.1f} % | {100 * one.apart:.1f} % | {100 * one.width:.1f} % |")
    agree = 0
    table = ["", "| setting | all timings pooled | plain ONNX Runtime | |", "|---|---|---|---|"]
    for file, there in plain:
        here_ = pooled([timing.ratios for timing in found[file.name]])
        meets = here_.low <= there.high and there.low <= here_.high
        agree += meets
        table.append(f"| {file.name} | {_words(here_)} | {_words(there)} | {'agrees' if meets else 'differs'} |")
    if plain:
        lines += ["", f"Outside this project {agree} of {len(plain)} agree (their intervals meet):", *table]
    return "\n".join(lines) + "\n"


def _words(ratio: Ratio) -> str:
    return f"{ratio.at:.3f} ({ratio.low:.3f}–{ratio.high:.3f})"


def main() -> None:
    """Time, and print or write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--variants", type=int, default=VARIANTS)
    parser.add_argument("--passes", type=int, default=PASSES)
    parser.add_argument("--outside", type=int, default=OUTSIDE, help="how many files plain ONNX Runtime times too")
    parser.add_argument("--json", type=Path, help="write all timings to this file")
    parser.add_argument("--markdown", type=Path, help="write the report to this file")
    options = parser.parse_args()
    every = files(options.models, options.variants)
    found = timings(every, options.passes)
    if options.json:
        raw = {name: [timing.model_dump(mode="json") for timing in repeats] for name, repeats in found.items()}
        options.json.write_text(json.dumps(raw), encoding="utf-8")
    picked = np.random.default_rng(0).permutation(len(every))[: options.outside]
    text = report(found, list(outside([every[n] for n in picked])))
    Console().print(text, markup=False, soft_wrap=True)
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
