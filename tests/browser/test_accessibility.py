"""What axe-core finds on every page, light and wide, then dark and narrow; and what a keyboard reaches."""

import json
import os
import signal
from pathlib import Path
from urllib.parse import quote

import axe_playwright_python
import pytest

from pages.components.frame import menu
from tests.support.browser_tools import settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
STEPS = [{"technique": "quantization", "weight_bits": 4}]
ONE = f"?model=mlp-digits&recipe={quote(json.dumps({'model': 'mlp-digits', 'steps': STEPS}))}"
SEVERAL = f"?recipes={quote(json.dumps([{'model': 'mlp-digits', 'steps': steps} for steps in ([], STEPS)]))}"
QUERIES = {
    "Explore": ONE,
    "Inspect": ONE,
    "Compare": SEVERAL,
    "Learn": "?chapter=quantization",
    "Present": ONE,
    "Jobs": "?show=history",
}
"""What pages of the menu are looked at with; the others are opened bare."""
DISABLED = '[class*="st-key-"]:has([disabled])'
"""What cannot be used may be pale (WCAG 2.2, 1.4.3); axe does not see that a control's label belongs to it."""


def barriers(page):
    """What axe-core finds: rule, and the elements that break it."""
    page.evaluate(f"{AXE};0")
    options = {"resultTypes": ["violations"]}
    found = page.evaluate("([exclude, options]) => axe.run({ exclude }, options)", [[DISABLED], options])
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found["violations"]]


@pytest.mark.parametrize("name", menu.PAGES)
def test_no_page_has_barriers(page, server, name):
    page.emulate_media(color_scheme="light")
    page.goto(server[0] + menu.address(name) + QUERIES.get(name, ""))
    settle(page)
    assert barriers(page) == []
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 900})
    settle(page)
    assert barriers(page) == []


FADED = """() => {
  window.faded = [];
  const look = () => {
    const stale = [...document.querySelectorAll('[data-stale="true"]')];
    window.faded.push(...stale.filter((part) => getComputedStyle(part).opacity < 1).map((part) => part.className));
    window.seenStale = (window.seenStale ?? 0) + stale.length;
    requestAnimationFrame(look);
  };
  look();
}"""


def test_what_is_drawn_anew_does_not_fade_meanwhile(page, server):
    """Pale words could not be read, and on a slow machine they are drawn anew for seconds."""
    page.goto(f"{server[0]}/explore{ONE}")
    settle(page)
    page.evaluate(FADED)
    page.locator(".st-key-setting_pruning_percent input[type=range]").press("ArrowRight")
    for _ in range(30):  # a slow machine
        os.kill(server[1].pid, signal.SIGSTOP)
        page.wait_for_timeout(150)
        os.kill(server[1].pid, signal.SIGCONT)
        page.wait_for_timeout(15)
    settle(page)
    assert page.evaluate("window.seenStale") > 0
    assert page.evaluate("window.faded") == []


def test_a_keyboard_reaches_every_control_of_explore(page, server):
    page.goto(f"{server[0]}/explore{ONE}")
    settle(page)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.ariaLabel || document.activeElement.innerText"))
    for label in (
        "Model",
        "Sliders",
        "Pruning ratio",
        "Bit width",
        "Student size",
        "none",
        "What is the best for me?",
        "Advanced",
        "Axes",
    ):
        assert any(label in each for each in reached), label
