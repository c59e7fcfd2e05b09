"""What the threads of the ledger's storm do: flows, fills, fees and reversals on a few books."""

import random
from decimal import Decimal
from uuid import UUID

from etftrader.core.errors import LimitBreached, NotFound
from marketdata.models import Instrument
from portfolios.services import ledger
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
            made = ledger.book_fee(
                portfolio_id=portfolio,
                amount=Decimal("0.10"),
                session_date=MONDAY,
                source=source,
                by=HOUSE,
            )
        else:
            back = f"shared-{dice.randint(0, 99)}"
            made = ledger.reverse(portfolio_id=portfolio, source=back, reason="storm", by=HOUSE)
    except (LimitBreached, NotFound) as refusal:
        return refusal.code
    return "replayed" if made.replayed else "booked"
