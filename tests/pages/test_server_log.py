import asyncio
import logging
from types import SimpleNamespace

import pytest

from pages.components import server_log


@pytest.fixture
def log(caplog):
    logger = logging.getLogger(server_log.SENDER)
    logger.addHandler(caplog.handler)
    server_log.leave_out_goodbyes()
    server_log.leave_out_goodbyes()
    yield caplog
    logger.removeHandler(caplog.handler)
    logger.removeFilter(server_log._is_trouble)


def send(error):
    """As Streamlit does it, to a connection that answers with `error`."""
    from streamlit.web.server.starlette.starlette_websocket import StarletteSessionClient

    async def refuse(payload):
        raise error

    connection = SimpleNamespace(headers={}, cookies={}, client=None, send_bytes=refuse)

    async def sent():
        client = StarletteSessionClient(connection)
        client._send_queue.put_nowait(b"page")
        await client._sender_task

    asyncio.run(sent())


def test_a_browser_that_went_away_is_no_trouble(log):
    send(RuntimeError("Unexpected ASGI message 'websocket.send', after sending 'websocket.close'."))
    assert not log.records


def test_other_trouble_is_logged(log):
    send(RuntimeError("the message is too long"))
    send(ValueError("after sending 'websocket.close' no 'websocket.send'"))
    assert [record.message for record in log.records] == ["Error sending websocket payload"] * 2
