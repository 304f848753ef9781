"""What has become of a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from .events import Event, read_structured


@dataclass(frozen=True, slots=True)
class CommandStatus:
    """What has become of a command."""

    id: str
    place: str
    """The command's place in the log: topic/partition/offset."""
    status: Literal["pending", "answered", "dead-letter"]
    events: tuple[Event, ...] = ()
    """The events of an answer. Empty with `answered`: the command changed nothing."""
    repeats: str | None = None
    """The place of the same command, if an earlier message brought it."""
    differs: bool = False
    """Whether another command had this id before. This one was dropped: choose a new id."""
    reason: str | None = None
    """Why the command is a dead letter."""
    message: str | None = None
    """The same in a sentence for people."""
    advice: str | None = None
    """What to do about the dead letter, or about each rejection of an answer."""
    letter: str | None = None
    """The place of the dead letter."""
    resolution: str | None = None
    """What an operator has done with the dead letter: `redriven` or `discarded`."""


def read_status(answer: Mapping[str, object]) -> CommandStatus:
    """Reads what the service says of a command."""
    events = answer.get("events")
    structured = cast(list[Mapping[str, object]], events if isinstance(events, list) else [])
    optional = {
        name: str(answer[name])
        for name in ("repeats", "reason", "message", "advice", "letter", "resolution")
        if answer.get(name) is not None
    }
    return CommandStatus(
        id=str(answer.get("id")),
        place=f"{answer.get('topic')}/{answer.get('partition')}/{answer.get('offset')}",
        status=cast(Literal["pending", "answered", "dead-letter"], answer.get("status")),
        events=tuple(event for each in structured for event in read_structured(each)),
        differs=answer.get("differs") is True,
        **optional,
    )
