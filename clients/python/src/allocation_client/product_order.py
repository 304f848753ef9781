"""The order of the events of one product."""

from __future__ import annotations

from dataclasses import dataclass, field

from .events import Event

# A product that loses events again and again must not fill the memory. The oldest ranges are
# forgotten: events in them count as repeats.
MAX_MISSING_RANGES = 1_000


@dataclass
class ProductOrder:
    """Knows where the events of one product stand."""

    next: int
    """The sequence that has its turn."""
    missing: list[tuple[int, int]] = field(default_factory=list)
    """The ranges that were given up and have not come yet."""
    held: dict[int, Event] = field(default_factory=dict)

    def drain(self) -> list[Event]:
        """Takes out the held events whose turn it is."""
        ready = []
        while self.next in self.held:
            ready.append(self.held.pop(self.next))
            self.next += 1
        return ready

    def gaps(self) -> list[tuple[int, int]]:
        """Returns the ranges that are missing before held events."""
        ends = [self.next - 1, *sorted(self.held)]
        return [(one + 1, two - 1) for one, two in zip(ends, ends[1:]) if two > one + 1]

    def give_up(self, first: int, last: int) -> list[Event]:
        """Goes on behind the range. A missing event that comes later passes at once."""
        self.missing = [*self.missing, (first, last)][-MAX_MISSING_RANGES:]
        self.next = last + 1
        return self.drain()

    def take_missing(self, sequence: int) -> bool:
        """Tells whether the event was missing. From now on, it is not."""
        for index, (first, last) in enumerate(self.missing):
            if first <= sequence <= last:
                parts = [(first, sequence - 1), (sequence + 1, last)]
                self.missing[index : index + 1] = [each for each in parts if each[0] <= each[1]]
                return True
        return False
