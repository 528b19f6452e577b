"""Somebody who wants what is being done no longer."""

from compression.errors import Cancelled
from compression.watch import Watch


def give_up() -> None:
    raise Cancelled("no longer wanted")


GIVEN_UP = Watch(check=give_up)
"""Whatever looks at it stops."""
