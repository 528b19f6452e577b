import io
import subprocess
import sys

import pytest

from compression.engine.files import export
from compression.engine.measure import process_peak
from tests.support.networks import network

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process its peak")

_SIZE = 4_000_000
_RUNS_THAT_MAP_CODE = """
import mmap, sys
from compression.engine.measure import process_peak

path, size, kept = sys.argv[1], int(sys.argv[2]), []

def load_and_run(_content):
    kept.append(bytearray(b"x") * size)
    if len(kept) == 2:
        with open(path, "rb") as file:
            kept.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        assert sum(kept[-1][::4096]) == 0

process_peak._load_and_run = load_and_run
print(process_peak._in_a_copy(b""))
"""


@pytest.fixture(scope="module")
def files():
    names = ("mlp-digits", "lenet5-mnist5k")
    return {name: export.to_onnx(network(name)).SerializeToString(deterministic=True) for name in names}


@linux_only
class TestMeasured:
    def test_holds_the_weights_and_repeats(self, files):
        small, large, again = (
            process_peak.process_peak(files[name]) for name in ("mlp-digits", "lenet5-mnist5k", "lenet5-mnist5k")
        )
        assert len(files["lenet5-mnist5k"]) < large < 10 * len(files["lenet5-mnist5k"])
        assert len(files["mlp-digits"]) < small < 1_000_000 < large
        assert abs(large - again) < 0.25 * large

    def test_a_file_that_cannot_run_has_no_number_and_harms_nothing(self, files):
        assert process_peak.process_peak(b"garbage") is None
        assert process_peak.process_peak(files["mlp-digits"]) is not None

    def test_a_dead_helper_is_not_asked_again(self, files):
        helper = process_peak._Helper()
        assert helper.measure(files["mlp-digits"]) is not None
        helper._process.kill()
        helper._process.wait()
        assert helper.measure(files["mlp-digits"]) is None
        assert helper._process is None
        assert helper.measure(files["mlp-digits"]) is None

    def test_a_helper_started_before_is_the_one_that_is_asked(self, files):
        helper = process_peak._Helper()
        helper.start()
        started = helper._process
        assert helper.measure(files["mlp-digits"]) is not None
        assert helper._process is started
        helper._stop()

    def test_a_silent_helper_is_given_up(self, files, monkeypatch):
        helper = process_peak._Helper()
        monkeypatch.setattr(process_peak.select, "select", lambda *given: ([], [], []))
        assert helper.measure(files["mlp-digits"]) is None
        assert helper._process is None

    def test_code_that_is_mapped_again_does_not_count(self, tmp_path):
        (tmp_path / "code").write_bytes(bytes(_SIZE))
        program = [sys.executable, "-c", _RUNS_THAT_MAP_CODE, str(tmp_path / "code"), str(_SIZE)]
        done = subprocess.run(program, env=process_peak._environment(), capture_output=True, text=True, check=True)
        assert 0.95 * _SIZE < int(done.stdout) < 1.25 * _SIZE  # whole pages, and what was there before

    def test_status_is_in_bytes(self):
        assert 1_000_000 < process_peak._status("VmRSS") <= process_peak._status("VmHWM")
        with pytest.raises(OSError, match="VmNothing"):
            process_peak._status("VmNothing")


def test_other_systems_have_no_number(monkeypatch):
    monkeypatch.setattr(process_peak.sys, "platform", "darwin")
    assert process_peak._Helper().measure(b"") is None


def test_frames_are_answered_in_order_until_the_input_ends(monkeypatch):
    monkeypatch.setattr(process_peak, "_in_a_copy", lambda content: {b"abc": 3, b"": None}[content])
    frames = b"".join(len(part).to_bytes(8, "little") + part for part in (b"abc", b"", b"abc"))
    answers = io.BytesIO()
    process_peak.serve(io.BytesIO(frames + b"\x01"), answers)
    assert answers.getvalue() == b"3\nnull\n3\n"
