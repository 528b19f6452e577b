import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from compression.cli import main
from compression.engine.run import run_recipe
from compression.explain import bundle
from compression.models.data import load_dataset
from compression.models.subject import subject_of
from compression.recipe.recipe import make_recipe, parse_recipe

RECIPE = make_recipe("mlp-digits", [{"technique": "quantization", "weight_bits": 4, "activation_bits": 8}])


@pytest.fixture(scope="module")
def output():
    return run_recipe(subject_of(RECIPE.model), RECIPE)


@pytest.fixture
def folder(output, tmp_path):
    """What somebody has who unpacked the zip and got the data."""
    files = {
        bundle.RECIPE: bundle.recipe_json(output.result),
        bundle.STORED: output.stored,
        bundle.RUNTIME: output.onnx,
        bundle.PREDICTIONS: bundle.predictions_file(output.predictions),
        bundle.SCRIPT: bundle.script(output.result),
    }
    with zipfile.ZipFile(io.BytesIO(bundle.zipped(files))) as archive:
        archive.extractall(tmp_path)
    test = load_dataset("digits").test
    np.savez(tmp_path / "test.npz", x=np.concatenate([x for x, _ in test.batches(100)]), y=test.y)
    return tmp_path


def check(folder):
    return subprocess.run(
        [sys.executable, bundle.SCRIPT], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_script_reproduces_the_accuracy(folder, output):
    done = check(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"accuracy {100 * output.result.accuracy:.2f} %" in done.stdout
    assert "0 of 500 predictions differ" in done.stdout


def test_the_script_notices_other_predictions(folder, output):
    other = output.predictions.copy()
    other[:7] = (other[:7] + 1) % 10
    (folder / bundle.PREDICTIONS).write_bytes(bundle.predictions_file(other))
    done = check(folder)
    assert done.returncode == 1
    assert "7 of 500 predictions differ" in done.stdout


def test_the_script_notices_other_images(folder):
    data = np.load(folder / "test.npz")
    np.savez(folder / "test.npz", x=data["x"][:40], y=data["y"][:40])
    done = check(folder)
    assert done.returncode == 1
    assert "40 images; it was measured on 500" in done.stderr


def test_the_command_lines_are_ones_that_there_are(output, folder, monkeypatch):
    monkeypatch.chdir(folder)
    lines = bundle.commands(output.result).splitlines()
    commands = [line.removeprefix("python -m compression ").split() for line in lines if "-m compression" in line]
    run, decode, data = commands
    assert parse_recipe((folder / run[1]).read_text()) == RECIPE
    assert main(decode) == 0
    assert (folder / "decoded.onnx").read_bytes() == output.onnx
    assert main(data) == 0
    assert len(np.load(folder / "test.npz")["y"]) == 500
    assert lines[-1] == f"python {bundle.SCRIPT}"


def test_the_readme_lists_every_file_and_the_commands(output):
    words = bundle.readme(output.result, "MLP: 4 bits", "Checked.", {"a.txt": "a text", "b.bin": "bytes"})
    for part in ("MLP: 4 bits", "Checked.", "a.txt", "a text", bundle.commands(output.result).splitlines()[0]):
        assert part in words


def test_the_same_files_give_the_same_zip(output):
    files = {"a": b"1", "b": "two"}
    assert bundle.zipped(files) == bundle.zipped(files)


def test_the_recipe_is_one_that_the_command_line_takes(output):
    assert json.loads(bundle.recipe_json(output.result))["model"] == "mlp-digits"
    assert parse_recipe(bundle.recipe_json(output.result)) == RECIPE
