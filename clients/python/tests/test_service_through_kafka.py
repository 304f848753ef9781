from __future__ import annotations

import json
import os
import random
import unittest
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

from allocation_client import (
    AllocateOrder,
    Allocated,
    BatchCreated,
    BatchQuantityChanged,
    ChangeBatchQuantity,
    Command,
    CreateBatch,
    Deallocated,
    DeallocateOrder,
    Deduplicator,
    Event,
    HoldBack,
    Line,
    read_message,
    to_record,
)

from .service import IS_THERE, WHY_NOT

if not IS_THERE:
    raise unittest.SkipTest(WHY_NOT)

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

URL = os.environ["ALLOCATION_URL"]
BROKERS = os.environ["KAFKA_BROKERS"]
COMMANDS = os.environ["COMMANDS_TOPIC"]
EVENTS = os.environ["EVENTS_TOPIC"]
WAIT_S = 30


class ThroughKafkaTest(unittest.TestCase):
    """Sends a random load, reads all partitions, and counts the stock from the events."""

    def setUp(self) -> None:
        self.run_id = uuid.uuid4().hex[:8]
        self.skus = [f"sku-{index}-{self.run_id}" for index in range(6)]

    def test_a_consumer_counts_the_stock_right_over_partitions_and_repeats(self) -> None:
        ids = set(self.send(list(self.load(random.Random(20)))))
        deduplicator, hold_back = Deduplicator(), HoldBack()
        events: list[Event] = []
        for message in [*self.read_answers(ids), *self.read_answers(ids)]:
            for new in filter(deduplicator.is_new, read_message(message)):
                events += [each for each in hold_back.add(new) if each.sku in self.skus]
        self.assertEqual(hold_back.gaps(), [])
        for sku in self.skus:
            mine = [each for each in events if each.sku == sku and each.sequence is not None]
            self.assertEqual([each.sequence for each in mine], [*range(1, len(mine) + 1)])
            product = self.product(sku)
            self.assertEqual(product["version"], len(mine))
            available = sum(each["availableQuantity"] for each in product["batches"])
            self.assertEqual(available, stock_of(mine))

    def test_commands_with_one_key_lie_in_one_partition(self) -> None:
        [sku, *_] = self.skus
        changes = [ChangeBatchQuantity("none", quantity, sku=sku) for quantity in range(20)]
        places = self.send([CreateBatch(f"batch-{sku}", sku, 5), *changes])
        self.assertEqual(len(set(places.values())), 1)

    def load(self, chance: random.Random) -> Iterator[Command]:
        for sku in self.skus:
            yield CreateBatch(f"batch-{sku}", sku, 200)
        for index in range(100):
            order = f"order-{index}-{self.run_id}"
            skus = chance.sample(self.skus, chance.randint(1, 3))
            yield AllocateOrder(order, [Line(sku, chance.randint(1, 5)) for sku in skus])
            if index % 7 == 0:
                yield DeallocateOrder(order, order_skus=skus)
            if index % 20 == 0:
                yield ChangeBatchQuantity(f"batch-{skus[0]}", chance.randint(0, 50), sku=skus[0])

    def send(self, commands: list[Command]) -> dict[str, int | None]:
        """Returns the partition of each command, by its id."""
        partitions: dict[str, int | None] = {}
        producer = Producer({"bootstrap.servers": BROKERS, "partitioner": "murmur2_random"})
        for command in commands:
            id = uuid.uuid4().hex

            def delivered(error: KafkaError | None, message: Message, id: str = id) -> None:
                if error is not None:
                    raise KafkaException(error)
                partitions[id] = message.partition()

            record = to_record(command, id=id, source="/shop")
            producer.produce(COMMANDS, on_delivery=delivered, **record)
        self.assertEqual(producer.flush(WAIT_S), 0)
        self.assertEqual(len(partitions), len(commands))
        return partitions

    def read_answers(self, ids: set[str]) -> list[Message]:
        """Reads the topic from its beginning until the commands with these ids are answered."""
        consumer = Consumer(
            {
                "bootstrap.servers": BROKERS,
                "group.id": f"client-{uuid.uuid4().hex}",
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        consumer.subscribe([EVENTS])
        messages: list[Message] = []
        missing = set(ids)
        try:
            while missing:
                message = consumer.poll(WAIT_S)
                if message is None:
                    self.fail(f"no event in {WAIT_S} s, and {len(missing)} answers are missing")
                if message.error():
                    raise KafkaException(message.error())
                messages.append(message)
                missing -= {event.causation_id or "" for event in read_message(message)}
        finally:
            consumer.close()
        return messages

    def product(self, sku: str) -> Any:
        with urlopen(f"{URL}/products/{sku}", timeout=WAIT_S) as answer:
            return json.load(answer)


def stock_of(events: list[Event]) -> int:
    """Counts what is left of a product."""
    quantities: dict[str, int] = {}
    allocated = 0
    for event in events:
        match event.content:
            case BatchCreated() | BatchQuantityChanged() as batch:
                quantities[batch.reference] = batch.quantity
            case Allocated(qty=qty):
                allocated += qty
            case Deallocated(qty=qty):
                allocated -= qty
    return sum(quantities.values()) - allocated


if __name__ == "__main__":
    unittest.main()
