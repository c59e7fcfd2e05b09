"""Rows of the import wizard in the lists of T-19, T-20 and T-41."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from portfolios.models import ImportBatch, ImportRow, Portfolio, User
from portfolios.services import csv_import, import_booking
from portfolios.tests.factories import actor
from trading.tests import world

ONE = "/api/v1/imports/<uuid:import_id>"
ROW = f"{ONE}/rows/<int:row>"
FILE = "ticker,quantity,entry_price,entry_date\nBBB,10,50,2016-06-22\nBBB,9,51,2016-06-22\n"
COLUMNS = {"ticker": 0, "quantity": 1, "entry_price": 2, "entry_date": 3}
ANY = {"HTTP_IF_MATCH": "*"}
LINE = 7_654_321  # of a row: told apart from every other number of an answer
WHY = "nothing is booked: the row, or the file, keeps what was written"
UNDONE = ["ledger.reverse", "import.undo"]  # the books say it, and so does the file


def make(book: Portfolio, owner: User) -> dict[str, Any]:
    """A checked file by the names of the addresses."""
    batch = csv_import.check(
        portfolio_id=book.pk,
        user=owner,
        file_name="mine.csv",
        file=csv_import.read(data=FILE.encode(), user=owner),
        session_date=world.YESTERDAY,
    )
    return {"import_id": batch.pk, "row": 2}


def of_file(stage: SimpleNamespace) -> int:
    return ImportBatch.objects.get(pk=stage.ids["import_id"]).version


def of_row(stage: SimpleNamespace) -> int:
    return ImportRow.objects.get(batch=stage.ids["import_id"], ordinal=2).version


EDITABLE: dict[str, tuple[list[dict[str, Any]], Callable[[SimpleNamespace], int]]] = {
    f"PATCH {ONE}": ([{"duplicates": "import"}, {"duplicates": "merge"}], of_file),
    f"PUT {ONE}/mapping": ([{"columns": COLUMNS}, {"columns": COLUMNS}], of_file),
    f"PATCH {ROW}": ([{"cells": {"quantity": "1"}}, {"cells": {"quantity": "2"}}], of_row),
}


def made(stage: SimpleNamespace) -> dict[str, Any]:
    return make(stage.book, stage.owner)


def booked(stage: SimpleNamespace) -> dict[str, Any]:
    found = made(stage)
    import_booking.commit(batch_id=found["import_id"], by=actor(stage.owner))
    return found


AUDITED: dict[str, Any] = {f"POST {ONE}/undo": ({"reason": "wrong file"}, {}, booked)}
FREE: dict[str, tuple[str, Any]] = {
    f"PATCH {ONE}": (WHY, ({"duplicates": "merge"}, ANY, made)),
    f"PUT {ONE}/mapping": (WHY, ({"columns": COLUMNS}, ANY, made)),
    f"PATCH {ROW}": (WHY, ({"cells": {"quantity": "1"}}, ANY, made)),
}
# bodies in which only the id decides
BODIES: dict[str, Any] = {
    f"PATCH {ONE}": {"duplicates": "merge"},
    f"PUT {ONE}/mapping": {"columns": COLUMNS},
    f"PATCH {ROW}": {"cells": {"quantity": "1"}},
    f"POST {ONE}/undo": {"reason": "wrong file"},
}
