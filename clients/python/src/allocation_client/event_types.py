"""What the events of the allocation service say, one class for each type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeAlias

from .errors import UnreadableEventError


@dataclass(frozen=True, slots=True)
class BatchCreated:
    """A batch of stock is there, or announced for the day `eta` (YYYY-MM-DD)."""

    reference: str
    sku: str
    quantity: int
    eta: str | None = None


@dataclass(frozen=True, slots=True)
class Allocated:
    """The batch serves this line of the order."""

    orderid: str
    sku: str
    qty: int
    batchref: str


@dataclass(frozen=True, slots=True)
class AlreadyAllocated:
    """The same line was allocated before. Nothing changes."""

    orderid: str
    sku: str
    qty: int
    batchref: str


@dataclass(frozen=True, slots=True)
class Deallocated:
    """The batch serves this line of the order no longer."""

    orderid: str
    sku: str
    qty: int
    batchref: str


@dataclass(frozen=True, slots=True)
class OutOfStock:
    """No batch has enough left for this line of the order."""

    orderid: str
    sku: str
    qty: int


@dataclass(frozen=True, slots=True)
class BatchQuantityChanged:
    """The batch has another number of pieces."""

    reference: str
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class CommandRejected:
    """
    The command breaks a rule of the business, and changes nothing.

    `command` is the type of the command, and `detail` a sentence for people. A program should use
    `reason`. The ids that do not concern the reason are None.
    """

    command: str
    reason: str
    detail: str
    orderid: str | None = None
    sku: str | None = None
    reference: str | None = None


Content: TypeAlias = (
    BatchCreated
    | Allocated
    | AlreadyAllocated
    | Deallocated
    | OutOfStock
    | BatchQuantityChanged
    | CommandRejected
)

_CLASSES: Mapping[str, type[Content]] = {
    each.__name__: each
    for each in (
        BatchCreated,
        Allocated,
        AlreadyAllocated,
        Deallocated,
        OutOfStock,
        BatchQuantityChanged,
        CommandRejected,
    )
}
_NUMBERS = ("qty", "quantity")


def read_content(type: str, data: Mapping[str, object]) -> Content | None:
    """
    Reads the data of an event. Added fields are ignored.

    :returns: None for a type that this client does not know
    :raises UnreadableEventError: a field is missing or wrong
    """
    content = _CLASSES.get(type)
    if content is None:
        return None
    known: dict[str, object] = {}
    for field in fields(content):
        value = data.get(field.name)
        if value is None and field.default is None:
            continue
        expected = int if field.name in _NUMBERS else str
        if not isinstance(value, expected) or isinstance(value, bool):
            raise UnreadableEventError(f"{type}: {field.name} is {value!r:.80}")
        known[field.name] = value
    return content(**known)  # type: ignore[arg-type]
