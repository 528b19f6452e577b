"""What tests of pages share."""

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest

from pages.components.explore import parts
from pages.components.view import state

MODEL = "lenet5-mnist5k"
ROOT = Path(__file__).parents[2]


def opened(name="", /, state=(), **parameters):
    """A page as a link with these query parameters opens it after `state` was kept; the home page without a name."""
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    if name:
        page.switch_page(f"pages/{name}.py")
    for key, value in dict(state).items():
        page.session_state[key] = value
    for key, value in parameters.items():
        page.query_params[key] = value
    return checked(page.run())


def checked(page):
    """The page, after making sure that it did not fail."""
    assert not page.exception, [error.message for error in page.exception]
    return page


def rerun(page):
    """The whole page after what was done to it.

    A moved control draws only parts of it, and AppTest knows nothing but what was drawn last: hence the second run.
    """
    checked(page.run())
    return checked(page.run())


def pressed(page, key):
    """The page after a click on one of its buttons."""
    page.button(key=key).click()
    return rerun(page)


def url(page):
    """The query parameters that the page wrote into its address."""
    return {key: value[0] if isinstance(value, list) else value for key, value in page.query_params.items()}


def texts(elements):
    """What these elements say."""
    return " | ".join(str(element.value) for element in elements)


def words(page):
    """Everything that the page says in text."""
    kinds = ("title", "header", "markdown", "caption", "info", "success", "warning", "error", "code")
    return " | ".join([*(texts(page.get(kind)) for kind in kinds), shown_html(page), *progress(page)])


def shown_html(page):
    """What it draws as HTML."""
    return " ".join(element.proto.body for element in page.get("html"))


def progress(page):
    """What the page's progress bars and links say, which AppTest has no names for."""
    return [bar.proto.text for bar in page.get("progress")] + [link.proto.label for link in page.get("page_link")]


def downloads(page):
    """Labels of the buttons that download something."""
    return [button.proto.label for button in page.get("download_button")]


def components(page):
    """What was sent to the browser for it to draw by itself, by key."""
    return {component.key: json.loads(component.proto.json or "null") for component in page.get("bidi_component")}


def setting(page, kind, field):
    """One of Explore's controls."""
    return getattr(page, kind)(key=state.SETTING + field)


def moved(page, kind, field, value):
    """Explore after one of its controls was moved."""
    setting(page, kind, field).set_value(value)
    return rerun(page)


def url_recipe(page):
    """The recipe in Explore's address."""
    return json.loads(url(page)["recipe"])


def foreseen_rows(page):
    """What Explore's browser knows of other positions of its sliders."""
    return json.loads(components(page)["foresight"]["rows"])


def looked_into(page, part):
    """Explore with another part of what it found out."""
    page.session_state[parts.INSIGHT_TAB] = part
    return rerun(page)


def asked(dispatcher, prefix="explore-"):
    """The recipes that pages had measured in groups called so."""
    return [recipe for group, recipe in dispatcher.submitted if group.startswith(prefix)]
