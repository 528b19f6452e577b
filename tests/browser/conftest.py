"""A real server with the real engine, and a real Chromium that fails a test for any error in its console."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from benchmarks.dashboard import FLAGS
from tests.support.browser_tools import PATIENCE_MS

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
EXPECTED_PROBES = re.compile(r"/\w+/_stcore/")
"""Streamlit's own script first looks for the server below the page's path, and Chromium logs the 404."""


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A fresh dashboard on a free port: its address, process and home folder. Its log has no errors at the end."""
    home = tmp_path_factory.mktemp("dashboard")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = home / "server.log"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "COMPRESSION_HOME": str(home)}, stdout=sink, stderr=sink
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
        yield f"http://127.0.0.1:{port}", process, home
        said = log.read_text()
    finally:
        process.terminate()
        process.wait(timeout=60)
    assert "Traceback" not in said and "ERROR" not in said, said


def _wait_for(address, process):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(address, timeout=5)
        except OSError:
            time.sleep(0.3)
        else:
            return
    pytest.fail("the server did not start")


@pytest.fixture(scope="session")
def chromium():
    """The system's Chromium, or else the one that `playwright install chromium` brought."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = CHROMIUM or playwright.chromium.executable_path
        if not Path(path).exists() and not os.environ.get("COMPRESSION_REQUIRE_BROWSER"):
            pytest.skip("no Chromium; COMPRESSION_REQUIRE_BROWSER=1 makes this a failure")
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A page that fails the test when the browser's console has an error."""
    page = chromium.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(PATIENCE_MS)
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: message.type == "error" and troubles.append(_trouble(message)))
    yield page
    page.close()
    assert not list(filter(None, troubles))


def _trouble(message):
    place = (message.location or {}).get("url", "")
    return "" if EXPECTED_PROBES.search(place) else f"{message.text} {place}"
