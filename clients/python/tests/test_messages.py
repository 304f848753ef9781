from __future__ import annotations

import json
import unittest

from allocation_client import (
    AllocateOrder,
    ChangeBatchQuantity,
    Command,
    DeallocateOrder,
    InvalidCommandError,
    Line,
    to_record,
)
from allocation_client.messages import to_structured

ORDER = AllocateOrder("order-1", [Line("LÄMP", 2)])


class MessagesTest(unittest.TestCase):
    def test_a_record_is_a_cloud_event_in_binary_mode(self) -> None:
        record = to_record(ORDER, id="cmd-1", source="/shop", correlation_id="session-1")
        self.assertEqual(record["key"], "LÄMP")
        self.assertEqual(json.loads(record["value"]), ORDER.data)
        self.assertEqual(
            dict(record["headers"]),
            {
                "ce_specversion": b"1.0",
                "ce_id": b"cmd-1",
                "ce_source": b"/shop",
                "ce_type": b"AllocateOrder",
                "ce_dataschema": b"/allocation/schemas/AllocateOrder/1",
                "ce_correlationid": b"session-1",
                "content-type": b"application/json",
            },
        )

    def test_the_body_of_a_request_is_a_structured_cloud_event(self) -> None:
        event = json.loads(to_structured(ORDER, id="cmd-1", source="/shop"))
        self.assertEqual(
            event,
            {
                "specversion": "1.0",
                "id": "cmd-1",
                "source": "/shop",
                "type": "AllocateOrder",
                "dataschema": "/allocation/schemas/AllocateOrder/1",
                "data": {"orderid": "order-1", "lines": [{"sku": "LÄMP", "qty": 2}]},
            },
        )

    def test_a_record_without_a_known_key_is_refused_and_the_error_names_the_field(self) -> None:
        change = ChangeBatchQuantity("batch-1", 3)
        commands: list[tuple[Command, str]] = [
            (change, "sku"),
            (DeallocateOrder("order-1"), "order_skus"),
            (DeallocateOrder("order-1", "LAMP"), "order_skus"),
        ]
        for command, field in commands:
            with self.subTest(command=command):
                with self.assertRaises(InvalidCommandError) as caught:
                    to_record(command, id="cmd-1", source="/shop")
                self.assertEqual([each.field for each in caught.exception.errors], [field])
        self.assertIn(b"batch-1", to_structured(change, id="cmd-1", source="/shop"))

    def test_wrong_attributes_are_refused_together(self) -> None:
        with self.assertRaises(InvalidCommandError) as caught:
            to_record(ORDER, id="", source="x" * 256, correlation_id="\n")
        fields = [each.field for each in caught.exception.errors]
        self.assertEqual(fields, ["id", "source", "correlation_id"])

    def test_a_source_of_the_service_is_refused(self) -> None:
        for source in ["/allocation/dead-letters", "/allocation/dead-letters#0a"]:
            with self.subTest(source=source), self.assertRaises(InvalidCommandError):
                to_record(ORDER, id="cmd-1", source=source)
        to_record(ORDER, id="cmd-1", source="/allocation/dead-letters-of-mine")


if __name__ == "__main__":
    unittest.main()
