"""Where pages ask: the store as this visit's class sees it, and work that is done for the class."""

from __future__ import annotations

from collections.abc import Sequence

from compression.inquiries import Inquiry
from compression.recipe.recipe import Recipe
from compression.store.jobs import Job
from compression.store.store import Store
from compression.work import dispatcher
from pages.components.frame import classroom
from pages.components.view import state


def store() -> Store:
    """What was measured for this visit's class, or for everybody where there is none."""
    return dispatcher.get_dispatcher().store.within(classroom.here().name)


def submit(
    works: Sequence[Recipe | Inquiry],
    kind: str,
    *,
    background: bool = False,
    replace: bool = False,
    anew: bool = False,
) -> list[Job]:
    """Have this done for this browser session; see `Dispatcher.submit`."""
    return dispatcher.get_dispatcher().submit(
        works,
        group=state.group(kind),
        background=background,
        replace=replace,
        anew=anew,
        workspace=classroom.here().name,
    )
