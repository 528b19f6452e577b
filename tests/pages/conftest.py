"""Pages under Streamlit's AppTest, with an engine that measures at once."""

import sys

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.explore import advanced, boxes
from pages.components.frame import chart_view
from tests.support.fake_dispatcher import FakeDispatcher
from tests.support.page_tools import ROOT, checked

sys.path.insert(0, str(ROOT))  # as `streamlit run` does


@pytest.fixture(autouse=True)
def _figures_are_known_to_plotly(monkeypatch):
    """Pages draw plain data; plotly's own classes check every name and value of it."""
    import plotly.graph_objects as go

    show = chart_view.show
    monkeypatch.setattr(chart_view, "show", lambda figure, **settings: show(go.Figure(figure) and figure, **settings))


@pytest.fixture
def dispatcher(monkeypatch):
    """The engine that pages get; a test may set `held`, `failing` or `problem` before it opens a page."""
    fake = FakeDispatcher()
    monkeypatch.setattr("compression.work.dispatcher.get_dispatcher", lambda: fake)
    monkeypatch.setattr("compression.work.cluster_process.begin_early", lambda: None)
    return fake


@pytest.fixture
def home(dispatcher):
    """Opens the home page."""

    def open_home():
        return checked(AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run())

    return open_home


@pytest.fixture
def explore(dispatcher):
    """Opens the Explore page as a link with these query parameters does, with all groups of controls open or closed."""

    def open_explore(*, groups_open=True, **parameters):
        page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        page.switch_page("pages/explore.py")
        for group in (boxes.KEY, advanced.KEY, *map(advanced.key_of, advanced.GROUPS)):
            page.session_state[group] = groups_open
        for key, value in parameters.items():
            page.query_params[key] = value
        return checked(page.run())

    return open_explore
