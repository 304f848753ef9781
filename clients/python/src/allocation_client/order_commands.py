"""The commands about orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from .validation import FieldCheck

MAX_LINES = 500


@dataclass(frozen=True)
class Line:
    """One line of an order: `qty` pieces of one product. The order checks its lines."""

    sku: str
    qty: int


@dataclass(frozen=True)
class AllocateOrder:
    """
    Asks for stock for the lines of an order.

    :param lines: 1 to 500 lines, each sku once
    :param order_skus: all products of the order, if other commands allocate further lines of the
        order. They choose the key of a record
    :raises InvalidCommandError: lists every wrong field
    """

    type: ClassVar[str] = "AllocateOrder"
    orderid: str
    lines: Sequence[Line]
    order_skus: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", tuple(self.lines))
        check = FieldCheck(self.type)
        check.name("orderid", self.orderid)
        if not self.lines:
            check.add("lines", "must have at least one line")
        if len(self.lines) > MAX_LINES:
            check.add("lines", f"must have at most {MAX_LINES} lines")
        seen: set[str] = set()
        for index, line in enumerate(self.lines):
            if not isinstance(line, Line):
                check.add(f"lines.{index}", "must be a Line")
                continue
            check.name(f"lines.{index}.sku", line.sku)
            check.whole(f"lines.{index}.qty", line.qty, minimum=1)
            if isinstance(line.sku, str) and line.sku in seen:
                check.add(f"lines.{index}.sku", "is in the order twice")
            elif isinstance(line.sku, str):
                seen.add(line.sku)
        check.names("order_skus", self.order_skus)
        check.finish()
        object.__setattr__(self, "order_skus", tuple(self.order_skus))

    @property
    def data(self) -> Mapping[str, object]:
        """The fields as they go over the wire."""
        lines = [{"sku": line.sku, "qty": line.qty} for line in self.lines]
        return {"orderid": self.orderid, "lines": lines}

    @property
    def key(self) -> str:
        """The key of the command's record."""
        return _order_key(self.orderid, {line.sku for line in self.lines} | set(self.order_skus))


@dataclass(frozen=True)
class DeallocateOrder:
    """
    Lets all lines of an order go, or the line of one product.

    :param sku: the product of the line to let go; None: all lines
    :param order_skus: all products of the order. A record needs them for its key, because commands
        about one order must have one key; HTTP does not need them
    :raises InvalidCommandError: lists every wrong field
    """

    type: ClassVar[str] = "DeallocateOrder"
    orderid: str
    sku: str | None = None
    order_skus: Sequence[str] = ()

    def __post_init__(self) -> None:
        check = FieldCheck(self.type)
        check.name("orderid", self.orderid)
        if self.sku is not None:
            check.name("sku", self.sku)
        check.names("order_skus", self.order_skus)
        check.finish()
        object.__setattr__(self, "order_skus", tuple(self.order_skus))

    @property
    def data(self) -> Mapping[str, object]:
        """The fields as they go over the wire."""
        return {"orderid": self.orderid} | ({} if self.sku is None else {"sku": self.sku})

    @property
    def key(self) -> str | None:
        """The key of the command's record. None: the products of the order are not known."""
        if not self.order_skus:
            return None
        named = set() if self.sku is None else {self.sku}
        return _order_key(self.orderid, named | set(self.order_skus))


def _order_key(orderid: str, skus: set[str]) -> str:
    """Returns the key that all commands about the order share."""
    return orderid if len(skus) > 1 else next(iter(skus))
