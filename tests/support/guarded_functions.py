"""Functions for a guarded child process: each goes wrong in its own way."""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

from compression.errors import UnknownModel
from compression.watch import SILENT


def answer(a, b, watch=SILENT):
    print("this is no answer")
    watch.report(0.5, "half")
    return {"sum": a + b, "text": "ä", "environment": sorted(os.environ), "group": os.getpgid(0)}


def refuse(watch=SILENT):
    raise UnknownModel("There is no such model. Choose another one.")


def stumble(watch=SILENT):
    raise KeyError("secret\nTraceback of many lines")


def fill_memory(watch=SILENT):
    return len([bytes(10_000_000) for _ in range(1000)])


def fill_disk(path, watch=SILENT):
    with Path(path).open("wb") as file:
        for _ in range(1000):
            file.write(bytes(1_000_000))


def crash(watch=SILENT):
    ctypes.string_at(0)


def be_killed(watch=SILENT):
    os.kill(os.getpid(), 9)


def leave(watch=SILENT):
    os._exit(3)


def compute(watch=SILENT):
    while True:
        pass


def sleep(path, watch=SILENT):
    """With a child of its own, whose process number it writes down."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(path).write_text(str(child.pid))
    watch.report(0.1, "sleeping")
    time.sleep(60)
