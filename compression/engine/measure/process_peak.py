"""How much memory a runtime file needs while it runs: measured, in a process made for that.

A worker holds torch, data and memory of earlier work that the next network would be given, so what it grows
by says little. Instead a helper process, started once, imports ONNX Runtime alone and makes a copy of itself
(fork) for every file: some 30 ms each where a new process would take 300. The copy loads the file and runs
one image twice. The first time touches the program's own pages; then it gives all free memory back, resets
the system's peak, and the second time counts:

    peak of resident memory (VmHWM) during loading and running, minus resident memory (VmRSS) before,
    minus what the pages of program files (RssFile) grew by meanwhile

So this holds the runtime's copies of the weights while it loads them, its rearranged weights, activations and
scratch space, in whole small pages; not ONNX Runtime's code, nor the file's bytes that were there before. Code does
come back during the second time: a machine short of memory takes such pages away at any moment, and the next
touch maps them again. Large blocks always come from the system and go back to it (glibc's threshold for that
is held at its first value: left alone it follows what was freed before, and the number with it). The same file
gives the same number within some 5 %. Linux only.

`python -m compression.engine.measure.process_peak` is the helper: it reads frames (8 bytes of length, then a runtime
file) from standard input and answers each with a line of JSON, the bytes or null. It ends when its input does.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from compression.environment import ROOT

TIMEOUT_S = 30.0
"""The first answer takes half a second, later ones 50 ms; a machine that pages may take long."""

COPIES, SMALL = 3, 1 << 20
"""How often files below so many bytes are measured. The least counts: where blocks happen to lie only adds, up to 30 KB
seen, which matters for these."""

_LENGTH = 8
_RESET_PEAK = "5"
"""What Linux takes to mean: start VmHWM anew (man 5 proc, clear_refs)."""

_NO_HUGE_PAGES = 41
"""PR_SET_THP_DISABLE (man 2 prctl): with pages of 2 MiB the number would follow where a block happens to lie."""


class _Helper:
    """The helper process as its owner sees it. After its first failure it is not asked again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._has_failed = not sys.platform.startswith("linux")

    def start(self) -> None:
        self._with(lambda process: None)

    def measure(self, onnx_bytes: bytes) -> int | None:
        return self._with(lambda process: _ask(process, onnx_bytes))

    def _with(self, work: Callable[[subprocess.Popen[bytes]], int | None]) -> int | None:
        """What comes out of work with the process, which is started where it was not; None after a failure."""
        with self._lock:
            if self._has_failed:
                return None
            try:
                self._process = self._process or _start()
                return work(self._process)
            except (OSError, ValueError):
                self._has_failed = True
                self._stop()
                return None

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _ask(process: subprocess.Popen[bytes], onnx_bytes: bytes) -> int | None:
    requests, answers = process.stdin, process.stdout
    assert requests is not None and answers is not None
    requests.write(len(onnx_bytes).to_bytes(_LENGTH, "little") + onnx_bytes)
    requests.flush()
    if not select.select([answers], [], [], TIMEOUT_S)[0]:
        raise TimeoutError
    found: int | None = json.loads(answers.readline())
    return found


_helper = _Helper()
atexit.register(_helper._stop)


def start_helper() -> None:
    """Have the helper process get ready while something else is done; `process_peak` would start it too."""
    _helper.start()


def process_peak(onnx_bytes: bytes) -> int | None:
    """Bytes that loading the file and running one image adds to a process with ONNX Runtime; None if unknown.

    None wherever the system does not tell, or the helper process cannot work.
    """
    return _helper.measure(onnx_bytes)


def _environment() -> dict[str, str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | threads | {"PYTHONPATH": path, "MALLOC_MMAP_THRESHOLD_": "131072"}


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "compression.engine.measure.process_peak"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )


# --- in the helper process ---------------------------------------------------------------------------------------


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer frames until there are no more."""
    while len(header := requests.read(_LENGTH)) == _LENGTH:
        onnx_bytes = requests.read(int.from_bytes(header, "little"))
        copies = [_in_a_copy(onnx_bytes) for _ in range(COPIES if len(onnx_bytes) < SMALL else 1)]
        known = [peak for peak in copies if peak is not None]
        answers.write(json.dumps(min(known, default=None)).encode() + b"\n")
        answers.flush()


def _in_a_copy(onnx_bytes: bytes) -> int | None:
    """What `_peak` says in a copy of this process; None when it dies."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(Exception):
            os.write(writer, json.dumps(_peak(onnx_bytes)).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        answer = file.read()
    os.waitpid(child, 0)
    return int(answer) if answer else None


def _peak(onnx_bytes: bytes) -> int:
    system = ctypes.CDLL(None)
    system.prctl(_NO_HUGE_PAGES, 1, 0, 0, 0)
    _load_and_run(onnx_bytes)
    system.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
    before, code_before = _status("VmRSS"), _status("RssFile")
    _load_and_run(onnx_bytes)
    code_growth = max(0, _status("RssFile") - code_before)
    return _status("VmHWM") - before - code_growth


def _load_and_run(onnx_bytes: bytes) -> None:
    from compression.engine.measure.evaluation import one_image, open_session
    from compression.results.machine import THREADS

    session = open_session(onnx_bytes, THREADS)
    session.run(None, one_image(session))


def _status(key: str) -> int:
    """A size in bytes from `/proc/self/status`, which states kB of 1,024 bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return 1024 * int(value.split()[0])
    raise OSError(f"This system does not tell {key}.")


def _prepare() -> None:
    """Whatever every copy would otherwise do again."""
    import compression.engine.measure.evaluation  # noqa: F401
    from compression.results.machine import describe_machine

    describe_machine()


if __name__ == "__main__":
    _prepare()
    serve(sys.stdin.buffer, sys.stdout.buffer)
