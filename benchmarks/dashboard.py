"""Servers and a browser for benchmarks: the dashboard as people start it, a bare page beside it, real Chromium."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[1]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""What headless Chromium needs in a container without graphics, and nothing that would make it faster."""

BARE_PAGE = """import streamlit as st
value = st.slider("Value", 0, 1000, 0)
st.write(f"The value is {value}.")
"""
"""The floor: one slider and one line of text."""

START_S = 120
"""A server that does not answer for so long does not start any more."""


@dataclass(frozen=True)
class Server:
    """A Streamlit server that runs: its address and its process."""

    address: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def dashboard(home: Path) -> Iterator[Server]:
    """The dashboard on a free port, with its results in `home`, a new folder; healthy when it is yielded."""
    home.mkdir()
    with _serve(ROOT / "app.py", home) as server:
        yield server


@contextlib.contextmanager
def bare_page(folder: Path) -> Iterator[Server]:
    """`BARE_PAGE` on a free port, written into `folder`, a new one, with this project's Streamlit settings."""
    folder.mkdir()
    app = folder / "bare.py"
    app.write_text(BARE_PAGE)
    with _serve(app, folder) as server:
        yield server


@contextlib.contextmanager
def _serve(app: Path, home: Path) -> Iterator[Server]:
    """Run `app` with this project's config.toml; the log is `home`/server.log."""
    port = _free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(app), "--server.port", str(port)]
    environment = {**os.environ, "COMPRESSION_HOME": str(home)}
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        _wait_until_healthy(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:  # on a machine that is far too busy; its workers end with it
            process.kill()
            process.wait()


def _free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(server: Server) -> None:
    """Return when the server answers; raises TimeoutError where it ends or does not within `START_S` seconds."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{server.address}/_stcore/health", timeout=5):
            return
        time.sleep(0.01)
    raise TimeoutError(f"The server at {server.address} did not start.")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The system's headless Chromium or Chrome, or else the one that `playwright install chromium` brought."""
    from playwright.sync_api import sync_playwright

    installed = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome")))
    with sync_playwright() as playwright:
        path = next(installed, None) or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()
