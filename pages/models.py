"""Models: the samples, and networks and images of your own: add, check, rename, delete."""

from __future__ import annotations

from pages.components.frame import menu

menu.frame("Models")

from pages.components.models import bring, own, samples

bring.show()
own.show()
samples.show()
own.show_dialog()
