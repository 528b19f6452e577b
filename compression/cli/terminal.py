"""Where numbers, progress and files of the command line go."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from compression import atomic
from compression.errors import InvalidRecipe, StorageFailed
from compression.watch import Watch

WIDE = 200
"""Characters a line where no terminal says how wide it is."""


def complain(error: object, code: int) -> int:
    """One line on standard error; returns the exit code."""
    print(f"error: {error}", file=sys.stderr)
    return code


@contextlib.contextmanager
def progress(*, as_lines: bool = False) -> Iterator[Watch]:
    """A bar on terminals, silence elsewhere; `as_lines` for programs: fraction and words as lines of JSON."""
    if as_lines:
        yield Watch(lambda fraction, words: print(json.dumps([fraction, words]), file=sys.stderr, flush=True))
        return
    bars = Console(stderr=True)
    columns = (
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=bars, transient=True, disable=not bars.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        yield Watch(lambda fraction, words: bar.update(task, completed=fraction, description=words))


@contextlib.contextmanager
def answers_only() -> Iterator[None]:
    """Inside, what libraries print goes to standard error: standard output is for the answer, which programs read."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def console() -> Console:
    """As wide as the terminal; lines are not broken in files and pipes."""
    return Console(width=None if sys.stdout.isatty() else WIDE)


def read(name: str) -> bytes:
    """A file, or standard input where it is called -."""
    return sys.stdin.buffer.read() if name == "-" else read_bytes(Path(name))


def read_bytes(path: Path) -> bytes:
    """A file; raises `InvalidRecipe` where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRecipe(
            f"Cannot read {path}: {error.strerror or error}. Check the name and your rights."
        ) from error


def write(path: Path, content: bytes) -> None:
    """A file with this content, or what was there before."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """`atomic.replacing`, and its errors with what to do."""
    try:
        with atomic.replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise StorageFailed(
            f"Cannot write {path}: {error.strerror or error}. Choose another place, or free some disk space."
        ) from error
