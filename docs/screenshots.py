"""Take the README's pictures: start the dashboard, let it measure, and look at each page in Chromium.

    python docs/screenshots.py            # docs/*.png; a few minutes, most of them the curves' training
    python docs/screenshots.py learn jobs # only these

Needs what the tests need (`pip install -e ".[test]"`, Chromium). The pictures show what this machine measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))

from playwright.sync_api import Page  # noqa: E402

from benchmarks.dashboard import chromium, dashboard  # noqa: E402
from pages.components.frame import menu  # noqa: E402

MODEL = "lenet5-mnist5k"
STEPS = [
    {"technique": "channel_pruning", "pruning_ratio": 0.3},
    {"technique": "quantization", "weight_bits": 4, "activation_bits": 8},
]
SMALLER = [
    {"technique": "magnitude_pruning", "sparsity": 0.9},
    {"technique": "weight_sharing", "clusters": 16},
]
PATIENCE_MS = 900_000
"""For the slowest picture, whose curves train students, on a slow machine."""


def recipe(steps: list[dict[str, object]]) -> str:
    """A recipe for an address."""
    return quote(json.dumps({"model": MODEL, "steps": steps}, separators=(",", ":")))


def curves_measured(page: Page) -> None:
    """All points of the curves are there."""
    page.get_by_text("settings measured").wait_for()
    page.wait_for_timeout(2_000)


def settled(page: Page) -> None:
    """Nothing is being found out any more, and charts are drawn."""
    page.wait_for_timeout(3_000)
    page.wait_for_function(
        "() => !document.querySelector('[class*=st-key-waiting]')"
        " && document.querySelector('[data-test-script-state=notRunning]')"
    )
    page.wait_for_timeout(3_000)


ONE = f"?model={MODEL}&recipe={recipe(STEPS)}"
SEVERAL = "?recipes=" + quote(
    json.dumps([{"model": MODEL, "steps": steps} for steps in ([], STEPS, SMALLER)], separators=(",", ":"))
)
QUERIES = {"Explore": ONE, "Inspect": ONE, "Compare": SEVERAL, "Learn": "?chapter=quantization", "Present": ONE}
"""What pages of the menu are opened with; the others are opened bare."""
LIVE = ("Explore", "Home")
"""Pages with curves; the first of all, as what they measure is what the others show."""
PICTURES = {title.lower(): title for title in dict.fromkeys([*LIVE, *menu.PAGES])}


def main() -> None:
    """All pictures, or those that are named."""
    parser = argparse.ArgumentParser(description="Take the README's pictures.")
    parser.add_argument("names", nargs="*", metavar="PICTURE", help=f"of {', '.join(PICTURES)}; by default all")
    names = parser.parse_args().names or list(PICTURES)
    if unknown := set(names) - set(PICTURES):
        parser.error(f"there is no picture {sorted(unknown)[0]!r}; choose from {', '.join(PICTURES)}")
    with tempfile.TemporaryDirectory() as folder, dashboard(Path(folder) / "home") as server, chromium() as browser:
        for name in names:
            title = PICTURES[name]
            page = browser.new_page(viewport={"width": 1440, "height": 1000}, color_scheme="light")
            page.set_default_timeout(PATIENCE_MS)
            page.goto(server.address + menu.address(title) + QUERIES.get(title, ""))
            (curves_measured if title in LIVE else settled)(page)
            page.screenshot(path=str(FOLDER / f"{name}.png"))
            page.close()
            print(f"docs/{name}.png", flush=True)


if __name__ == "__main__":
    main()
