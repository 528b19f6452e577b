import asyncio
import logging
from types import SimpleNamespace

import pytest

from pages.components.frame import server_log


@pytest.fixture
def log(caplog):
    filters = {server_log.SENDER: server_log._is_trouble, server_log.LISTENER: server_log._is_news}
    for name in filters:
        logging.getLogger(name).addHandler(caplog.handler)
    server_log.leave_out_goodbyes()
    server_log.leave_out_goodbyes()
    caplog.set_level(logging.INFO)
    yield caplog
    for name, left_out in filters.items():
        logging.getLogger(name).removeHandler(caplog.handler)
        logging.getLogger(name).removeFilter(left_out)


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


def test_a_timer_of_a_page_that_was_left_is_no_news(log):
    from streamlit.proto.ClientState_pb2 import ClientState
    from streamlit.runtime.app_session import AppSession, AppSessionState

    session = SimpleNamespace(_state=AppSessionState.APP_NOT_RUNNING, has_fragment=lambda fragment_id: False)
    AppSession.request_rerun(session, ClientState(fragment_id="gone"))
    logging.getLogger(server_log.LISTENER).info("something else")
    assert [record.message for record in log.records] == ["something else"]
