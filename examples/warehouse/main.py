"""
Prints a pick list, one line for each line of an order, and which lines were taken back.

    python3 examples/warehouse/main.py

This reads the events of `npm start`. With KAFKA_BROKERS, it reads Kafka, and needs confluent-kafka.
The file of WAREHOUSE_STATE has the place in the topic and what the client knows there, so the
program goes on there after a restart.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

# Makes the example work without an installed client.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients" / "python" / "src"))
from allocation_client import Allocated, Deallocated, Deduplicator, Event, HoldBack
from allocation_client import read_message, read_structured

URL = os.environ.get("ALLOCATION_URL", "http://localhost:8080")
TOKEN = os.environ.get("ALLOCATION_TOKEN")
BROKERS = os.environ.get("KAFKA_BROKERS")
TOPIC = os.environ.get("EVENTS_TOPIC", "allocation.events")
STATE = Path(os.environ.get("WAREHOUSE_STATE", "warehouse.json"))


def from_http(place: str) -> Iterator[tuple[str, list[Event]]]:
    """Yields a place in the topic, such as `0/1200,1/7`, and the events before it, perhaps none."""
    headers = {"authorization": f"Bearer {TOKEN}"} if TOKEN else {}
    while True:
        # Partitions that the id does not name are sent from their beginning.
        headers["last-event-id"] = place or "0/0"
        try:
            with urlopen(Request(f"{URL}/events", headers=headers), timeout=60) as stream:
                fields: dict[str, str] = {}
                for line in map(bytes.decode, stream):
                    if line.strip():
                        name, _, text = line.rstrip("\n").partition(":")
                        fields |= {name: text.strip()} if name else {}
                    elif fields:
                        place, data = fields.get("id", place), fields.get("data")
                        yield place, read_structured(json.loads(data)) if data else []
                        fields = {}
        except (OSError, HTTPException) as error:
            print(f"{URL} does not answer: {error}. Trying again.", file=sys.stderr)
        time.sleep(1)


def from_kafka(place: str) -> Iterator[tuple[str, list[Event]]]:
    """Yields the same from Kafka: from all partitions, because the order needs all of them."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

    group = {"group.id": "warehouse", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    committed = {"bootstrap.servers": BROKERS, "isolation.level": "read_committed"}
    consumer = Consumer({**committed, **group})
    partitions = consumer.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions
    pairs = [each.split("/") for each in place.split(",") if each]
    read = {int(partition): int(offset) for partition, offset in pairs}
    offsets = {each: read.get(each, OFFSET_BEGINNING) for each in partitions}
    consumer.assign([TopicPartition(TOPIC, each, offset) for each, offset in offsets.items()])
    while True:
        message: Any = consumer.poll(15)
        if message and message.error():
            raise KafkaException(message.error())
        if message:
            read[message.partition()] = message.offset() + 1
            place = ",".join(f"{partition}/{offset}" for partition, offset in read.items())
        yield place, read_message(message) if message else []


def main() -> None:
    saved: dict[str, Any] = json.loads(STATE.read_text()) if STATE.exists() else {}
    deduplicator = Deduplicator(1_000, saved.get("ids", []))
    hold_back = HoldBack(state=saved.get("order"))
    for place, events in (from_kafka if BROKERS else from_http)(saved.get("place", "")):
        new = filter(deduplicator.is_new, events)
        for event in (each for one in new for each in hold_back.add(one)):
            match event.content:
                case Allocated(order, sku, qty, batch):
                    print(f"Pick for {order}: {qty} x {sku} of {batch}", flush=True)
                case Deallocated(order, sku, qty, batch):
                    print(f"Taken back from {order}: {qty} x {sku} of {batch}", flush=True)
        for gap in [] if events else hold_back.gaps():
            print(f"{gap.sku} waits for events {gap.first} to {gap.last}", file=sys.stderr)
        # A crash before the state is saved prints the same lines again.
        state = {"place": place, "ids": deduplicator.state(), "order": hold_back.state()}
        STATE.with_suffix(".new").write_text(json.dumps(state))
        STATE.with_suffix(".new").replace(STATE)


if __name__ == "__main__":
    main()
