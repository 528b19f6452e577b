"""Addresses that pages of commit 9cc6861 wrote open what they opened then. See `tests/store/test_old_home.py`."""

import json
from dataclasses import asdict

import pytest

from compression.explain import presentation
from compression.recipe.settings import at_slider
from compression.recipe.steps import TAUGHT_ALPHA, LowRank
from pages.components.view import link
from tests.support.old_home import LINKS

SLIDERS = {"rank_percent": "low_rank", "separable_percent": "depthwise_separable", "tied_blocks": "layer_tying"}
"""What settings were that are techniques' own sliders now."""
OPTIONS = {"convolutions": "convolutions", "ranks": "ranks", "rank_multiple": "round_to"}
"""What were settings of the low rank's, and what they are called in its step."""


def _setting(settings, name):
    if name in OPTIONS:
        usual = LowRank(rank_ratio=1)
        step = next((step for step in settings.structure if isinstance(step, LowRank)), usual)
        return getattr(step, OPTIONS[name])
    return at_slider(settings, SLIDERS[name]) if name in SLIDERS else getattr(settings, name)


@pytest.mark.parametrize("then", [then for then in LINKS if "view" in then], ids=lambda then: then["page"])
def test_it_is_the_same_view(then):
    view = link.view_from({name: value for name, value in then["link"].items() if name in link.PARAMETERS})
    now = {
        "recipe_id": view.recipe.recipe_id,
        "settings": {name: _setting(view.settings, name) for name in then["view"]["settings"]},
        "is_custom": view.custom is not None,
        "curves": sorted(view.curves),
        "axes": (view.axes.left, view.axes.right, view.axes.gain),
        "limits": {name: getattr(view.limits, name) for name in then["view"]["limits"]},
    }
    expected = then["view"] | {"curves": sorted(then["view"]["curves"])}
    if not any(step.technique == "fine_tuning" for step in view.recipe.steps):  # the link says nothing of this control
        expected["settings"] = expected["settings"] | {"recover_alpha": TAUGHT_ALPHA}
    assert json.loads(json.dumps(now)) == expected
    assert view.limits.asked.keys() <= then["view"]["limits"].keys()
    assert link.parameters_of(view).items() <= then["link"].items()


@pytest.mark.parametrize("then", [then for then in LINKS if "assumed" in then])
def test_it_assumes_the_same(then):
    """What a link leaves out is as usual today."""
    assumed = presentation.assumptions_from(then["link"])
    usual = asdict(presentation.Assumptions())
    assert asdict(assumed) == usual | {name: then["assumed"][name] for name in usual.keys() & then["link"].keys()}
    assert presentation.parameters_of(assumed).items() <= then["link"].items()
