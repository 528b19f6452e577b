import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

from compression import cli
from sample_models.catalogue import MODELS
from tests.support.brought import digits_zip, sample_onnx

PRUNED = {"model": "mlp-digits", "steps": [{"technique": "channel_pruning", "pruning_ratio": 0.25}]}
CONTRACT = {
    *(
        "recipe_id",
        "baseline",
        "n_test",
        "params",
        "nonzero_params",
        "macs",
        "integer_macs",
        "ledger",
        "runtime_ledger",
    ),
    *("theoretical_bytes", "stored_bytes", "onnx_bytes", "zipped_bytes", "weight_bytes", "process_peak_bytes"),
    *("activation_bytes", "activation_traffic_bytes", "accuracy", "accuracy_low", "accuracy_high"),
    *("latency_p50_ms", "latency_p95_ms", "latency_ratio", "latency_ratio_low", "latency_ratio_high"),
}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def call(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "compression", *arguments], capture_output=True, text=True, check=False, timeout=240
    )


@pytest.mark.usefixtures("fresh_home")
class TestCommands:
    def test_models_lists_every_model_as_json(self, capsys):
        assert cli.main(["models", "--json"]) == 0
        models = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
        assert models["lenet5-mnist5k"]["params"] == 431_080
        assert models.keys() == MODELS.keys()

    def test_run_prints_the_contract_and_writes_three_files_that_agree(self, tmp_path, capsys):
        out = tmp_path / "out"
        assert cli.main(["run", write(tmp_path / "r.json", PRUNED), "--json", "--out", str(out)]) == 0
        result = json.loads(capsys.readouterr().out)
        assert set(result) >= CONTRACT
        assert set(result["baseline"]) >= CONTRACT - {"recipe_id", "baseline"}
        (onnx,) = out.glob("*.onnx")
        (stored,) = out.glob("*.cnet")
        (recipe,) = out.glob("*.json")
        assert len(list(out.iterdir())) == 3
        assert (stored.stat().st_size, onnx.stat().st_size) == (result["stored_bytes"], result["onnx_bytes"])
        assert json.loads(recipe.read_text())["steps"][0]["pruning_ratio"] == 0.25

        decoded = tmp_path / "decoded.onnx"
        assert cli.main(["decode", str(stored), "--onnx", str(decoded)]) == 0
        assert decoded.read_bytes() == onnx.read_bytes()

        test = tmp_path / "test.npz"
        assert cli.main(["data", "mlp-digits", "--split", "test", "--out", str(test)]) == 0
        arrays = np.load(test)
        assert (arrays["x"].dtype, arrays["y"].dtype) == (np.float32, np.int64)
        session = onnxruntime.InferenceSession(decoded)
        (logits,) = session.run(None, {session.get_inputs()[0].name: arrays["x"]})
        assert (logits.argmax(1) == arrays["y"]).mean() == pytest.approx(result["accuracy"], abs=1e-12)

    def test_a_measured_recipe_is_answered_from_the_store_and_fresh_measures_anew(self, tmp_path, capsys):
        recipe = write(tmp_path / "r.json", PRUNED)
        rows = []
        for options in ([], [], ["--fresh"]):
            assert cli.main(["run", recipe, "--json", *options]) == 0
            rows.append(json.loads(capsys.readouterr().out))
        assert rows[0] == rows[1]
        assert rows[2]["latency_p50_ms"] != rows[0]["latency_p50_ms"]
        assert rows[2]["accuracy"] == rows[0]["accuracy"]

    def test_sweep_prints_one_object_a_line_and_goes_on_after_a_failure(self, tmp_path, capsys):
        missing = {"model": "nope", "steps": []}
        baseline = {"model": "mlp-digits", "steps": []}
        sweep = write(tmp_path / "s.json", {"recipes": [baseline, missing, PRUNED]})
        assert cli.main(["sweep", sweep, "--json"]) == 1
        printed = capsys.readouterr()
        rows = [json.loads(line) for line in printed.out.splitlines()]
        assert ["error" in row for row in rows] == [False, True, False]
        assert rows[0]["accuracy"] == rows[2]["baseline"]["accuracy"]
        assert "nope" in printed.err

    def test_tables_are_for_people(self, tmp_path, capsys):
        assert cli.main(["run", write(tmp_path / "r.json", PRUNED)]) == 0
        printed = capsys.readouterr().out
        assert "prune 25 % of channels" in printed
        assert "×" in printed
        assert "Energy of one image, modelled, weights in DRAM" in printed
        assert "not measured" in printed

    def test_sparse_prints_times_and_crossovers(self, tmp_path, capsys):
        assert cli.main(["sparse", "mlp-digits", "--json", "--seconds", "0.05"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert {row["layer"] for row in found["timings"]} == {"layers.1", "layers.3", "layers.5"}
        assert {row["batch_size"] for row in found["crossovers"]} == {1, 16}
        assert len(found["crossovers"]) == 6
        assert cli.main(["sparse", "mlp-digits", "--seconds", "0.05"]) == 0
        assert "sparse wins from" in capsys.readouterr().out
        with pytest.raises(SystemExit) as ended:
            cli.main(["sparse", "mlp-digits", "--seconds", "0"])
        assert ended.value.code == 2

    @pytest.mark.parametrize(
        ("content", "code", "message"),
        [
            ("{", 2, "Invalid JSON"),
            ({"model": "nope"}, 2, "There is no model 'nope'"),
            ({"model": "mlp-digits", "steps": [{"technique": "quantization", "weight_bits": 9}]}, 2, "weight_bits"),
        ],
    )
    def test_bad_recipes_end_with_a_code_and_one_line(self, tmp_path, capsys, content, code, message):
        assert cli.main(["run", write(tmp_path / "r.json", content)]) == code
        printed = capsys.readouterr()
        assert message in printed.err
        assert printed.err.count("\n") == 1
        assert printed.out == ""

    def test_a_missing_file_and_a_broken_stored_file(self, tmp_path, capsys):
        assert cli.main(["run", str(tmp_path / "none.json")]) == 2
        (tmp_path / "broken.cnet").write_bytes(b"garbage" * 100)
        assert cli.main(["decode", str(tmp_path / "broken.cnet"), "--onnx", str(tmp_path / "o.onnx")]) == 1
        assert not (tmp_path / "o.onnx").exists()
        assert capsys.readouterr().err.count("error:") == 2

    def test_a_folder_that_cannot_be_written_is_an_error(self, tmp_path, capsys):
        (tmp_path / "file").write_text("in the way")
        recipe = write(tmp_path / "r.json", PRUNED)
        assert cli.main(["run", recipe, "--out", str(tmp_path / "file" / "out")]) == 1
        assert "Cannot write" in capsys.readouterr().err


@pytest.mark.usefixtures("fresh_home")
def test_as_a_command_errors_show_no_traceback(tmp_path):
    done = call("run", write(tmp_path / "r.json", "[]"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: Not a valid recipe.")
    assert "Traceback" not in done.stderr


def test_usage_errors_have_exit_code_two():
    assert call("fly").returncode == 2
    assert call("--help").returncode == 0


def test_people_bring_their_own_network_and_images(fresh_home, tmp_path, capsys):
    """The contract of the command line: data, network, check, recipe, and all of it gone again."""

    def said(*arguments):
        assert cli.main(list(arguments)) == 0
        return json.loads(capsys.readouterr().out)

    facts = said("add-data", "digits-mine", str(digits_zip(tmp_path)), "--json")
    assert len(facts["classes"]) == 10 and sum(facts["parts"]) == 1797
    found = said("add-model", "mine", "--onnx", str(sample_onnx(tmp_path)), "--data", "digits-mine", "--json")
    assert "own mean" in found["better"]["words"]
    assert said("check", "mine", "--fix", "--json")["better"] is None
    assert "mine" in [one["name"] for one in said("models", "--json")]
    assert {"digits", "digits-mine"} <= {one["name"] for one in said("data-sets", "--json")}
    recipe = write(tmp_path / "r.json", PRUNED | {"model": "mine"})
    row = said("run", recipe, "--json")
    assert row["accuracy"] > 0.9 and row["stored_bytes"] < row["baseline"]["stored_bytes"]
    assert cli.main(["remove", "digits-mine"]) == 1
    assert "needed by mine" in capsys.readouterr().err
    said("remove", "mine", "--json")
    said("remove", "digits-mine", "--json")
    assert cli.main(["run", recipe]) == 2
    assert "no model 'mine'" in capsys.readouterr().err
