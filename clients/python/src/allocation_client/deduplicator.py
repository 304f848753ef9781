"""Drops events that came before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from .events import Event


class Deduplicator:
    """
    Remembers the ids of the newest events, and tells repeats by them.

    Repeats come soon after the first: a consumer that starts again reads from its last committed
    offset. So `capacity` must exceed the number of events that are read again then.
    """

    def __init__(self, capacity: int = 100_000, state: Iterable[str] = ()) -> None:
        """
        :param capacity: the largest number of ids in memory
        :param state: what `state()` returned earlier
        """
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self._capacity = capacity
        self._ids: OrderedDict[str, None] = OrderedDict()
        for id in state:
            self._remember(id)

    def is_new(self, event: Event) -> bool:
        """Tells whether the event comes for the first time, and remembers the event."""
        is_new = event.id not in self._ids
        self._remember(event.id)
        return is_new

    def state(self) -> list[str]:
        """Returns what a later Deduplicator must know. JSON can hold the result."""
        return list(self._ids)

    def _remember(self, id: str) -> None:
        self._ids[id] = None
        self._ids.move_to_end(id)
        if len(self._ids) > self._capacity:
            self._ids.popitem(last=False)
