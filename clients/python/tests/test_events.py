from __future__ import annotations

import json
import unittest
from collections.abc import Callable
from pathlib import Path

from allocation_client import (
    Allocated,
    BatchCreated,
    CommandRejected,
    UnreadableEventError,
    read_message,
    read_record,
    read_structured,
)
from allocation_client.events import MessageHeaders

from .made import record

# Has every message of every version, and how the service itself reads it.
FIXTURE = Path(__file__).parents[3] / "test" / "fixtures" / "messages.jsonl"
LINE = {"orderid": "order-1", "sku": "LAMP", "qty": 2, "batchref": "batch-1"}


class Message:
    def __init__(self, headers: MessageHeaders, value: bytes | None) -> None:
        self._headers, self._value = headers, value

    def headers(self) -> MessageHeaders:
        return self._headers

    def value(self) -> bytes | None:
        return self._value


class EventsTest(unittest.TestCase):
    @unittest.skipUnless(FIXTURE.exists(), "the repository of the service is not here")
    def test_events_of_every_version_are_read_as_the_service_reads_them(self) -> None:
        read = {}
        messages = {}
        for line in FIXTURE.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if entry.get("topic") == "events":
                messages[entry["name"]] = entry
            read[entry["name"]] = entry["read"]
        self.assertGreater(len(messages), 50)
        for name, message in messages.items():
            with self.subTest(name=name):
                events = read_record(message["headers"].items(), message["value"].encode())
                made = [
                    {"id": each.id, "type": each.type, "sequence": each.sequence, "data": each.data}
                    for each in events
                ]
                self.assertEqual(made, read[name]["events"])
                self.assertNotIn(None, [each.content for each in events])

    def test_an_event_has_its_data_as_a_class(self) -> None:
        [event] = record(
            "Allocated", LINE, sequence="3", causationid="cmd-1", correlationid="session-1"
        )
        self.assertEqual(event.content, Allocated("order-1", "LAMP", 2, "batch-1"))
        self.assertEqual((event.sku, event.sequence, event.version), ("LAMP", 3, 1))
        self.assertEqual((event.causation_id, event.correlation_id), ("cmd-1", "session-1"))

    def test_fields_that_need_not_be_there_are_none(self) -> None:
        [created] = record("BatchCreated", {"reference": "b", "sku": "s", "quantity": 1})
        self.assertEqual(created.content, BatchCreated("b", "s", 1, None))
        rejected = {"command": "CreateBatch", "reason": "unknown-sku", "detail": "no"}
        [event] = record("CommandRejected", rejected)
        self.assertEqual(event.content, CommandRejected("CreateBatch", "unknown-sku", "no"))
        self.assertEqual((event.sku, event.sequence), (None, None))

    def test_added_fields_are_accepted(self) -> None:
        [event] = record("Allocated", {**LINE, "note": "x"})
        self.assertEqual(event.content, Allocated("order-1", "LAMP", 2, "batch-1"))
        self.assertEqual((event.version, event.data["note"]), (1, "x"))

    def test_a_newer_version_is_not_read_as_the_known_one(self) -> None:
        [event] = record("Allocated", LINE, dataschema="/allocation/schemas/Allocated/2")
        self.assertEqual((event.type, event.content, event.version), ("Allocated", None, 2))
        self.assertEqual((event.sku, event.data["qty"]), ("LAMP", 2))

    def test_an_unknown_type_is_accepted_with_its_sequence(self) -> None:
        [event] = record("StockCounted", {"sku": "LAMP", "counted": 5}, sequence="9")
        self.assertEqual((event.content, event.sku, event.sequence), (None, "LAMP", 9))
        self.assertEqual(event.data["counted"], 5)

    def test_a_composite_is_read_as_its_events_and_a_copy_marks_each(self) -> None:
        inner = [
            {
                "specversion": "1.0",
                "id": f"allocation.commands/0/7/{sequence}",
                "type": "Allocated",
                "sequence": str(sequence),
                "data": LINE,
            }
            for sequence in (1, 2)
        ]
        first, second = record("CompositeDomainEvent", {"events": inner}, replay="true")
        self.assertEqual((first.id, first.sequence), ("allocation.commands/0/7/1", 1))
        self.assertEqual((second.id, second.sequence), ("allocation.commands/0/7/2", 2))
        self.assertTrue(first.is_replay and second.is_replay)
        self.assertFalse(record("Allocated", LINE)[0].is_replay)

    def test_the_attributes_of_an_event_make_the_event_again(self) -> None:
        events = record("Allocated", LINE, sequence="3", replay="true")
        again = read_structured(json.loads(json.dumps(events[0].attributes)))
        self.assertEqual(again, events)

    def test_headers_of_a_message_may_be_a_list_or_a_dict(self) -> None:
        headers: dict[str, str | bytes | None] = {
            "ce_specversion": b"1.0",
            "ce_id": b"allocation.commands/0/7",
            "ce_type": b"Allocated",
            "mine": None,
        }
        value = json.dumps(LINE).encode()
        [event] = read_message(Message(headers, value))
        self.assertEqual(read_message(Message(list(headers.items()), value)), [event])

    def test_what_is_no_event_of_the_service_is_refused(self) -> None:
        marks: list[tuple[str, str | bytes | None]] = [("ce_specversion", b"1.0")]
        reads: list[tuple[str, Callable[[], object]]] = [
            ("no headers", lambda: read_message(Message(None, b"{}"))),
            ("a tombstone", lambda: read_record(marks, None)),
            ("no JSON", lambda: read_record(marks, b"{")),
            ("no id", lambda: read_record(marks, b"{}")),
            ("no UTF-8", lambda: read_record([("ce_id", b"\xff")], b"{}")),
            ("no object", lambda: record("Allocated", [1])),
            ("a wrong field", lambda: record("Allocated", {**LINE, "qty": "2"})),
            ("a missing field", lambda: record("OutOfStock", {"orderid": "o", "sku": "s"})),
            ("a wrong sequence", lambda: record("Allocated", LINE, sequence="0")),
            ("a composite of nothing", lambda: record("CompositeDomainEvent", {})),
        ]
        for why, read in reads:
            with self.subTest(why), self.assertRaises(UnreadableEventError):
                read()


if __name__ == "__main__":
    unittest.main()
