"""One press that places an order or a basket: gathered before its transaction."""

from collections.abc import Callable
from functools import cached_property
from uuid import UUID

from etftrader.core.actor import Actor
from marketdata.selectors.sessions import Moment
from trading.models import Basket, Order
from trading.services import baskets, orders
from trading.services.basket_tickets import BasketTicket
from trading.services.orders import Ready
from trading.services.tickets import Ticket


class Placing:
    """An order that is being placed under an idempotency key.

    Parameters
    ----------
    portfolio_id : UUID
    ticket : Ticket
    by : Actor
    market_clock : callable
        The door's; it is read when the gathering begins and again under the lock.
    """

    def __init__(
        self, *, portfolio_id: UUID, ticket: Ticket, by: Actor, market_clock: Callable[[], Moment]
    ) -> None:
        self.portfolio_id, self.ticket, self.by = portfolio_id, ticket, by
        self.market_clock = market_clock

    def gather(self) -> None:
        """Collect what the verdict needs, while no lock is held. Raises BadInput and NotFound."""
        _ = self._ready

    def submit(self) -> Order:
        """Judge it with what was gathered; see `orders.submit`."""
        return orders.submit(
            portfolio_id=self.portfolio_id,
            ticket=self.ticket,
            by=self.by,
            moment=self._ready.moment,
            market_clock=self.market_clock,
            ready=self._ready,
        )

    @cached_property
    def _ready(self) -> Ready:
        return orders.gather(
            portfolio_id=self.portfolio_id,
            ticket=self.ticket,
            by=self.by,
            moment=self.market_clock(),
        )


class PlacingBasket:
    """A basket that is being placed under an idempotency key; as `Placing`."""

    def __init__(
        self,
        *,
        portfolio_id: UUID,
        ticket: BasketTicket,
        by: Actor,
        market_clock: Callable[[], Moment],
    ) -> None:
        self.portfolio_id, self.ticket, self.by = portfolio_id, ticket, by
        self.market_clock = market_clock

    def gather(self) -> None:
        """Collect what the verdict needs, while no lock is held. Raises BadInput and NotFound."""
        _ = self._ready

    def submit(self) -> Basket:
        """Judge it with what was gathered; see `baskets.submit`."""
        return baskets.submit(
            portfolio_id=self.portfolio_id,
            ticket=self.ticket,
            by=self.by,
            moment=self._ready.moment,
            market_clock=self.market_clock,
            ready=self._ready,
        )

    @cached_property
    def _ready(self) -> baskets.Ready:
        return baskets.gather(
            portfolio_id=self.portfolio_id,
            ticket=self.ticket,
            by=self.by,
            moment=self.market_clock(),
        )
