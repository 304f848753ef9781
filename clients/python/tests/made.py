"""Events for the tests."""

from __future__ import annotations

import json

from allocation_client import Event, read_record, read_structured


def event(sku: str, sequence: int | None, *, id: str | None = None) -> Event:
    """Makes an event of a product."""
    text = {} if sequence is None else {"sequence": str(sequence)}
    made = read_structured(
        {
            "specversion": "1.0",
            "id": id or f"allocation.commands/0/{sku}-{sequence}",
            "source": "/allocation",
            "type": "OutOfStock" if sequence else "AlreadyAllocated",
            "data": {"orderid": "order-1", "sku": sku, "qty": 1, "batchref": "batch-1"},
            **text,
        }
    )
    return made[0]


def record(type: str, data: object, **attributes: str) -> list[Event]:
    """Reads a record with these data, in binary mode."""
    given = {"specversion": "1.0", "id": "allocation.commands/0/7", "type": type, **attributes}
    headers: list[tuple[str, str | bytes | None]] = [
        (f"ce_{name}", value.encode()) for name, value in given.items()
    ]
    return read_record(headers, json.dumps(data).encode())


def names(events: list[Event]) -> list[tuple[str | None, int | None]]:
    """Names the events by product and sequence."""
    return [(each.sku, each.sequence) for each in events]
