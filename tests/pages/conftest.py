"""Pages under Streamlit's AppTest, with a dispatcher over a real store that has everything done at once."""

import sys

import pytest

from pages.components.explore import advanced, limit_boxes
from pages.components.frame import chart_view
from tests.support.fake_dispatcher import FakeDispatcher
from tests.support.page_tools import ROOT, opened

sys.path.insert(0, str(ROOT))  # as `streamlit run` does


@pytest.fixture(autouse=True)
def _figures_are_known_to_plotly(monkeypatch):
    """Pages draw plain data; plotly's own classes check every name and value of it."""
    import plotly.graph_objects as go

    show = chart_view.show
    monkeypatch.setattr(chart_view, "show", lambda figure, **settings: show(go.Figure(figure) and figure, **settings))


@pytest.fixture
def dispatcher(monkeypatch, fresh_home):
    """The dispatcher that pages get; a test may set `held`, `failing` or `problem` before it opens a page."""
    fake = FakeDispatcher()
    monkeypatch.setattr("compression.work.dispatcher.get_dispatcher", lambda: fake)
    monkeypatch.setattr("compression.work.cluster_process.begin_early", lambda: None)
    return fake


@pytest.fixture
def home(dispatcher):
    """Opens the home page."""
    return opened


@pytest.fixture
def explore(dispatcher):
    """Opens the Explore page as a link with these query parameters does, with all groups of controls open or closed."""

    def open_explore(*, groups_open=True, **parameters):
        groups = (limit_boxes.KEY, advanced.KEY, *map(advanced.key_of, advanced.GROUPS))
        return opened("explore", dict.fromkeys(groups, groups_open), **parameters)

    return open_explore
