"""Compare: two to four results side by side."""

from __future__ import annotations

from pages.components.frame import menu

menu.frame("Compare", reads_link=True)

from pages.components.asking import pick
from pages.components.compare import classes, contest, curves, images, layers, numbers, start
from pages.components.shown import elements
from pages.components.view import spacing

PARTS = {
    "Numbers": numbers.show,
    "Curves": curves.show,
    "Classes": classes.show,
    "Changed images": images.show,
    "Layers": layers.show,
}
TAB = "compare_part"

chosen = pick.several(elements.tab_in_link(PARTS, "part", key=TAB) | spacing.in_link()) or ()
if len(chosen) < 2:
    start.show(chosen)
else:
    held = contest.hold(chosen)
    numbers.show_sentences(held)
    contest.choose_reference(held)
    elements.tabs(PARTS, held, key=TAB)
