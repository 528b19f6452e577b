"""Input that is hostile until proven otherwise is read by a child process with limits.

`python -m compression.guard` reads one request from standard input, sets its own limits, carries out one of our
functions, and answers with lines of JSON: any number of `["report", [fraction, words]]`, then `["result", value]` or
`["error", [class, text]]`. The parent kills it, and whatever it started, when the time is over or nobody waits.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from compression import errors, units
from compression.environment import ROOT
from compression.errors import CompressionError, RefusedFile
from compression.watch import SILENT, Watch

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

CHECK_S = 0.25
"""So often the parent looks whether the work is still wanted."""


@dataclass(frozen=True)
class _Request:
    function: str
    arguments: dict[str, JSON]
    seconds: int
    memory_bytes: int
    file_bytes: int

    @property
    def too_long(self) -> str:
        most = units.counted(self.seconds, "second")
        return f"Reading it took longer than {most} and was ended. Bring fewer or smaller files."

    @property
    def too_much_memory(self) -> str:
        most = units.size(self.memory_bytes)
        return f"Reading it takes more than the {most} of memory it may have. Bring fewer or smaller files."

    @property
    def too_large(self) -> str:
        return f"Unpacked it is larger than {units.size(self.file_bytes)}. Bring fewer or smaller files."


def guarded(
    function: str,
    arguments: dict[str, JSON],
    *,
    seconds: int,
    memory_bytes: int,
    file_bytes: int,
    watch: Watch = SILENT,
) -> JSON:
    """What `function`, as module:name, returns for the `arguments` and a `watch`, called in a child process.

    It may take `seconds` by the clock, as many of one core, and `memory_bytes` besides files of up to `file_bytes`
    that it maps; no file that it writes may be larger than that. What it reports goes to `watch`, which is asked at
    least twice a second whether all this is still wanted. A `CompressionError` in the child is raised here as the same
    class with the same text. Whatever else goes wrong there, a crash or a limit too, is a `RefusedFile`.
    """
    request = _Request(function, arguments, seconds, memory_bytes, file_bytes)
    with _child(request) as child:
        for line in _lines(child, request, watch):
            kind, content = json.loads(line)
            if kind == "report":
                watch.report(*content)
            elif kind == "error":
                raise _error(*content)
            else:
                return content  # type: ignore[no-any-return]
    raise RefusedFile(_last_words(request, child.returncode))


@contextlib.contextmanager
def _child(request: _Request) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has the request; it and all of its group are gone afterwards."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-s", "-W", "ignore", "-m", "compression.guard"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env=_environment(),
        start_new_session=True,
    )
    with child:
        try:
            with contextlib.suppress(BrokenPipeError):  # it died: its exit status says how
                child.stdin.write(json.dumps(asdict(request)).encode())  # type: ignore[union-attr]
                child.stdin.close()  # type: ignore[union-attr]
            yield child
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # one that has ended keeps its exit status


def _environment() -> dict[str, str]:
    """Nothing of ours that the child could tell on; one thread and one heap, which limits of memory suit."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")
    return threads | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _lines(child: subprocess.Popen[bytes], request: _Request, watch: Watch) -> Iterator[bytes]:
    """What the child writes, until it ends; raises what `watch` does, and `RefusedFile` when the time is over."""
    until, pipe, rest = time.monotonic() + request.seconds, child.stdout, b""
    assert pipe is not None
    while True:
        watch.check()
        if time.monotonic() > until:
            raise RefusedFile(request.too_long)
        if multiprocessing.connection.wait([pipe.fileno()], CHECK_S):
            piece = os.read(pipe.fileno(), 1 << 16)
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines


def _error(name: str, text: str) -> CompressionError:
    kind = getattr(errors, name, RefusedFile)
    return kind(text)  # type: ignore[no-any-return]


def _last_words(request: _Request, status: int) -> str:
    """Why a child with this exit status gave no answer."""
    if status == -signal.SIGXCPU:
        return request.too_long
    if status == -signal.SIGKILL:  # by the system, which does that when memory runs out
        return request.too_much_memory
    how = signal.strsignal(-status) if status < 0 else f"exit status {status}"
    return (
        f"The program that reads it broke down ({how}): the file is damaged, or made to do harm. "
        "Get it anew from where it came, or make it anew, and try again."
    )


# --- in the child process ----------------------------------------------------------------------------------------


def main() -> None:
    """Carry out the request on standard input; see the module's docstring."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def tell(kind: str, content: JSON) -> None:
        print(json.dumps([kind, content]), file=pipe, flush=True)

    request = _Request(**json.load(sys.stdin))
    _limit(request)
    tell(*_outcome(request, Watch(lambda fraction, words: tell("report", [fraction, words]))))
    os._exit(0)  # threads of libraries must not keep this process alive


def _limit(request: _Request) -> None:
    """The soft limits: going beyond them is an error or a signal that tells which it was."""
    import resource  # only there where processes can be limited

    for kind, most in (
        (resource.RLIMIT_DATA, request.memory_bytes),
        (resource.RLIMIT_AS, request.memory_bytes + request.file_bytes),
        (resource.RLIMIT_CPU, request.seconds),
        (resource.RLIMIT_FSIZE, request.file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _outcome(request: _Request, watch: Watch) -> tuple[str, Any]:
    try:
        return "result", _function(request.function)(**request.arguments, watch=watch)
    except CompressionError as error:
        return "error", [type(error).__name__, str(error)]
    except MemoryError:
        return "error", ["RefusedFile", request.too_much_memory]
    except OSError as error:
        return "error", _of_the_system(request, error)
    except Exception as error:
        return "error", ["RefusedFile", _unforeseen(error)]


def _function(name: str) -> Callable[..., JSON]:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]


def _of_the_system(request: _Request, error: OSError) -> list[str]:
    if error.errno == errno.EFBIG:
        return ["RefusedFile", request.too_large]
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ["StorageFailed", "The disk is full. Free some space and try again."]
    return ["RefusedFile", _unforeseen(error)]


def _unforeseen(error: Exception) -> str:
    words = next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
    return f"It could not be read: {words}. Get it anew from where it came, or make it anew, and try again."


if __name__ == "__main__":
    main()
