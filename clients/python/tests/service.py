"""Where the service runs that the tests may use."""

from __future__ import annotations

import os

NEEDED = ("ALLOCATION_URL", "KAFKA_BROKERS", "COMMANDS_TOPIC", "EVENTS_TOPIC")
IS_THERE = all(os.environ.get(name) for name in NEEDED)
WHY_NOT = f"a running service is needed: set {', '.join(NEEDED)}"
