"""Home: what this is, something live at once, and the models to pick from."""

from __future__ import annotations

from pages.components.frame import menu

menu.frame(menu.HOME, has_title=True)

from pages.components.home import gallery, welcome

welcome.introduction()
welcome.resume()
welcome.ways()
welcome.live()
gallery.show()
