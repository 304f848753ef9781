from __future__ import annotations

import json
import os
import random
import unittest
import uuid
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from allocation_client import (
    AllocateOrder,
    Allocated,
    AllocationClient,
    CommandRejected,
    CreateBatch,
    InvalidCommandError,
    Line,
    ProblemError,
)

from .candidates import MAKERS
from .service import IS_THERE, WHY_NOT

if not IS_THERE:
    raise unittest.SkipTest(WHY_NOT)

URL = os.environ["ALLOCATION_URL"]
COMMANDS = os.environ["COMMANDS_TOPIC"]
WAIT_S = 30


class OverHttpTest(unittest.TestCase):
    def setUp(self) -> None:
        self.run_id = uuid.uuid4().hex[:8]
        self.client = AllocationClient(URL, source=f"/shop-{self.run_id}")
        self.sku = f"LAMP-{self.run_id}"

    def test_a_command_is_answered_with_its_events_and_a_repeat_with_the_same(self) -> None:
        self.client.send(CreateBatch(f"batch-{self.run_id}", self.sku, 5))
        order = AllocateOrder(f"order-{self.run_id}", [Line(self.sku, 2)])
        first = self.client.send_and_wait(order, WAIT_S, id="cmd-1", correlation_id="session-1")
        self.assertEqual(first.status, "answered")
        expected = Allocated(order.orderid, self.sku, 2, f"batch-{self.run_id}")
        self.assertEqual([event.content for event in first.events], [expected])
        self.assertEqual(first.events[0].correlation_id, "session-1")
        self.assertEqual(self.client.status(first.place), first)
        self.assertEqual(self.client.find("cmd-1"), first)

        again = self.client.send_and_wait(order, WAIT_S, id="cmd-1")
        self.assertEqual(again.repeats, first.place)
        self.assertEqual(again.events, first.events)

    def test_an_order_of_something_unknown_is_answered_by_a_rejection(self) -> None:
        order = AllocateOrder(f"order-{self.run_id}", [Line(self.sku, 2)])
        status = self.client.send_and_wait(order, WAIT_S)
        [event] = status.events
        self.assertIsInstance(event.content, CommandRejected)
        self.assertEqual(event.data["reason"], "unknown-sku")

    def test_a_place_or_an_id_without_a_command_is_unknown(self) -> None:
        self.assertIsNone(self.client.status(f"{COMMANDS}/0/999999999"))
        self.assertIsNone(self.client.find("nobody"))

    def test_a_command_that_the_service_refuses_is_a_problem(self) -> None:
        order = AllocateOrder(f"order-{self.run_id}", [Line(self.sku, 2)])
        object.__setattr__(order, "orderid", "")
        with self.assertRaises(ProblemError) as caught:
            self.client.send(order)
        self.assertEqual((caught.exception.status, caught.exception.reason), (400, "invalid-data"))
        self.assertEqual([each.field for each in caught.exception.errors], ["orderid"])

    def test_the_client_and_the_service_refuse_the_same_commands(self) -> None:
        chance = random.Random(20)
        counts = {True: 0, False: 0}
        for _ in range(150):
            make, data = chance.choice(MAKERS)(chance)
            with self.subTest(data=data):
                accepted = is_taken_by_service(data)
                self.assertEqual(is_taken_by_client(make), accepted)
                counts[accepted] += 1
        self.assertGreater(min(counts.values()), 20)


def is_taken_by_client(make: Callable[[], object]) -> bool:
    try:
        make()
    except InvalidCommandError:
        return False
    return True


def is_taken_by_service(data: dict[str, Any]) -> bool:
    body = json.dumps(data).encode()
    request = Request(f"{URL}/commands", data=body, headers={"content-type": "application/json"})
    try:
        with urlopen(request, timeout=WAIT_S):
            return True
    except HTTPError as error:
        with error:
            if error.code != 400:
                raise
            return False


if __name__ == "__main__":
    unittest.main()
