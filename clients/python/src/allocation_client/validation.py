"""The rules that the contract has for the fields of a command."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime

from .errors import FieldError, InvalidCommandError

MAX_NAME_CHARACTERS = 255
MAX_WHOLE = 2**53 - 1
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class FieldCheck:
    """Collects what is wrong with the fields of one command."""

    def __init__(self, type: str) -> None:
        self._type = type
        self._errors: list[FieldError] = []

    def add(self, field: str, message: str) -> None:
        """Adds a wrong field."""
        self._errors.append(FieldError(field, message))

    def name(self, field: str, value: object) -> None:
        """Checks the name of an order, a product or a batch, an id or a source."""
        if not isinstance(value, str):
            self.add(field, "must be a string")
        elif not 1 <= len(value) <= MAX_NAME_CHARACTERS or any(map(_is_control, value)):
            self.add(field, "must be 1 to 255 characters without control characters")

    def names(self, field: str, values: Sequence[object]) -> None:
        """Checks several names. Python would take one name alone for a list of its letters."""
        if isinstance(values, str):
            self.add(field, "must be a list of names")
            return
        for index, value in enumerate(values):
            self.name(f"{field}.{index}", value)

    def whole(self, field: str, value: object, minimum: int) -> None:
        """Checks a number of pieces."""
        if not isinstance(value, int) or isinstance(value, bool) or value > MAX_WHOLE:
            self.add(field, "must be a whole number, at most 2^53 - 1")
        elif value < minimum:
            self.add(field, f"must be at least {minimum}")

    def date(self, field: str, value: object) -> None:
        """Checks a date, a text with a date, or None."""
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return
        if not isinstance(value, str) or not ISO_DATE.fullmatch(value) or not _exists(value):
            self.add(field, "must be a date that exists, YYYY-MM-DD, or None")

    def finish(self) -> None:
        """
        Ends the check.

        :raises InvalidCommandError: a field is wrong; the error lists all wrong fields
        """
        if self._errors:
            raise InvalidCommandError(self._type, self._errors)


def _is_control(character: str) -> bool:
    """Tells whether it is a control character, or half of a surrogate pair."""
    return unicodedata.category(character) in ("Cc", "Cs")


def _exists(iso_date: str) -> bool:
    try:
        date.fromisoformat(iso_date)
    except ValueError:
        return False
    return True
