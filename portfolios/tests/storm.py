"""What the threads of the ledger's storms do: bookings on a few books, transfers between two."""

import random
from decimal import Decimal
from uuid import UUID

from etftrader.core.errors import Conflict, LimitBreached, NotFound
from marketdata.models import Instrument
from portfolios.choices import EntryKind
from portfolios.services import ledger, reversals, transfers
from portfolios.tests.factories import HOUSE, MONDAY


def mixed(
    *, process: int, thread: int, portfolios: list[str], operations: int, seed: int
) -> dict[str, int]:
    """Book at random; a quarter of the sources is shared by all threads. Answers what happened."""
    funds = {each.symbol: each for each in Instrument.objects.all()}
    dice = random.Random(f"{seed}-{process}-{thread}")
    told: dict[str, int] = {}
    for number in range(operations):
        shared = dice.random() < 0.25
        source = f"shared-{number}" if shared else f"own-{process}-{thread}-{number}"
        # what a shared source books must not depend on who comes first
        turn = random.Random(f"{seed}-{source}") if shared else dice
        portfolio = UUID(portfolios[turn.randrange(len(portfolios))])
        word = _one(turn, source, portfolio, funds)
        told[word] = told.get(word, 0) + 1
    return told


def _one(dice: random.Random, source: str, portfolio: UUID, funds: dict[str, Instrument]) -> str:
    kind = dice.choices(("fill", "flow", "fee", "reverse"), (10, 3, 1, 1))[0]
    sign, size = dice.choice((1, -1)), dice.randint(1, 9)
    fund = funds[dice.choice(sorted(funds))]
    try:
        if kind == "fill":
            made = ledger.book_fill(
                portfolio_id=portfolio,
                instrument=fund,
                quantity=Decimal(sign * size),
                price=Decimal(dice.randint(90, 110)),
                fee=Decimal("0.35"),
                source=source,
                session_date=MONDAY,
            )
        elif kind == "flow":
            made = ledger.book_flow(
                portfolio_id=portfolio,
                amount=Decimal(sign * size * 10),
                session_date=MONDAY,
                source=source,
                by=HOUSE,
            )
        elif kind == "fee":
            made = ledger.book_cash(
                portfolio_id=portfolio,
                kind=EntryKind.FEE,
                amount=Decimal("0.10"),
                session_date=MONDAY,
                source=source,
                by=HOUSE,
            )
        else:
            back = f"shared-{dice.randint(0, 99)}"
            made = reversals.reverse(portfolio_id=portfolio, source=back, reason="storm", by=HOUSE)
    except (Conflict, LimitBreached, NotFound) as refusal:
        return refusal.code
    return "replayed" if made.replayed else "booked"


def to_and_fro(
    *, process: int, thread: int, portfolios: list[str], operations: int, seed: int
) -> dict[str, int]:
    """Transfer cash and units between two books, half of the threads the other way round."""
    [fund] = Instrument.objects.all()
    dice = random.Random(f"{seed}-{process}-{thread}")
    ids = [UUID(each) for each in portfolios]
    origin, target = ids if thread % 2 else reversed(ids)
    act = transfers.Act(MONDAY, HOUSE)
    told: dict[str, int] = {}
    for _ in range(operations):
        try:
            if dice.random() < 0.5:
                transfers.of_cash(
                    origin_id=origin, target_id=target, amount=Decimal(dice.randint(1, 9)), act=act
                )
            else:
                transfers.of_holding(
                    origin_id=origin,
                    target_id=target,
                    instrument=fund,
                    quantity=Decimal(dice.randint(1, 3)),
                    price=Decimal(dice.randint(90, 110)),
                    act=act,
                )
            word = "moved"
        except LimitBreached as refusal:
            word = refusal.code
        told[word] = told.get(word, 0) + 1
    return told
