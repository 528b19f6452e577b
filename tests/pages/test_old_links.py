"""Addresses that pages of commit 9cc6861 wrote open what they opened then. See `tests/store/test_old_home.py`."""

import json
from dataclasses import asdict

import pytest

from compression.explain import presentation
from pages.components.view import link
from tests.support.old_home import LINKS


@pytest.mark.parametrize("then", [then for then in LINKS if "view" in then], ids=lambda then: then["page"])
def test_it_is_the_same_view(then):
    view = link.view_from({name: value for name, value in then["link"].items() if name in link.PARAMETERS})
    now = {
        "recipe_id": view.recipe.recipe_id,
        "settings": {name: asdict(view.settings)[name] for name in then["view"]["settings"]},
        "is_custom": view.custom is not None,
        "curves": view.curves,
        "axes": (view.axes.left, view.axes.right, view.axes.gain),
        "limits": asdict(view.limits),
    }
    assert json.loads(json.dumps(now)) == then["view"]
    assert link.parameters_of(view).items() <= then["link"].items()


@pytest.mark.parametrize("then", [then for then in LINKS if "assumed" in then])
def test_it_assumes_the_same(then):
    assumed = presentation.assumptions_from(then["link"])
    assert asdict(assumed) == then["assumed"]
    assert presentation.parameters_of(assumed).items() <= then["link"].items()
