"""Present: one page for people who decide."""

from __future__ import annotations

from pages.components import menu

menu.frame(menu.PRESENT, reads_link=True)
