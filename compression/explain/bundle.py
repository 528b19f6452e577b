"""A result with everything that reproduces it, in one zip. Torch-free."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from compression.results.predictions import Classes
from compression.results.record import STORED_SUFFIX, Result

RECIPE, STORED, RUNTIME, PREDICTIONS = "recipe.json", f"model{STORED_SUFFIX}", "model.onnx", "predictions.npy"
SCRIPT, README = "check.py", "README.txt"

WHERE = (
    "It is `compression-dashboard`, a folder with a README: whoever gave you this has it. "
    "`python -m pip install FOLDER` installs it."
)
"""Where to get what reproduces a result: the project has no address of its own."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can say: the same content gives the same file."""


def recipe_json(result: Result) -> str:
    """The recipe as the command line takes it."""
    return json.dumps(result.parsed_recipe.model_dump(mode="json"), indent=1) + "\n"


def commands(result: Result) -> str:
    """The command lines that reproduce the point, from a folder with the unpacked zip."""
    model = result.model
    return (
        f"python -m compression run {RECIPE} --json --out reproduced\n"
        f"python -m compression decode {STORED} --onnx decoded.onnx\n"
        f"python -m compression data {model} --split test --out test.npz\n"
        f"python {SCRIPT}\n"
    )


def script(result: Result) -> str:
    """A Python program that checks the runtime file on the test images; it needs numpy and onnxruntime alone."""
    correct = round(result.accuracy * result.n_test)
    return _SCRIPT.format(result=result, correct=correct, runtime=RUNTIME, predictions=PREDICTIONS)


_SCRIPT = '''"""Runs the compressed network on its test images and compares it with what was measured.

    python -m compression data {result.model} --split test --out test.npz
    python check.py [test.npz]

Ends with 0 where every prediction is the measured one, else with 1.
"""

import sys

import numpy as np
import onnxruntime

CORRECT, N_TEST = {correct}, {result.n_test}

data = np.load(sys.argv[1] if len(sys.argv) > 1 else "test.npz")
session = onnxruntime.InferenceSession("{runtime}", providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
logits = np.concatenate([session.run(None, {{name: data["x"][i : i + 50]}})[0] for i in range(0, len(data["x"]), 50)])
predictions = logits.argmax(axis=1)
measured = np.load("{predictions}")
if len(predictions) != N_TEST:
    sys.exit(f"These are {{len(predictions)}} images; it was measured on {{N_TEST}}.")
correct = int((predictions == data["y"]).sum())
different = int((predictions != measured).sum())
print(f"accuracy {{100 * correct / N_TEST:.2f}} %, measured {{100 * CORRECT / N_TEST:.2f}} %")
print(f"{{different}} of {{N_TEST}} predictions differ from the measured ones")
sys.exit(different > 0)
'''


def readme(result: Result, title: str, checked: str, names: Mapping[str, str]) -> str:
    """What is in the zip, and how to reproduce it."""
    width = max(map(len, names))
    files = "\n".join(f"  {name:<{width}}  {meaning}" for name, meaning in names.items())
    return f"""{title}

{checked}

Files
{files}

To reproduce the point, in this folder, with this project installed. {WHERE}

{"".join(f"  {line}" + chr(10) for line in commands(result).splitlines())}
`run` makes the network anew from the recipe and measures it. Sizes and accuracy should be the same, as everything is
seeded, though another processor may round otherwise in training. Latency is another machine's, and so is its ratio.
`decode` turns the stored file into the runtime file, which must be {RUNTIME} byte for byte.
`{SCRIPT}` runs {RUNTIME} and needs nothing but numpy and onnxruntime.

{provenance(result)}
"""


def provenance(result: Result) -> str:
    """Where and when it was measured, and as what."""
    machine = result.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return (
        f"Measured at {result.created_at} on {machine.cpu}, {machine.threads} thread(s), batch {machine.batch_size}; "
        f"{versions}. Recipe {result.recipe_id}, engine {result.engine_version}."
    )


def predictions_file(predictions: Classes) -> bytes:
    """The measured classes as a numpy file."""
    sink = io.BytesIO()
    np.save(sink, predictions, allow_pickle=False)
    return sink.getvalue()


def csv_file(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as CSV, with a column for each name that any of them has."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def zipped(files: Mapping[str, bytes | str]) -> bytes:
    """A zip with these files; the same files give the same bytes."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return sink.getvalue()
