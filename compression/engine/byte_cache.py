"""A few things worth remembering while there is room for their bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class ByteCache(Generic[T]):
    """Values by what they were made from. The least recently used go when there are more bytes than room.

    Whoever gets a value shares it with others and must not change it.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._values: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()

    def get(self, key: Hashable) -> T | None:
        """The value, if it is still there."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Keep it; `size` in bytes. A value larger than all the room is not kept."""
        self._values.pop(key, None)
        if size > self._room:
            return
        self._values[key] = value, size
        while sum(size for _, size in self._values.values()) > self._room:
            self._values.popitem(last=False)
