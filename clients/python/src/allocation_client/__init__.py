"""Commands to the stock allocation service, and its events."""

from .batch_commands import ChangeBatchQuantity, CreateBatch
from .command_status import CommandStatus
from .commands import Command
from .deduplicator import Deduplicator
from .errors import (
    AllocationClientError,
    FieldError,
    HoldBackFullError,
    InvalidCommandError,
    ProblemError,
    UnreachableError,
    UnreadableEventError,
)
from .event_types import (
    Allocated,
    AlreadyAllocated,
    BatchCreated,
    BatchQuantityChanged,
    CommandRejected,
    Content,
    Deallocated,
    OutOfStock,
)
from .events import Event, read_message, read_record, read_structured
from .hold_back import Gap, HoldBack, HoldBackState
from .http import AllocationClient
from .messages import Record, to_record
from .order_commands import AllocateOrder, DeallocateOrder, Line

__all__ = [
    "AllocateOrder",
    "Allocated",
    "AllocationClient",
    "AllocationClientError",
    "AlreadyAllocated",
    "BatchCreated",
    "BatchQuantityChanged",
    "ChangeBatchQuantity",
    "Command",
    "CommandRejected",
    "CommandStatus",
    "Content",
    "CreateBatch",
    "Deallocated",
    "DeallocateOrder",
    "Deduplicator",
    "Event",
    "FieldError",
    "Gap",
    "HoldBack",
    "HoldBackFullError",
    "HoldBackState",
    "InvalidCommandError",
    "Line",
    "OutOfStock",
    "ProblemError",
    "Record",
    "UnreachableError",
    "UnreadableEventError",
    "read_message",
    "read_record",
    "read_structured",
    "to_record",
]
