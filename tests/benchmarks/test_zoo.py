from benchmarks import zoo
from compression import ENGINE_VERSION

ROW = {
    "model": "net",
    "task": "channels",
    "engine": ENGINE_VERSION,
    "apart": 0.0,
    "file_apart": 1e-6,
    "params": 25,
    "params_before": 100,
    "macs": 1,
    "macs_before": 4,
    "stored_bytes": 50,
    "seconds": {"trace": 0.1, "task": 2.0, "encode": 0.5, "decode": 0.1},
    "peak_bytes": 2_000_000,
}
FAILED = {"model": "net", "task": "4", "engine": ENGINE_VERSION, "problem": "too large", "peak_bytes": 3_000_000}


def test_a_cell_works_where_torch_and_the_file_agree():
    assert zoo.works(ROW) and not zoo.works(FAILED)
    assert not zoo.works(ROW | {"file_apart": 0.01}) and not zoo.works(ROW | {"apart": 0.01})
    assert zoo.works(ROW | {"task": "8/8", "file_apart": 0.01})  # a step of eight bits


def test_the_table_says_what_is_left_and_what_does_not_work():
    head, line = zoo.table_of([ROW, FAILED])
    assert head == ("model", "parameters", "channels", "4", "peak memory")
    assert line == ("net", "100", "0.25, 2.5 s", "no: too large", "3.00 MB")
    said = zoo.markdown([ROW, FAILED])
    assert "channels: 1 of 1; 4: 0 of 1" in said and "| net | 100 | 0.25, 2.5 s | no: too large | 3.00 MB |" in said


def test_what_was_measured_is_not_measured_again(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(zoo, "_alone", lambda model, task, limit_s: asked.append((model, task)) or {"problem": "no"})
    for _ in range(2):
        rows = zoo.fill([("a", "4"), ("a", "8/8")], tmp_path / "rows.jsonl", 1, lambda words: None)
    assert asked == [("a", "4"), ("a", "8/8")]
    assert [row["task"] for row in rows] == ["4", "8/8"]


def test_exporters_write_each_network_and_files_stand_alone(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(zoo, "_alone", lambda model, task, limit_s: asked.append(model) or FAILED)
    rows = ["--json", str(tmp_path / "rows.jsonl"), "--tasks", "4"]
    zoo.main([*rows, "--models", "a", "b", "--exporters", "torchscript-11", "dynamo-18"])
    zoo.main([*rows, "--files", "folder/c.onnx"])
    assert asked == ["a@torchscript-11", "a@dynamo-18", "b@torchscript-11", "b@dynamo-18", "folder/c.onnx"]
    assert zoo.table_of([FAILED | {"model": "folder/c.onnx"}])[1][0] == "c.onnx"


def test_a_network_as_an_exporter_writes_it():
    found = zoo.carry_out("squeezenet1_1@torchscript-17", "as it is")
    assert zoo.works(found | {"task": "as it is"})


def test_a_small_network_from_the_list():
    found = zoo.carry_out("squeezenet1_1", "channels")
    assert zoo.works(found | {"task": "channels"})
    assert found["params"] < 0.5 * found["params_before"]
