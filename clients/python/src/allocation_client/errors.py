"""The errors of this client. All of them extend AllocationClientError."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class AllocationClientError(Exception):
    """The base of all errors of this client."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field, for example with `lines.3.qty`."""

    field: str
    message: str


class InvalidCommandError(AllocationClientError):
    """The command breaks the rules of the contract. `errors` lists every wrong field."""

    def __init__(self, type: str, errors: Sequence[FieldError]) -> None:
        self.type = type
        self.errors = tuple(errors)
        wrong = "; ".join(f"{each.field} {each.message}" for each in self.errors)
        super().__init__(f"{type}: {wrong}")


class ProblemError(AllocationClientError):
    """The service refused the request. The attributes are those of its problem (RFC 9457)."""

    def __init__(
        self,
        *,
        status: int,
        title: str,
        detail: str,
        type: str = "about:blank",
        reason: str | None = None,
        errors: Sequence[FieldError] = (),
        command_id: str | None = None,
    ) -> None:
        """
        :param reason: of a refused command, as a dead letter would have it
        :param errors: the wrong fields of a refused command
        :param command_id: the id to send a command again with; None for other requests
        """
        super().__init__(f"The service answered {status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.type = type
        self.reason = reason
        self.errors = tuple(errors)
        self.command_id = command_id


class UnreachableError(AllocationClientError):
    """
    The service answered no attempt.

    The service may have accepted the command all the same. Send the command again with the id in
    `command_id`: the service then decides it once.
    """

    def __init__(self, url: str, attempts: int, cause: str, command_id: str | None = None) -> None:
        super().__init__(f"{url} did not answer in {attempts} attempts: {cause}")
        self.command_id = command_id


class UnreadableEventError(AllocationClientError):
    """The record or the message is not an event of the allocation service. The text says why."""


class HoldBackFullError(AllocationClientError):
    """
    Too many events wait for earlier ones. The event that found no room was not taken.

    Read the other partitions of the events topic, or give up the gaps with `HoldBack.release()`.
    Then add the event again.
    """
