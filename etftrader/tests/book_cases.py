"""Rows of cash, transfers, accounts and the life of portfolios in the lists of T-19, T-20, T-41."""

from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from etftrader.core.actor import system
from portfolios.choices import PortfolioStatus
from portfolios.models import Account, CashTransaction, Membership, Portfolio, Position
from portfolios.services import transfers
from trading.tests import world

V1 = "/api/v1"
P, A = f"{V1}/portfolios/<uuid:portfolio_id>", f"{V1}/accounts/<uuid:account_id>"
CASH = f"{V1}/cash-transactions"
HELD = f"{V1}/positions"
ROW = f"{HELD}/<uuid:position_id>"
ANY = {"HTTP_IF_MATCH": "*"}
MONEY = {"type": "deposit", "amount": "5"}
WHY = {"reason": "typing error"}
UNITS = {"quantity": "7", "reason": "counted", "price": "10"}
HOLDING = {"symbol": "BBB", "quantity": "3", "entry_price": "40"}


def make(book: Portfolio, name: str = "Kept") -> dict[str, Any]:
    """A transfer from the book to another of its owner, and an account without a book."""
    owner = book.account.customer.user  # one of several who have the part
    other = world.make_portfolio(user=owner, name=name, cash="0")
    for part in book.memberships.exclude(role="owner").filter(revoked_at=None):
        Membership.objects.create(
            portfolio=other, user_id=part.user_id, role=part.role, can_trade=part.can_trade
        )
    act = transfers.Act(world.TODAY, system("tests"))
    row = transfers.of_cash(origin_id=book.pk, target_id=other.pk, amount=Decimal(1), act=act)
    empty = Account.objects.create(customer=book.account.customer, name=name)
    return {"transfer_id": row.pk, "account_id": empty.pk}


def of_account(stage: SimpleNamespace) -> int:
    return Account.objects.get(pk=stage.ids["account_id"]).version


def of_position(stage: SimpleNamespace) -> int:
    return Position.objects.get(pk=stage.ids["position_id"]).version


EDITABLE: dict[str, tuple[list[dict[str, Any]], Callable[[SimpleNamespace], int]]] = {
    f"PUT {A}": ([{"name": "Left"}, {"name": "Right"}], of_account),
    f"PATCH {A}": ([{"name": "Left"}, {"name": "Right"}], of_account),
    f"DELETE {A}": ([{}, {}], of_account),
    f"PUT {ROW}": ([UNITS, UNITS | {"quantity": "8"}], of_position),
    f"PATCH {ROW}": ([UNITS, UNITS | {"quantity": "8"}], of_position),
    f"DELETE {ROW}": ([{"price": "10"}, {"price": "10"}], of_position),
}
BATCHES = {
    f"PATCH {HELD}/batch",
    f"DELETE {HELD}/batch",
    f"PATCH {V1}/accounts/batch",
    f"DELETE {V1}/accounts/batch",
}
# facts without a version: taking one back twice is taking it back
ENDED = {
    f"PUT {CASH}/<uuid:transaction_id>",
    f"PATCH {CASH}/<uuid:transaction_id>",
    f"DELETE {CASH}/<uuid:transaction_id>",
    f"PATCH {CASH}/batch",
    f"DELETE {CASH}/batch",
}


def lock(ids: dict[str, Any]) -> None:
    """Hold what may be edited until the transaction ends."""
    Account.objects.select_for_update().get(pk=ids["account_id"])


def stored(stage: SimpleNamespace) -> dict[str, Any]:
    Portfolio.objects.filter(pk=stage.book.pk).update(status=PortfolioStatus.ARCHIVED)
    return {}


def shut(stage: SimpleNamespace) -> dict[str, Any]:
    found = make(stage.book)
    Account.objects.filter(pk=found["account_id"]).update(status="closed")
    return found


def kept(stage: SimpleNamespace) -> dict[str, Any]:
    return make(stage.book)


def in_book(stage: SimpleNamespace) -> dict[str, Any]:
    return MONEY | {"portfolio": str(stage.book.pk)}


def to_other(stage: SimpleNamespace) -> dict[str, Any]:
    other = world.make_portfolio(user=stage.owner, name="Other", cash="0")
    return {"to": str(other.pk), "type": "cash", "amount": "1"}


def a_paper(stage: SimpleNamespace) -> list[str]:
    return [str(CashTransaction.objects.filter(portfolio=stage.book)[0].pk)]


