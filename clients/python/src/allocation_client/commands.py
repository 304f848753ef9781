"""The commands that the allocation service takes."""

from __future__ import annotations

from typing import TypeAlias

from .batch_commands import ChangeBatchQuantity, CreateBatch
from .order_commands import AllocateOrder, DeallocateOrder

Command: TypeAlias = CreateBatch | AllocateOrder | ChangeBatchQuantity | DeallocateOrder
