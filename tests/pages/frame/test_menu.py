import subprocess
import sys
from types import SimpleNamespace

import pytest
import streamlit as st

from pages.components.frame import menu
from tests.support.page_tools import ROOT


@pytest.fixture
def session(monkeypatch):
    """Session state and query parameters without a page."""
    state, query = {}, {"model": "old"}
    parameters = SimpleNamespace(
        to_dict=lambda: dict(query),
        from_dict=lambda new: (query.clear(), query.update(new), state.update(written=True)),
    )
    monkeypatch.setattr(st, "session_state", state)
    monkeypatch.setattr(st, "query_params", parameters)
    return SimpleNamespace(state=state, query=query)


def test_the_address_follows_what_is_shown(session):
    menu.write_address({"model": "new"})
    assert session.query == {"model": "new"}
    del session.state["written"]
    menu.write_address({"model": "new"})
    assert "written" not in session.state


def test_after_going_back_it_is_written_once_something_changes(session):
    session.state[menu._LEFT] = menu._ANY
    for _ in range(2):
        menu.write_address({"model": "shown"})
    assert session.query == {"model": "old"}
    menu.write_address({"model": "changed"})
    assert session.query == {"model": "changed"}
    menu.write_address({"model": "shown"})
    assert session.query == {"model": "shown"}


def test_going_back_is_an_arrival(session):
    session.state |= {menu._DRAWN: menu.EXPLORE, menu._SHOWN: menu.EXPLORE}
    assert menu.has_arrived()
    session.state[menu._UNREAD] = True
    assert menu.goes_back()
    assert not menu.has_arrived()
    menu.arrive()
    assert menu.has_arrived()


@pytest.mark.parametrize(("running", "leaves"), [("explore", False), ("inspect", True)])
def test_a_callback_that_is_called_for_another_page_knows(session, monkeypatch, running, leaves):
    session.state[menu._RUNS] = "explore"
    monkeypatch.setattr(menu, "get_script_run_ctx", lambda: SimpleNamespace(page_script_hash=running))
    assert menu.is_leaving() is leaves


def test_a_move_that_meets_a_click_on_the_menu_draws_nothing_of_explore(session, monkeypatch):
    from pages.components.explore import parts

    drawn = []
    session.state |= {menu._SHOWN: menu.EXPLORE, menu._RUNS: "explore"}
    monkeypatch.setattr(st, "rerun", drawn.append)
    for running in ("explore", "inspect"):
        monkeypatch.setattr(menu, "get_script_run_ctx", lambda name=running: SimpleNamespace(page_script_hash=name))
        parts.redraw()
    assert drawn == [list(parts.PARTS)]


def test_a_page_has_its_frame_before_what_takes_long_to_import():
    code = (
        "import sys; from pages.components.frame import menu\nassert not {'pydantic', 'sqlalchemy'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
