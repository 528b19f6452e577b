import platform
import subprocess

import pytest

from compression import ENGINE_VERSION
from compression.results import machine

CPUINFO = """processor\t: 0
model name\t: Some  CPU @ 2.00GHz
flags\t\t: fpu sse AVX2 avx512f amx_int8

processor\t: 1
model name\t: Another
flags\t\t: fpu
"""


@pytest.fixture(autouse=True)
def fresh():
    """Forget what was found on this machine before and after each test."""
    cached = (machine.describe_machine, machine.machine_id, machine._cpuinfo)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


def test_describes_this_machine():
    found = machine.describe_machine()
    assert found.cpu and found.threads == found.batch_size == 1
    assert found.versions["python"] == platform.python_version()
    assert found.versions["onnxruntime"] == "1.31.1" and found.versions["torch"].startswith("2.13.0")
    assert found.versions["engine"] == ENGINE_VERSION and "onnx" in found.versions


def test_linux(monkeypatch):
    monkeypatch.setattr(machine, "_cpuinfo", lambda: machine.parse_cpuinfo(CPUINFO))
    found = machine.describe_machine.__wrapped__()
    assert found.cpu == "Some CPU @ 2.00GHz"
    assert set(found.instruction_sets) - {"neon"} == {"avx2", "avx512f", "amx_int8"}


def test_macos(monkeypatch):
    answers = {"machdep.cpu.brand_string": "Apple M9\n"}

    def run(command, **settings):
        return subprocess.CompletedProcess(command, 0, stdout=answers.get(command[2], ""))

    monkeypatch.setattr(machine, "_cpuinfo", dict)
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(subprocess, "run", run)
    found = machine.describe_machine.__wrapped__()
    assert found.cpu == "Apple M9" and found.instruction_sets == ("neon",)


def test_macos_writes_names_without_underscores(monkeypatch):
    monkeypatch.setattr(machine, "_cpuinfo", dict)
    monkeypatch.setattr(machine, "_sysctl", lambda names: "AVX2 AVX512VNNI" if "leaf7" in names else "")
    assert {"avx2", "avx512_vnni"} <= set(machine.describe_machine.__wrapped__().instruction_sets)


def test_elsewhere_there_is_always_a_name(monkeypatch):
    monkeypatch.setattr(machine, "_cpuinfo", dict)
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    assert machine.describe_machine.__wrapped__().cpu == "AMD64"


def test_the_id_names_what_timings_depend_on(monkeypatch):
    found = machine.machine_id()
    assert len(found) == 16 and int(found, 16) >= 0 and machine.machine_id.__wrapped__() == found
    for change in ({"cpu": "Another"}, {"instruction_sets": ()}):
        other = machine.describe_machine().model_copy(update=change)
        monkeypatch.setattr(machine, "describe_machine", lambda other=other: other)
        assert machine.machine_id.__wrapped__() != found
        monkeypatch.undo()


def test_a_missing_package_is_said():
    assert machine._version("a-package-that-nobody-has") == "not installed"
