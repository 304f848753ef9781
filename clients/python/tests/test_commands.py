from __future__ import annotations

import unittest
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from allocation_client import (
    AllocateOrder,
    ChangeBatchQuantity,
    Command,
    CreateBatch,
    DeallocateOrder,
    InvalidCommandError,
    Line,
)


def wrong_fields(make: Callable[[], object]) -> list[tuple[str, str]]:
    try:
        make()
    except InvalidCommandError as error:
        return [(each.field, each.message) for each in error.errors]
    return []


class CommandsTest(unittest.TestCase):
    def test_data_have_the_names_of_the_contract(self) -> None:
        commands: list[tuple[Command, object]] = [
            (
                CreateBatch("batch-1", "LAMP", 5, date(2027, 1, 31)),
                {"reference": "batch-1", "sku": "LAMP", "quantity": 5, "eta": "2027-01-31"},
            ),
            (
                CreateBatch("batch-1", "LAMP", 0),
                {"reference": "batch-1", "sku": "LAMP", "quantity": 0, "eta": None},
            ),
            (
                AllocateOrder("order-1", [Line("LAMP", 2)]),
                {"orderid": "order-1", "lines": [{"sku": "LAMP", "qty": 2}]},
            ),
            (
                ChangeBatchQuantity("batch-1", 3, sku="LAMP"),
                {"reference": "batch-1", "quantity": 3},
            ),
            (DeallocateOrder("order-1", order_skus=["LAMP"]), {"orderid": "order-1"}),
            (DeallocateOrder("order-1", "LAMP"), {"orderid": "order-1", "sku": "LAMP"}),
        ]
        for command, data in commands:
            with self.subTest(command=command):
                self.assertEqual(command.data, data)

    def test_commands_about_one_order_have_one_key(self) -> None:
        both = ["LAMP", "TABLE"]
        self.assertEqual(AllocateOrder("order-1", [Line("LAMP", 2)]).key, "LAMP")
        self.assertEqual(DeallocateOrder("order-1", order_skus=["LAMP"]).key, "LAMP")
        self.assertEqual(AllocateOrder("order-2", [Line(sku, 1) for sku in both]).key, "order-2")
        self.assertEqual(DeallocateOrder("order-2", order_skus=both).key, "order-2")
        self.assertEqual(DeallocateOrder("order-2", "LAMP", order_skus=both).key, "order-2")

    def test_further_lines_of_an_order_count_for_its_key(self) -> None:
        both = ["LAMP", "TABLE"]
        self.assertEqual(AllocateOrder("order-1", [Line("LAMP", 2)], both).key, "order-1")
        self.assertEqual(AllocateOrder("order-1", [Line("LAMP", 2)], ["LAMP"]).key, "LAMP")
        self.assertEqual(DeallocateOrder("order-1", "LAMP", ["TABLE"]).key, "order-1")

    def test_a_command_of_a_batch_has_the_product_as_its_key(self) -> None:
        self.assertEqual(CreateBatch("batch-1", "LAMP", 5).key, "LAMP")
        self.assertEqual(ChangeBatchQuantity("batch-1", 5, sku="LAMP").key, "LAMP")

    def test_the_largest_values_of_the_contract_are_taken(self) -> None:
        name = "😀" * 255
        CreateBatch(name, name, 2**53 - 1, "2028-02-29")
        AllocateOrder(name, [Line(f"sku-{index}", 2**53 - 1) for index in range(500)])

    def test_an_error_lists_every_wrong_field(self) -> None:
        made = wrong_fields(lambda: CreateBatch("", "LA\nMP", -1, "2027-02-29"))
        characters = "must be 1 to 255 characters without control characters"
        self.assertEqual(
            made,
            [
                ("reference", characters),
                ("sku", characters),
                ("quantity", "must be at least 0"),
                ("eta", "must be a date that exists, YYYY-MM-DD, or None"),
            ],
        )

    def test_an_error_says_all_of_it_in_its_message(self) -> None:
        with self.assertRaisesRegex(InvalidCommandError, "^AllocateOrder: orderid .+; lines .+$"):
            AllocateOrder("", [])

    def test_wrong_names_are_refused(self) -> None:
        wrong: list[Any] = ["x" * 256, "\x7f", "\x85", "\ud800", 7, None, b"order-1"]
        for name in wrong:
            with self.subTest(name=name):
                self.assertEqual(
                    [field for field, _ in wrong_fields(lambda: DeallocateOrder(name))],
                    ["orderid"],
                )

    def test_wrong_products_of_an_order_are_refused(self) -> None:
        skus: list[Any] = ["LAMP", "", None]
        for make in [
            lambda: DeallocateOrder("order-1", order_skus=skus),
            lambda: AllocateOrder("order-1", [Line("LAMP", 1)], skus),
        ]:
            fields = [field for field, _ in wrong_fields(make)]
            self.assertEqual(fields, ["order_skus.1", "order_skus.2"])
        letters = wrong_fields(lambda: DeallocateOrder("order-1", order_skus="LAMP"))
        self.assertEqual(letters, [("order_skus", "must be a list of names")])

    def test_wrong_numbers_are_refused(self) -> None:
        wrong: list[Any] = [0, 2**53, 1.0, "1", True, None]
        for qty in wrong:
            with self.subTest(qty=qty):
                lines = [Line("LAMP", 1), Line("TABLE", qty)]
                self.assertEqual(
                    [field for field, _ in wrong_fields(lambda: AllocateOrder("order-1", lines))],
                    ["lines.1.qty"],
                )

    def test_wrong_dates_are_refused(self) -> None:
        wrong: list[Any] = ["20270131", "2027-1-31", "2027-13-01", "2027-W01-1", 2027, ""]
        for eta in [*wrong, datetime(2027, 1, 31)]:
            with self.subTest(eta=eta):
                self.assertEqual(
                    [field for field, _ in wrong_fields(lambda: CreateBatch("b", "s", 1, eta))],
                    ["eta"],
                )

    def test_wrong_lines_are_refused(self) -> None:
        not_a_line: Any = {"sku": "LAMP", "qty": 1}
        for lines, field in [
            ([], "lines"),
            ([Line(f"sku-{index}", 1) for index in range(501)], "lines"),
            ([Line("LAMP", 1), Line("LAMP", 2)], "lines.1.sku"),
            ([Line("LAMP", 1), not_a_line], "lines.1"),
        ]:
            with self.subTest(field=field):
                made = wrong_fields(lambda: AllocateOrder("order-1", lines))
                self.assertEqual([field for field, _ in made], [field])


if __name__ == "__main__":
    unittest.main()
