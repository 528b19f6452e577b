"""Where things are kept on this machine. Everything lives under one folder, `COMPRESSION_HOME`."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""Where this program's packages lie: processes that it starts find them there."""


def home() -> Path:
    """The folder for data sets, results and artifacts; created on first use by whoever writes there."""
    configured = os.environ.get("COMPRESSION_HOME")
    if configured:
        return Path(configured).expanduser().absolute()
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser().absolute() / "compression-dashboard"


def data_folder() -> Path:
    """Cached data sets."""
    return home() / "data"


def artifact_folder() -> Path:
    """Content-addressed files of results."""
    return home() / "artifacts"
