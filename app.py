"""Home: what this is, something live at once, and the models to pick from."""

from __future__ import annotations

from pages.components import gallery, menu, welcome

menu.frame("Home")
welcome.introduction()
welcome.live()
welcome.resume()
gallery.show()
