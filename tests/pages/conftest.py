"""Pages under Streamlit's AppTest, with a dispatcher over a real store that has everything done at once."""

import functools
import pickle
import sys

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.pages_manager import PagesManager

from pages.components.explore import advanced, wish_box
from pages.components.frame import browser, chart_view
from tests.support.fake_dispatcher import FakeDispatcher
from tests.support.page_tools import ROOT, opened

sys.path.insert(0, str(ROOT))  # as `streamlit run` does
KNOWN_FIGURES = set()
"""Those that plotly has looked at: most are drawn several times."""


@pytest.fixture(autouse=True, scope="session")
def _packages_are_looked_through_once():
    """Whenever a test opens a page, Streamlit looks for components in all installed packages: a third of a second."""
    with pytest.MonkeyPatch.context() as patch:
        found = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", found)
        yield


@pytest.fixture(autouse=True)
def _figures_are_known_to_plotly(monkeypatch):
    """Pages draw plain data; plotly's own classes check every name and value of it."""
    import plotly.graph_objects as go

    show = chart_view.show

    def checked(figure, **settings):
        content = pickle.dumps(figure)
        if content not in KNOWN_FIGURES:
            go.Figure(figure)
            KNOWN_FIGURES.add(content)
        show(figure, **settings)

    monkeypatch.setattr(chart_view, "show", checked)


@pytest.fixture(autouse=True)
def _parts_know_all_pages(monkeypatch):
    """As on a server. Where AppTest draws a part alone, it forgets the pages, and links to them fail."""
    known, get_pages = {}, PagesManager.get_pages

    def all_pages(self):
        found = get_pages(self)
        known.update(found if len(found) > 1 else {})
        return known or found

    monkeypatch.setattr(PagesManager, "get_pages", all_pages)


@pytest.fixture
def dispatcher(monkeypatch, fresh_home):
    """The dispatcher that pages get; a test may set `held`, `failing` or `problem` before it opens a page."""
    fake = FakeDispatcher()
    monkeypatch.setattr("compression.work.dispatcher.get_dispatcher", lambda: fake)
    monkeypatch.setattr("compression.work.cluster_process.begin_early", lambda: None)
    return fake


@pytest.fixture
def cookies(monkeypatch):
    """What the browser keeps, by name."""
    kept = {}

    def read(name):
        written = st.session_state.get(browser._WRITTEN, {})
        return written[name] if name in written else kept.get(name, "")[: browser.MOST]

    monkeypatch.setattr("pages.components.frame.browser.read", read)
    return kept


@pytest.fixture
def home(dispatcher):
    """Opens the home page."""
    return opened


@pytest.fixture
def explore(dispatcher):
    """Opens the Explore page as a link with these query parameters does, with all groups of controls open or closed."""

    def open_explore(*, groups_open=True, **parameters):
        groups = (wish_box.KEY, wish_box.MORE, advanced.KEY, *map(advanced.key_of, advanced.GROUPS))
        return opened("explore", dict.fromkeys(groups, groups_open), **parameters)

    return open_explore
