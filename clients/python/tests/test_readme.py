from __future__ import annotations

import contextlib
import io
import os
import re
import unittest
import uuid
from pathlib import Path

from .service import IS_THERE, WHY_NOT

README = Path(__file__).parents[1] / "README.md"
SAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def output_of(sample: str) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(sample, str(README), "exec"), {"__name__": "sample"})
    return output.getvalue()


def said_output(sample: str) -> str:
    """Returns the output that the comments at the end of the sample say."""
    lines = sample.splitlines(keepends=True)
    comments = [line[2:] for line in lines if line.startswith("# ")]
    return "".join(comments)


class ReadmeTest(unittest.TestCase):
    def test_samples_that_need_no_service_run_and_print_what_they_say(self) -> None:
        alone = [each for each in SAMPLES if "os.environ" not in each]
        self.assertEqual(len(alone), 4)
        for sample in alone:
            with self.subTest(sample=sample):
                self.assertEqual(output_of(sample), said_output(sample))

    @unittest.skipUnless(IS_THERE, WHY_NOT)
    def test_samples_against_a_service_print_what_they_say_and_what_they_led_to(self) -> None:
        run = uuid.uuid4().hex[:8]
        samples = [self.on_this_service(each, run) for each in SAMPLES if "os.environ" in each]
        by_http, by_kafka, consumer = samples
        self.assertEqual(output_of(by_http), said_output(by_http))
        output_of(by_kafka)
        lines = output_of(consumer).splitlines()
        mine = [line.partition("(")[0] for line in lines if line.startswith(f"LAMP-{run} ")]
        types = ["1 BatchCreated", "2 Allocated", "3 BatchQuantityChanged"]
        self.assertEqual(mine, [f"LAMP-{run} {each}" for each in types])

    def on_this_service(self, sample: str, run: str) -> str:
        """Gives the sample the topics of the service, and names of its own."""
        sample = sample.replace("allocation.commands", os.environ["COMMANDS_TOPIC"])
        sample = sample.replace("allocation.events", os.environ["EVENTS_TOPIC"])
        for name in ["picking", "LAMP", "batch-1", "order-1", "purchase-17", "count-1"]:
            sample = sample.replace(name, f"{name}-{run}")
        return sample


if __name__ == "__main__":
    unittest.main()
