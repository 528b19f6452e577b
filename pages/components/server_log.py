"""The server's log, without what is no trouble: a browser that went away while it was being sent something."""

from __future__ import annotations

import logging

SENDER = "streamlit.web.server.starlette.starlette_websocket"
"""Streamlit's logger of what goes to browsers."""


def leave_out_goodbyes() -> None:
    """Keep messages to connections that are closed out of the log; call it as often as you like."""
    logging.getLogger(SENDER).addFilter(_is_trouble)


def _is_trouble(record: logging.LogRecord) -> bool:
    """Whether a record is about more than a closed connection, which uvicorn answers with this RuntimeError."""
    error = record.exc_info[1] if record.exc_info else None
    words = str(error)
    return not (isinstance(error, RuntimeError) and "websocket.send" in words and "websocket.close" in words)
