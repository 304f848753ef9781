from __future__ import annotations

import unittest
from unittest.mock import patch

from allocation_client import (
    AllocateOrder,
    AllocationClient,
    ChangeBatchQuantity,
    FieldError,
    Line,
    OutOfStock,
    ProblemError,
    UnreachableError,
)

from .fake_service import FakeService, Reply

ORDER = AllocateOrder("order-1", [Line("LAMP", 2)])
PLACE = {"topic": "allocation.commands", "partition": 0, "offset": 7}
ACCEPTED = Reply(202, {"id": "cmd-1", **PLACE, "status": "pending"})
EVENT = {
    "specversion": "1.0",
    "id": "allocation.commands/0/7",
    "type": "OutOfStock",
    "sequence": "3",
    "data": {"orderid": "order-1", "sku": "LAMP", "qty": 2},
}
BUSY = {"retry-after": "0"}


def client_of(service: FakeService) -> AllocationClient:
    return AllocationClient(service.url, source="/shop", token="secret")


class HttpTest(unittest.TestCase):
    def setUp(self) -> None:
        patched = patch("allocation_client.transport.time.sleep")
        self.sleep = patched.start()
        self.addCleanup(patched.stop)

    def pauses(self) -> list[float]:
        return [call.args[0] for call in self.sleep.call_args_list]

    def test_a_command_goes_out_as_a_structured_cloud_event_with_the_token(self) -> None:
        with FakeService(ACCEPTED) as service:
            status = client_of(service).send(ORDER, id="cmd-1", correlation_id="session-1")
        [request] = service.received
        self.assertEqual(request.path, "/commands")
        self.assertEqual(request.headers["content-type"], "application/cloudevents+json")
        self.assertEqual(request.headers["authorization"], "Bearer secret")
        self.assertNotIn("prefer", request.headers)
        self.assertEqual((request.body["id"], request.body["source"]), ("cmd-1", "/shop"))
        self.assertEqual(request.body["correlationid"], "session-1")
        self.assertEqual(request.body["data"], ORDER.data)
        self.assertEqual((status.status, status.id), ("pending", "cmd-1"))
        self.assertEqual(status.place, "allocation.commands/0/7")

    def test_a_command_needs_no_key_and_gets_an_id(self) -> None:
        with FakeService(ACCEPTED, ACCEPTED) as service:
            for _ in range(2):
                client_of(service).send(ChangeBatchQuantity("batch-1", 3))
        one, two = [request.body["id"] for request in service.received]
        self.assertNotEqual(one, two)

    def test_an_answer_that_came_in_time_has_its_events(self) -> None:
        answered = {"id": "cmd-1", **PLACE, "status": "answered", "events": [EVENT]}
        with FakeService(Reply(200, {**answered, "advice": "Check it."})) as service:
            status = client_of(service).send_and_wait(ORDER, 4.2, id="cmd-1")
        self.assertEqual(status.advice, "Check it.")
        self.assertEqual(service.received[0].headers["prefer"], "wait=5")
        self.assertEqual(status.status, "answered")
        self.assertEqual(status.events[0].content, OutOfStock("order-1", "LAMP", 2))

    def test_an_answer_that_did_not_come_in_time_is_pending(self) -> None:
        with FakeService(ACCEPTED) as service:
            status = client_of(service).send_and_wait(ORDER, 0)
        self.assertEqual(service.received[0].headers["prefer"], "wait=1")
        self.assertEqual((status.status, status.events), ("pending", ()))

    def test_a_dead_letter_says_why_and_what_to_do(self) -> None:
        texts = {"reason": "too-large", "message": "It is.", "advice": "Send several."}
        letter = {"id": "cmd-1", **PLACE, "status": "dead-letter", **texts}
        with FakeService(Reply(200, letter)) as service:
            status = client_of(service).send_and_wait(ORDER, 5)
        self.assertEqual(status.status, "dead-letter")
        self.assertEqual(
            {"reason": status.reason, "message": status.message, "advice": status.advice}, texts
        )

    def test_a_status_is_asked_for_by_place(self) -> None:
        answered = {"id": "cmd-1", **PLACE, "status": "answered", "events": [EVENT]}
        with FakeService(Reply(200, answered), Reply(404, {"title": "Not Found"})) as service:
            known = client_of(service).status("allocation.commands/0/7")
            unknown = client_of(service).status("allocation.commands/0/8")
        self.assertEqual(service.received[0].path, "/commands/allocation.commands/0/7")
        self.assertEqual(known and known.status, "answered")
        self.assertIsNone(unknown)

    def test_a_command_is_found_by_its_encoded_id_and_source(self) -> None:
        texts = {"letter": "allocation.dead-letters/1/2", "resolution": "redriven"}
        letter = {"id": "a/b ?", **PLACE, "status": "dead-letter", **texts}
        with FakeService(Reply(200, letter), Reply(404, {})) as service:
            known = client_of(service).find("a/b ?")
            unknown = client_of(service).find("c")
        self.assertEqual(service.received[0].path, "/commands/a%2Fb%20%3F?source=%2Fshop")
        self.assertEqual(known and (known.letter, known.resolution), tuple(texts.values()))
        self.assertIsNone(unknown)

    def test_a_busy_service_gets_the_same_command_again_after_its_pause(self) -> None:
        again = {"retry-after": "2"}
        with FakeService(
            Reply(503, {}, again), Reply(429, {}, again), Reply(503), ACCEPTED
        ) as service:
            client_of(service).send(ORDER)
        self.assertEqual(self.pauses(), [2, 2, 0.4])
        self.assertEqual(len({request.body["id"] for request in service.received}), 1)

    def test_a_long_pause_counts_as_half_a_minute(self) -> None:
        with FakeService(Reply(503, {}, {"retry-after": "3600"}), ACCEPTED) as service:
            client_of(service).send(ORDER)
        self.assertEqual(self.pauses(), [30])

    def test_a_broken_connection_is_tried_again_with_the_same_id(self) -> None:
        with FakeService(Reply(None), Reply(None), ACCEPTED) as service:
            client_of(service).send(ORDER)
        self.assertEqual(self.pauses(), [0.1, 0.2])
        self.assertEqual(len({request.body["id"] for request in service.received}), 1)

    def test_a_service_that_stays_busy_is_a_problem_after_five_attempts(self) -> None:
        busy = {"title": "Service Unavailable", "detail": "The log is away"}
        with FakeService(*[Reply(503, busy, BUSY)] * 5) as service:
            with self.assertRaisesRegex(ProblemError, "503 .*The log is away") as caught:
                client_of(service).send(ORDER, id="cmd-1")
        self.assertEqual(caught.exception.command_id, "cmd-1")

    def test_a_service_that_is_away_is_an_error_with_the_id_to_send_again(self) -> None:
        with FakeService() as service:
            client = client_of(service)
        with self.assertRaisesRegex(UnreachableError, "5 attempts") as caught:
            client.send(ORDER, id="cmd-1")
        self.assertEqual(caught.exception.command_id, "cmd-1")

    def test_a_refused_command_is_an_error_with_the_fields_of_the_problem(self) -> None:
        problem = {
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "AllocateOrder: orderid is required",
            "reason": "invalid-data",
            "errors": [{"field": "orderid", "message": "is required"}],
        }
        with FakeService(Reply(400, problem)) as service:
            with self.assertRaises(ProblemError) as caught:
                client_of(service).send(ORDER)
        error = caught.exception
        self.assertEqual((error.status, error.title), (400, "Bad Request"))
        self.assertEqual((error.reason, error.detail), ("invalid-data", problem["detail"]))
        self.assertEqual(error.errors, (FieldError("orderid", "is required"),))
        self.assertEqual(self.pauses(), [])

    def test_answers_of_something_else_than_the_service_are_problems(self) -> None:
        for reply in [
            Reply(200, "<html>"),
            Reply(200, []),
            Reply(502, "<html>"),
            Reply(400, []),
            Reply(400, {"errors": 7}),
            Reply(307, {}, {"location": "http://127.0.0.1:1/"}),
        ]:
            with self.subTest(reply=reply), FakeService(reply) as service:
                with self.assertRaises(ProblemError) as caught:
                    client_of(service).send(ORDER)
                self.assertEqual(caught.exception.status, reply.status)

    def test_a_url_of_another_kind_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "http"):
            AllocationClient("file:///etc/passwd", source="/shop")


if __name__ == "__main__":
    unittest.main()
