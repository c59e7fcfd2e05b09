"""What the processes of a storm of baskets run."""

from decimal import Decimal
from uuid import UUID

from etftrader.core import idempotency
from etftrader.core.errors import Conflict
from etftrader.core.idempotency import Answer
from marketdata.selectors import sessions
from trading.selectors import baskets as read
from trading.services.basket_tickets import BasketTicket
from trading.services.placing import PlacingBasket
from trading.tests import world
from trading.tests.storm import meet, trader


def swap(
    *, process: int, thread: int, portfolios: list[str], crowd: int, shared: bool
) -> list[str]:
    """Sell AAA and buy BBB with the proceeds in each portfolio, all together; what was told.

    With `shared` everybody sends the same basket under the same key.
    """
    by = trader("owner@example.com")
    told = []
    for number, portfolio in enumerate(portfolios):
        meet(f"baskets:{shared}:{number}", crowd)
        key = f"swap-{number}-" + ("shared" if shared else f"{process}-{thread}")
        placing = PlacingBasket(
            portfolio_id=UUID(portfolio),
            ticket=BasketTicket(
                legs=(world.sell("5"), world.buy("9", "BBB")), client_basket_id=key
            ),
            by=by,
            market_clock=sessions.moment,
        )

        def effect(placing: PlacingBasket = placing) -> Answer:
            basket = placing.submit()
            return Answer(201, {"basket": str(basket.pk), "state": read.state(basket)})

        assert by.user_id is not None
        try:
            answer = idempotency.once(
                user_id=by.user_id,
                operation="storm of baskets",
                key=key,
                print_of=idempotency.fingerprint("swap", {"portfolio": portfolio, "of": key}),
                effect=effect,
                before=placing.gather,
            )
        except Conflict as refusal:
            told.append(refusal.code)
        else:
            told.append("replayed" if answer.replayed else answer.body["state"])
    return told


SOLD, BOUGHT = Decimal(5), Decimal(9)
