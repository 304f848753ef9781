"""The commands about batches of stock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from .validation import FieldCheck


@dataclass(frozen=True)
class CreateBatch:
    """
    Brings a batch of stock.

    :param reference: names the batch
    :param quantity: the number of pieces, from 0 on
    :param eta: the day on which the batch arrives; None: it is in stock
    :raises InvalidCommandError: lists every wrong field
    """

    type: ClassVar[str] = "CreateBatch"
    reference: str
    sku: str
    quantity: int
    eta: date | str | None = None

    def __post_init__(self) -> None:
        check = FieldCheck(self.type)
        check.name("reference", self.reference)
        check.name("sku", self.sku)
        check.whole("quantity", self.quantity, minimum=0)
        check.date("eta", self.eta)
        check.finish()

    @property
    def data(self) -> Mapping[str, object]:
        """The fields as they go over the wire."""
        eta = self.eta.isoformat() if isinstance(self.eta, date) else self.eta
        return {
            "reference": self.reference,
            "sku": self.sku,
            "quantity": self.quantity,
            "eta": eta,
        }

    @property
    def key(self) -> str:
        """The key of the command's record."""
        return self.sku


@dataclass(frozen=True)
class ChangeBatchQuantity:
    """
    Sets the number of pieces of a batch.

    :param sku: the product of the batch. A record needs it for its key; HTTP does not need it
    :raises InvalidCommandError: lists every wrong field
    """

    type: ClassVar[str] = "ChangeBatchQuantity"
    reference: str
    quantity: int
    sku: str | None = None

    def __post_init__(self) -> None:
        check = FieldCheck(self.type)
        check.name("reference", self.reference)
        check.whole("quantity", self.quantity, minimum=0)
        if self.sku is not None:
            check.name("sku", self.sku)
        check.finish()

    @property
    def data(self) -> Mapping[str, object]:
        """The fields as they go over the wire."""
        return {"reference": self.reference, "quantity": self.quantity}

    @property
    def key(self) -> str | None:
        """The key of the command's record. None: the product is not known."""
        return self.sku
