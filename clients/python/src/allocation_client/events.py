"""The events of the allocation service, from records of Kafka and from structured CloudEvents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, cast

from .errors import UnreadableEventError
from .event_types import Content, read_content

COMPOSITE = "CompositeDomainEvent"
_KNOWN_VERSION = 1
"""The version of the data of every type that this client knows."""
_DATASCHEMA = re.compile(r"/allocation/schemas/[^/]+/([1-9][0-9]{0,8})")
_SEQUENCE = re.compile(r"[1-9][0-9]{0,14}")

HeaderPairs: TypeAlias = Iterable[tuple[str, str | bytes | None]]
# The type is that of confluent-kafka.
MessageHeaders: TypeAlias = (
    dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]] | None
)


class Message(Protocol):
    """The part of a message of confluent-kafka from which events are read."""

    def headers(self) -> MessageHeaders:
        """Returns the headers of the message."""

    def value(self) -> bytes | None:
        """Returns the value of the message."""


@dataclass(frozen=True)
class Event:
    """One event. Reading a composite gives the events inside it."""

    id: str
    """The id, which repeats and replays keep: drop repeats by it."""
    type: str
    content: Content | None
    """The data, as the class of the type. None: the type or its version is not known here."""
    data: Mapping[str, object]
    """The data with all fields, also those that this client does not know."""
    version: int
    """The version of the data: 1, 2, …"""
    sku: str | None
    """The product. None: the event is not about one product."""
    sequence: int | None
    """The product's version after the event: 1, 2, 3, … per sku. None: the type has none."""
    causation_id: str | None
    """The id of the command; the place of a command that has no id."""
    correlation_id: str | None
    is_replay: bool
    """Whether `replay events` has copied the event."""
    attributes: Mapping[str, object] = field(repr=False)
    """The whole structured CloudEvent, from which `read_structured` makes the event again."""


def read_message(message: Message) -> list[Event]:
    """
    Reads a message of confluent-kafka.

    :raises UnreadableEventError: the message is not an event of the allocation service
    """
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return read_record(pairs, message.value())


def read_record(headers: HeaderPairs, value: bytes | None) -> list[Event]:
    """
    Reads a record of the events topic, of any version.

    :returns: one event, or the events of a composite in their order
    :raises UnreadableEventError: the record is not an event of the allocation service
    """
    attributes: dict[str, object] = {}
    for name, content in headers:
        if name.startswith("ce_") or name == "traceparent":
            attributes[name.removeprefix("ce_")] = _text(name, content)
    try:
        attributes["data"] = json.loads(value or b"")
    except ValueError as error:
        raise UnreadableEventError(f"The value is not JSON: {error}") from error
    return read_structured(attributes)


def read_structured(attributes: Mapping[str, object]) -> list[Event]:
    """
    Reads a structured CloudEvent, as `GET /events` and the answers to commands have it.

    :returns: one event, or the events of a composite in their order
    :raises UnreadableEventError: it is not an event of the allocation service
    """
    if attributes.get("specversion") != "1.0":
        raise UnreadableEventError("It has no specversion 1.0, so it is not a CloudEvent")
    if attributes.get("type") != COMPOSITE:
        return [_read_event(attributes)]
    events = _object(attributes.get("data")).get("events")
    if not isinstance(events, list):
        raise UnreadableEventError(f"{COMPOSITE}: it has no events")
    mark = {"replay": attributes["replay"]} if "replay" in attributes else {}
    return [_read_event({**_object(each), **mark}) for each in events]


def _read_event(attributes: Mapping[str, object]) -> Event:
    type = _required(attributes, "type")
    data = _object(attributes.get("data"))
    version = _version(attributes.get("dataschema"))
    return Event(
        id=_required(attributes, "id"),
        type=type,
        # The fields of a newer version may mean something else.
        content=read_content(type, data) if version <= _KNOWN_VERSION else None,
        data=data,
        version=version,
        sku=_optional(data, "sku"),
        sequence=_sequence(attributes.get("sequence")),
        causation_id=_optional(attributes, "causationid"),
        correlation_id=_optional(attributes, "correlationid"),
        is_replay=attributes.get("replay") in ("true", True),
        attributes=attributes,
    )


def _version(dataschema: object) -> int:
    """Reads the version of the data. Events that name none are older than the versions."""
    match = _DATASCHEMA.fullmatch(dataschema) if isinstance(dataschema, str) else None
    return int(match[1]) if match else 1


def _sequence(text: object) -> int | None:
    if text is None:
        return None
    if not isinstance(text, str) or not _SEQUENCE.fullmatch(text):
        raise UnreadableEventError(f"The sequence {text!r:.80} is not a number from 1")
    return int(text)


def _text(name: str, content: str | bytes | None) -> str:
    try:
        return content.decode() if isinstance(content, bytes) else content or ""
    except UnicodeDecodeError as error:
        raise UnreadableEventError(f"The header {name} is not UTF-8") from error


def _required(attributes: Mapping[str, object], name: str) -> str:
    value = _optional(attributes, name)
    if not value:
        raise UnreadableEventError(f"The attribute {name} is missing")
    return value


def _optional(attributes: Mapping[str, object], name: str) -> str | None:
    value = attributes.get(name)
    return value if isinstance(value, str) else None


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise UnreadableEventError(f"The data are {value!r:.80}, not a JSON object")
    return cast(Mapping[str, object], value)
