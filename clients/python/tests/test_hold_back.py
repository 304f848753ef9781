from __future__ import annotations

import json
import random
import unittest

from allocation_client import Event, Gap, HoldBack, HoldBackFullError

from .made import event, names


def passed(hold_back: HoldBack, sku: str, *sequences: int) -> list[int | None]:
    """Adds events of a product, and returns the sequences of those that pass."""
    ready = [each for one in sequences for each in hold_back.add(event(sku, one))]
    return [each.sequence for each in ready]


class HoldBackTest(unittest.TestCase):
    def test_an_event_waits_for_the_earlier_events_of_its_product(self) -> None:
        hold_back = HoldBack()
        self.assertEqual(passed(hold_back, "LAMP", 3, 2), [])
        self.assertEqual(names(hold_back.add(event("TABLE", 1))), [("TABLE", 1)])
        self.assertEqual(passed(hold_back, "LAMP", 1), [1, 2, 3])
        self.assertEqual(passed(hold_back, "LAMP", 4), [4])

    def test_an_event_without_a_sequence_passes_at_once(self) -> None:
        hold_back = HoldBack()
        self.assertEqual(passed(hold_back, "LAMP", 2), [])
        self.assertEqual(names(hold_back.add(event("LAMP", None))), [("LAMP", None)])

    def test_a_repeat_is_dropped_whether_it_waits_or_has_passed(self) -> None:
        hold_back = HoldBack()
        self.assertEqual(passed(hold_back, "LAMP", 1, 1, 3, 3, 2, 3, 2), [1, 2, 3])

    def test_gaps_name_what_is_missing_until_it_comes(self) -> None:
        hold_back = HoldBack()
        passed(hold_back, "LAMP", 1, 4, 7)
        passed(hold_back, "TABLE", 2)
        expected = [Gap("LAMP", 2, 3), Gap("LAMP", 5, 6), Gap("TABLE", 1, 1)]
        self.assertEqual(hold_back.gaps(), expected)
        passed(hold_back, "LAMP", 3)
        self.assertEqual(hold_back.gaps()[0], Gap("LAMP", 2, 2))
        passed(hold_back, "LAMP", 2, 5, 6)
        passed(hold_back, "TABLE", 1)
        self.assertEqual(hold_back.gaps(), [])

    def test_released_gaps_let_the_held_events_pass_and_the_missing_one_later(self) -> None:
        hold_back = HoldBack()
        passed(hold_back, "LAMP", 5, 3)
        passed(hold_back, "TABLE", 2)
        self.assertEqual(names(hold_back.release("LAMP")), [("LAMP", 3), ("LAMP", 5)])
        self.assertEqual(hold_back.gaps(), [Gap("TABLE", 1, 1)])
        self.assertEqual(passed(hold_back, "LAMP", 2, 2, 6, 4, 4, 1, 1), [2, 6, 4, 1])
        self.assertEqual(names(hold_back.release()), [("TABLE", 2)])

    def test_from_the_middle_the_order_begins_with_the_first_event(self) -> None:
        hold_back = HoldBack(from_beginning=False)
        self.assertEqual(passed(hold_back, "LAMP", 7, 9, 8), [7, 8, 9])
        self.assertEqual(hold_back.gaps(), [])

    def test_from_the_middle_an_earlier_event_that_comes_later_passes_once(self) -> None:
        hold_back = HoldBack(from_beginning=False)
        self.assertEqual(passed(hold_back, "LAMP", 7, 6, 6, 8), [7, 6, 8])
        self.assertEqual(passed(hold_back, "TABLE", 1, 1, 2), [1, 2])

    def test_behind_a_known_state_only_later_events_pass(self) -> None:
        hold_back = HoldBack()
        hold_back.start_after("LAMP", 6)
        self.assertEqual(passed(hold_back, "LAMP", 6, 8, 5, 7), [7, 8])
        with self.assertRaisesRegex(ValueError, "LAMP"):
            hold_back.start_after("LAMP", 9)

    def test_a_full_one_refuses_an_event_that_can_be_added_later(self) -> None:
        hold_back = HoldBack(max_held=2)
        passed(hold_back, "LAMP", 2)
        passed(hold_back, "TABLE", 2, 2)
        with self.assertRaisesRegex(HoldBackFullError, "LAMP waits for its sequence 1"):
            hold_back.add(event("LAMP", 3))
        self.assertEqual(passed(hold_back, "LAMP", 1, 3), [1, 2, 3])
        self.assertEqual(passed(hold_back, "LAMP", 5), [])
        hold_back.release()
        self.assertEqual(passed(hold_back, "LAMP", 7, 8), [])

    def test_a_restored_one_goes_on(self) -> None:
        former = HoldBack()
        passed(former, "LAMP", 1, 3)
        passed(former, "TABLE", 3)
        former.release("TABLE")
        restored = HoldBack(state=json.loads(json.dumps(former.state())))
        self.assertEqual(restored.gaps(), [Gap("LAMP", 2, 2)])
        self.assertEqual(passed(restored, "LAMP", 1, 2), [2, 3])
        self.assertEqual(passed(restored, "TABLE", 3, 1, 1, 4), [1, 4])
        self.assertEqual(restored.state()["held"], [])


class StreamsTest(unittest.TestCase):
    """Random streams, each made from a fixed seed."""

    def test_shuffled_and_repeated_events_pass_once_and_in_order(self) -> None:
        for seed in range(50):
            with self.subTest(seed=seed):
                chance = random.Random(seed)
                lengths = {f"sku-{index}": chance.randint(1, 30) for index in range(5)}
                stream = [event(sku, n + 1) for sku, end in lengths.items() for n in range(end)]
                stream += chance.sample(stream, len(stream) // 3)
                chance.shuffle(stream)
                self.check(stream, lengths, chance)

    def test_partitions_that_are_read_at_different_speeds_make_no_difference(self) -> None:
        for seed in range(50):
            with self.subTest(seed=seed):
                chance = random.Random(seed)
                lengths = {f"sku-{index}": chance.randint(1, 30) for index in range(5)}
                self.check(self.interleaved(lengths, chance), lengths, chance)

    def interleaved(self, lengths: dict[str, int], chance: random.Random) -> list[Event]:
        """Spreads events over partitions, in their order, and reads these as they come."""
        partitions: list[list[Event]] = [[] for _ in range(4)]
        left = [sku for sku, end in lengths.items() for _ in range(end)]
        chance.shuffle(left)
        counts = dict.fromkeys(lengths, 0)
        for sku in left:
            counts[sku] += 1
            chance.choice(partitions).append(event(sku, counts[sku]))
        stream: list[Event] = []
        while any(partitions):
            partition = chance.choice([each for each in partitions if each])
            size = chance.randint(1, len(partition))
            stream += partition[:size]
            del partition[:size]
        return stream

    def check(self, stream: list[Event], lengths: dict[str, int], chance: random.Random) -> None:
        """Reads the stream, starts again now and then, and compares what has passed."""
        hold_back = HoldBack()
        ready: list[Event] = []
        for each in stream:
            ready += hold_back.add(each)
            if chance.random() < 0.05:
                hold_back = HoldBack(state=json.loads(json.dumps(hold_back.state())))
        for sku, end in lengths.items():
            sequences = [each.sequence for each in ready if each.sku == sku]
            self.assertEqual(sequences, list(range(1, end + 1)))
        self.assertEqual(hold_back.gaps(), [])
        self.assertEqual(hold_back.state()["held"], [])


if __name__ == "__main__":
    unittest.main()
