"""What tests of the Explore page share."""

import json

from pages.components.explore import parts
from pages.components.view import state
from tests.support.page_tools import rerun, url

MODEL = "lenet5-mnist5k"


def setting(page, kind, field):
    return getattr(page, kind)(key=state.SETTING + field)


def url_recipe(page):
    return json.loads(url(page)["recipe"])


def asked(dispatcher, prefix="explore-"):
    return [recipe for group, recipe in dispatcher.submitted if group.startswith(prefix)]


def components(page):
    """What was sent to the browser for it to draw by itself, by key."""
    return {component.key: json.loads(component.proto.json) for component in page.get("bidi_component")}


CHARTS = ("chart_left", "chart_right")


def foreseen_rows(page):
    return json.loads(components(page)["foresight"]["rows"])


def mark_on(page, chart):
    (mark,) = [trace for trace in json.loads(components(page)[chart]["figure"])["data"] if trace.get("meta") == "mark"]
    return mark


def opened(page, part):
    page.session_state[parts.INSIGHT_TAB] = part
    return rerun(page)
