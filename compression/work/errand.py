"""Commands that a page has carried out: each in a process of its own, which may break down without harm."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compression.environment import ROOT

BROKE_DOWN = "The program that did it broke down. Nothing was kept. Try again; its output is in the server's log."


class Errand:
    """Some commands of ours (see `compression.cli`), one after the other, begun when it is made.

    Each is given `--json --progress`. `fraction` (0 to 1) and `words` say how far it is, `found` is what the last one
    printed once all are done, `problem` why one was not. The folder `scratch`, if any, is removed at the end.
    """

    def __init__(self, commands: Sequence[Sequence[str]], scratch: Path | None = None) -> None:
        self.fraction, self.words, self.problem = 0.0, "starting", ""
        self.found: Any = None
        self._commands, self._scratch, self._is_cancelled = commands, scratch, False
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._carry_out, daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """Whether nothing more will happen."""
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Give it up; what is half done is not kept."""
        self._is_cancelled, self.problem = True, "Given up."
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)

    def wait(self) -> None:
        """Until it is done."""
        self._thread.join()

    def _carry_out(self) -> None:
        try:
            for number, command in enumerate(self._commands):
                if self.problem:
                    break
                self._run(command, number / len(self._commands))
        finally:
            if self._scratch is not None:
                shutil.rmtree(self._scratch, ignore_errors=True)

    def _run(self, command: Sequence[str], start: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "compression", *command, "--json", "--progress"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        with self._process as process:
            if self._is_cancelled:
                self.cancel()
            reader = threading.Thread(target=self._listen, args=(process, start), daemon=True)
            reader.start()
            assert process.stdout is not None
            printed = process.stdout.read()
            reader.join()
        if process.returncode and not self.problem:
            self.problem = BROKE_DOWN
        elif not process.returncode:
            self.found = json.loads(printed)

    def _listen(self, process: subprocess.Popen[str], start: float) -> None:
        """Progress as lines of JSON, one line for an error; everything else goes to the server's log."""
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("error: "):
                self.problem = self.problem or line.removeprefix("error: ").strip()
                continue
            try:
                fraction, self.words = json.loads(line)
                self.fraction = start + fraction / len(self._commands)
            except (ValueError, TypeError):
                print(line, end="", file=sys.stderr)
