from __future__ import annotations

import json
import unittest

from allocation_client import Deduplicator

from .made import event


class DeduplicatorTest(unittest.TestCase):
    def test_an_event_is_new_once(self) -> None:
        deduplicator = Deduplicator()
        self.assertTrue(deduplicator.is_new(event("LAMP", 1)))
        self.assertTrue(deduplicator.is_new(event("LAMP", 2)))
        self.assertFalse(deduplicator.is_new(event("LAMP", 1)))

    def test_the_id_counts_and_not_the_sequence(self) -> None:
        deduplicator = Deduplicator()
        self.assertTrue(deduplicator.is_new(event("LAMP", None, id="one")))
        self.assertTrue(deduplicator.is_new(event("LAMP", None, id="two")))
        self.assertFalse(deduplicator.is_new(event("TABLE", 5, id="one")))

    def test_the_oldest_id_is_forgotten_when_the_memory_is_full(self) -> None:
        deduplicator = Deduplicator(capacity=2)
        for sequence in (1, 2, 3):
            deduplicator.is_new(event("LAMP", sequence))
        self.assertEqual(len(deduplicator.state()), 2)
        self.assertFalse(deduplicator.is_new(event("LAMP", 2)))
        self.assertTrue(deduplicator.is_new(event("LAMP", 1)))

    def test_a_repeat_counts_as_newest(self) -> None:
        deduplicator = Deduplicator(capacity=2)
        for sequence in (1, 2, 1, 3):
            deduplicator.is_new(event("LAMP", sequence))
        self.assertFalse(deduplicator.is_new(event("LAMP", 1)))

    def test_a_restored_one_goes_on(self) -> None:
        former = Deduplicator()
        former.is_new(event("LAMP", 1))
        restored = Deduplicator(state=json.loads(json.dumps(former.state())))
        self.assertFalse(restored.is_new(event("LAMP", 1)))
        self.assertTrue(restored.is_new(event("LAMP", 2)))

    def test_a_memory_for_nothing_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "capacity"):
            Deduplicator(capacity=0)


if __name__ == "__main__":
    unittest.main()
