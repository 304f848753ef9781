"""Commands as CloudEvents: as records of Kafka, and as the body of a request."""

from __future__ import annotations

import json
from typing import TypeAlias, TypedDict

from .batch_commands import ChangeBatchQuantity
from .commands import Command
from .validation import FieldCheck

# The source of redriven commands. It belongs to the service, also with `#` and more behind it.
REDRIVE_SOURCE = "/allocation/dead-letters"

# The type is that of confluent-kafka.
Headers: TypeAlias = list[tuple[str, str | bytes | None]]


class Record(TypedDict):
    """What `Producer.produce(topic, **record)` of confluent-kafka takes."""

    key: str
    value: bytes
    headers: Headers


def to_record(
    command: Command, *, id: str, source: str, correlation_id: str | None = None
) -> Record:
    """
    Makes the record of a command: a CloudEvent in binary mode, with the key of the contract.

    The producer must have `"partitioner": "murmur2_random"`. Another partitioner puts related
    commands into different partitions, and their order is lost.

    :param id: the same id and source again are the same command, which the service decides once
    :param source: names the sender, for example `/shop`
    :param correlation_id: comes back on every event; None: the events have the id instead
    :raises InvalidCommandError: id or source are wrong, or the key cannot be known
    """
    check = _check_attributes(command, id, source, correlation_id)
    key = command.key
    if key is None:
        field = "sku" if isinstance(command, ChangeBatchQuantity) else "order_skus"
        check.add(field, "is required for the key of a record")
    check.finish()
    attributes = _attributes(command, id, source, correlation_id)
    headers: Headers = [(f"ce_{name}", value.encode()) for name, value in attributes.items()]
    headers.append(("content-type", b"application/json"))
    return {"key": key or "", "value": _json(command.data), "headers": headers}


def to_structured(
    command: Command, *, id: str, source: str, correlation_id: str | None = None
) -> bytes:
    """
    Makes a CloudEvent in structured mode, the body of `POST /commands`.

    The parameters and errors are those of `to_record`. The command needs no key here.
    """
    _check_attributes(command, id, source, correlation_id).finish()
    attributes = _attributes(command, id, source, correlation_id)
    return _json({**attributes, "data": command.data})


def _check_attributes(
    command: Command, id: str, source: str, correlation_id: str | None
) -> FieldCheck:
    check = FieldCheck(command.type)
    check.name("id", id)
    check.name("source", source)
    if isinstance(source, str) and (source + "#").startswith(REDRIVE_SOURCE + "#"):
        check.add("source", "belongs to the service: use another source")
    if correlation_id is not None:
        check.name("correlation_id", correlation_id)
    return check


def _attributes(
    command: Command, id: str, source: str, correlation_id: str | None
) -> dict[str, str]:
    attributes = {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": command.type,
        "dataschema": f"/allocation/schemas/{command.type}/1",
    }
    return attributes if correlation_id is None else {**attributes, "correlationid": correlation_id}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
