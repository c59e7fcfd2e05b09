"""What files have below their rows: sums and remarks, which are none."""

from datetime import date

import pytest

from portfolios.calculations import csv_layout, csv_rows


@pytest.mark.parametrize(
    ("kind", "cells", "left_out"),
    [
        ("positions", {"ticker": "Total", "quantity": "12"}, True),
        ("positions", {"ticker": "Prices are of the close; no more."}, True),
        ("positions", {"tags": "nothing else"}, True),
        ("positions", {"ticker": "AAA"}, False),
        ("positions", {"ticker": "AAA", "quantity": "12", "entry_price": "3"}, False),
        ("positions", {"ticker": "Total", "entry_date": "2016-06-20"}, False),
        ("trades", {"ticker": "Subtotal:", "price": "3"}, True),
        ("trades", {"quantity": "3", "trade_date": "2016-06-20"}, False),
        ("cash", {"date": "TOTAL", "amount": "3"}, True),
        ("cash", {"type": "fee", "amount": "3"}, False),
    ],
)
def test_a_sum_or_a_remark_is_left_out_and_a_row_that_lacks_something_is_not(kind, cells, left_out):
    mapped = dict.fromkeys(csv_layout.SHAPES[kind].fields, "") | cells

    reading = csv_rows.read_row(kind, mapped, until=date(2016, 6, 22))

    assert reading.row is None
    assert (reading.left_out is not None) == left_out
    assert bool(reading.errors) != left_out


def test_nothing_is_left_out_while_no_column_is_mapped():
    reading = csv_rows.read_row("positions", {}, until=date(2016, 6, 22))

    assert reading.left_out is None
    assert reading.errors