def holds(stage: SimpleNamespace) -> dict[str, Any]:
    book = world.make_portfolio(user=stage.owner, name="Holds")
    world.hold(book, "AAA", "10")
    return {"position_id": Position.objects.get(portfolio=book).pk}


def into_book(stage: SimpleNamespace) -> dict[str, Any]:
    return HOLDING | {"portfolio": str(stage.book.pk)}


def of_holding(**changes: Any) -> Callable[[SimpleNamespace], list[dict[str, Any]]]:
    """A batch of one position that is there."""
    return lambda stage: [{"id": str(holds(stage)["position_id"])} | changes]


def one(**changes: Any) -> Callable[[SimpleNamespace], list[dict[str, Any]]]:
    """A batch of one account that is there."""
    return lambda stage: [{"id": str(kept(stage)["account_id"])} | changes]


AUDITED: dict[str, Any] = {
    f"POST {P}/archive": ({"reason": "a pause"}, {}, None),
    f"POST {P}/reopen": ({}, {}, stored),
    f"POST {P}/transfers": (to_other, {}, None),
    f"POST {P}/transfers/<uuid:transfer_id>/reverse": (WHY, {}, kept),
    f"POST {CASH}": (in_book, {}, None),
    f"POST {CASH}/batch": (lambda stage: [in_book(stage)], {}, None),
    f"PUT {CASH}/<uuid:transaction_id>": (MONEY | WHY, {}, None),
    f"PATCH {CASH}/<uuid:transaction_id>": ({"amount": "5"} | WHY, {}, None),
    f"PATCH {CASH}/batch": (lambda stage: [{"id": a_paper(stage)[0], "amount": "5"}], {}, None),
    f"DELETE {CASH}/<uuid:transaction_id>": (WHY, {}, None),
    f"DELETE {CASH}/batch": (a_paper, {}, None),
    f"POST {P}/positions": (HOLDING, {}, None),
    f"POST {HELD}": (into_book, {}, None),
    f"POST {HELD}/batch": (lambda stage: [into_book(stage)], {}, None),
    f"PATCH {HELD}/batch": (of_holding(**UNITS), {}, None),
    f"DELETE {HELD}/batch": (of_holding(), {}, None),
    f"PUT {ROW}": (UNITS, ANY, holds),
    f"PATCH {ROW}": (UNITS, ANY, holds),
    f"DELETE {ROW}": ({}, ANY, holds),
    f"POST {V1}/accounts": ({"name": "Savings", "account_type": "saving"}, {}, None),
    f"POST {V1}/accounts/batch": ([{"name": "Savings"}], {}, None),
    f"PATCH {V1}/accounts/batch": (one(name="Other"), {}, None),
    f"DELETE {V1}/accounts/batch": (one(), {}, None),
    f"PUT {A}": ({"name": "Other"}, ANY, kept),
    f"PATCH {A}": ({"name": "Other"}, ANY, kept),
    f"DELETE {A}": ({}, ANY, kept),
    f"POST {A}/reopen": ({}, {}, shut),
}
# one act, two books, each with its line in its own chain
SEVERAL = {
    **{
        f"{method} {CASH}/{row}": ["cash.deposit", "ledger.reverse"]
        for method, row in (
            ("PUT", "<uuid:transaction_id>"),
            ("PATCH", "<uuid:transaction_id>"),
            ("PATCH", "batch"),
        )
    },
    f"POST {P}/transfers": ["transfer.out", "transfer.in"],
    f"POST {P}/transfers/<uuid:transfer_id>/reverse": ["ledger.reverse", "ledger.reverse"],
}
# bodies in which only the id decides
BODIES: dict[str, Any] = {
    f"POST {CASH}": MONEY,
    f"POST {CASH}/batch": MONEY,
    f"PUT {CASH}/<uuid:transaction_id>": MONEY | WHY,
    f"PATCH {CASH}/<uuid:transaction_id>": WHY,
    f"DELETE {CASH}/<uuid:transaction_id>": WHY,
    f"POST {P}/positions": HOLDING,
    f"POST {HELD}": HOLDING,
    f"POST {HELD}/batch": HOLDING,
    f"PATCH {HELD}/batch": UNITS,
    f"PUT {ROW}": UNITS,
    f"PATCH {ROW}": UNITS,
    f"POST {V1}/accounts": {"name": "New"},
    f"POST {P}/transfers": {"type": "cash", "amount": "1"},
    f"POST {P}/transfers/<uuid:transfer_id>/reverse": WHY,
}
