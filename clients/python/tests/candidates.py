"""Random commands, right and wrong ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from allocation_client import (
    AllocateOrder,
    ChangeBatchQuantity,
    CreateBatch,
    DeallocateOrder,
    Line,
)

# A command as the client makes it, and its data as the service reads them.
Candidate = tuple[Callable[[], object], dict[str, Any]]

WRONG_NAMES: list[Any] = ["", "a" * 256, "a\nb", "\x85", "\ud800", 7, None]
NAMES: list[Any] = ["a", "A b", "😀" * 255] * 4 + WRONG_NAMES
NUMBERS: list[Any] = [1, 2, 2**53 - 1] * 3 + [0, -1, 2**53, "1", True, None]
WRONG_DATES: list[Any] = ["2027-02-29", "2027-1-1", "20270131", "", 7]
DATES: list[Any] = [None, "2027-01-31", "2028-02-29"] * 2 + WRONG_DATES


def a_batch(chance: random.Random) -> Candidate:
    fields: dict[str, Any] = dict(zip(("reference", "sku"), chance.choices(NAMES, k=2)))
    fields |= {"quantity": chance.choice(NUMBERS), "eta": chance.choice(DATES)}
    return lambda: CreateBatch(**fields), {"type": "CreateBatch", **fields}


def an_order(chance: random.Random) -> Candidate:
    order: Any = chance.choice(NAMES)
    skus: list[Any] = chance.choices(NAMES, k=chance.randint(0, 3))
    lines = [Line(sku, chance.choice(NUMBERS)) for sku in skus]
    data = [{"sku": line.sku, "qty": line.qty} for line in lines]
    made = {"type": "AllocateOrder", "orderid": order, "lines": data}
    return lambda: AllocateOrder(order, lines), made


def a_change(chance: random.Random) -> Candidate:
    fields = {"reference": chance.choice(NAMES), "quantity": chance.choice(NUMBERS)}
    return lambda: ChangeBatchQuantity(**fields), {"type": "ChangeBatchQuantity", **fields}


def a_deallocation(chance: random.Random) -> Candidate:
    fields = {"orderid": chance.choice(NAMES)}
    if (sku := chance.choice(NAMES)) is not None:
        fields["sku"] = sku
    return lambda: DeallocateOrder(**fields), {"type": "DeallocateOrder", **fields}


MAKERS = [a_batch, an_order, a_change, a_deallocation]
