from pages.components.frame import chart_view, preload


def test_every_kind_of_element_is_found_in_this_streamlit():
    names = [address.rpartition("/")[2].partition(".")[0] for address in preload._elements()]
    assert sorted(names) == sorted(preload.ELEMENTS)


def test_addresses_begin_where_the_server_is_mounted(monkeypatch):
    monkeypatch.setattr("streamlit.get_option", lambda name: {"server.baseUrlPath": "/lab/dashboard/"}[name])
    assert chart_view.base_path() == "/lab/dashboard"
    assert all(address.startswith("/lab/dashboard/static/js/") for address in preload._elements())
    assert chart_view.library().startswith("/lab/dashboard/component/")


def test_the_home_page_begins_with_it(home):
    first = home().get("html")[0].proto.body
    assert "<script>" in first
    assert chart_view.library() in first
