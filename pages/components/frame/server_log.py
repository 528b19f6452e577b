"""The server's log, without what is no trouble: browsers that went away, and timers of pages that were left."""

from __future__ import annotations

import logging

SENDER = "streamlit.web.server.starlette.starlette_websocket"
"""Streamlit's logger of what goes to browsers."""


LISTENER = "streamlit.runtime.app_session"
"""Streamlit's logger of what browsers ask for."""


def leave_out_goodbyes() -> None:
    """Keep out of the log what is said to connections that are closed, and asked by pages that were left.

    Call it as often as you like.
    """
    logging.getLogger(SENDER).addFilter(_is_trouble)
    logging.getLogger(LISTENER).addFilter(_is_news)


def _is_trouble(record: logging.LogRecord) -> bool:
    """Whether a record is about more than a closed connection, which uvicorn answers with this RuntimeError."""
    error = record.exc_info[1] if record.exc_info else None
    words = str(error)
    return not (isinstance(error, RuntimeError) and "websocket.send" in words and "websocket.close" in words)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a record says more than that a part of a page, whose timer went off, is not shown any more."""
    return not str(record.msg).startswith("The fragment with id")
