"""Puts the events of each product into their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from .errors import HoldBackFullError
from .events import Event, read_structured
from .product_order import ProductOrder


@dataclass(frozen=True, slots=True)
class Gap:
    """The events of a product that are missing before a held one: `first` to `last`."""

    sku: str
    first: int
    last: int


class HoldBackState(TypedDict):
    """What a HoldBack knows. JSON can hold it."""

    next: dict[str, int]
    missing: dict[str, list[tuple[int, int]]]
    held: list[Mapping[str, object]]


class HoldBack:
    """
    Holds events back until all earlier events of their product are there.

    One product's events lie in several partitions, because the events of an order of several
    products lie together. So one HoldBack must get the events of all partitions of the topic. An
    event that was passed on before is dropped, however long ago that was. An event without a
    sequence passes at once.
    """

    def __init__(
        self,
        *,
        from_beginning: bool = True,
        max_held: int = 50_000,
        state: HoldBackState | None = None,
    ) -> None:
        """
        :param from_beginning: whether the consumer reads the topic from its beginning. If not, the
            order of a product begins with the first event that comes. An earlier one that comes
            later passes at once
        :param max_held: the largest number of held events. One command has up to 20,001 events
        :param state: what `state()` returned earlier
        """
        self._from_beginning = from_beginning
        self._max_held = max_held
        self._products: dict[str, ProductOrder] = {}
        self._held_count = 0
        if state is None:
            return
        for sku, next in state["next"].items():
            ranges = state["missing"].get(sku, [])
            self._products[sku] = ProductOrder(next, [(first, last) for first, last in ranges])
        for attributes in state["held"]:
            for event in read_structured(attributes):
                self.add(event)

    def add(self, event: Event) -> list[Event]:
        """
        Takes the event.

        :returns: the events whose turn it is now, in their order: none, this one, or several
        :raises HoldBackFullError: the event must wait, and too many others wait already
        """
        sku, sequence = event.sku, event.sequence
        if sku is None or sequence is None:
            return [event]
        product = self._products.get(sku)
        if product is None:
            product = self._products[sku] = self._first(sequence)
        if sequence < product.next:
            return [event] if product.take_missing(sequence) else []
        if sequence > product.next:
            self._hold(product, sequence, event)
            return []
        product.next += 1
        ready = product.drain()
        self._held_count -= len(ready)
        return [event, *ready]

    def start_after(self, sku: str, sequence: int) -> None:
        """
        Begins the order of a product behind a known state, such as the `version` of
        `GET /products/<sku>`. Events up to this sequence are dropped, because the state has them.

        :raises ValueError: an event of the product came already
        """
        if sku in self._products:
            raise ValueError(f"An event of {sku} came already: call start_after before add")
        self._products[sku] = ProductOrder(sequence + 1)

    def gaps(self) -> list[Gap]:
        """
        Returns which events are missing before held ones.

        An event is never visible before the earlier events of its product. So the gap closes when
        the consumer has read every partition up to the end that the partition has now. A gap that
        stays is a lost event.
        """
        return [
            Gap(sku, first, last)
            for sku, product in self._products.items()
            for first, last in product.gaps()
        ]

    def release(self, sku: str | None = None) -> list[Event]:
        """
        Gives up the gaps of a product, or of all products.

        :returns: the events that waited, in their order. A missing one that comes later passes at
            once
        """
        ready: list[Event] = []
        for name, product in self._products.items():
            if sku is not None and name != sku:
                continue
            for first, last in product.gaps():
                ready += product.give_up(first, last)
        self._held_count -= len(ready)
        return ready

    def state(self) -> HoldBackState:
        """Returns what a later HoldBack must know to go on, the held events included."""
        products = self._products.items()
        return {
            "next": {sku: product.next for sku, product in products},
            "missing": {sku: list(each.missing) for sku, each in products if each.missing},
            "held": [event.attributes for _, each in products for event in each.held.values()],
        }

    def _first(self, sequence: int) -> ProductOrder:
        if self._from_beginning:
            return ProductOrder(1)
        return ProductOrder(sequence, [(1, sequence - 1)] if sequence > 1 else [])

    def _hold(self, product: ProductOrder, sequence: int, event: Event) -> None:
        if sequence in product.held:
            return
        if self._held_count >= self._max_held:
            raise HoldBackFullError(
                f"{self._held_count} events wait for earlier ones; {event.sku} waits for its "
                f"sequence {product.next}: read the other partitions, or release the gaps"
            )
        product.held[sequence] = event
        self._held_count += 1
