"""Positions that are stated over the API: bodies, and the bookings they become."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import batch, tags
from etftrader.core.api.fields import MoneyField, StrictSerializer
from etftrader.core.errors import BadInput, NotAllowed, NotFound
from etftrader.core.money import plain
from marketdata.models import Instrument
from marketdata.selectors import exchange_rates, instruments, prices, sessions
from marketdata.selectors.sessions import Moment
from portfolios.api import documents
from portfolios.api.owned import OwnedView
from portfolios.constants import Action
from portfolios.models import Portfolio, Position
from portfolios.selectors import access, groups
from portfolios.selectors import positions as read
from portfolios.services import adjustments
from portfolios.services.adjustments import Statement

MISSING = "There is no such position."
OUT = {"quantity": Decimal(0), "reason": "deleted"}


class NewHolding(StrictSerializer):
    """A holding to bring in: signed units at a cost a unit, since a session."""

    symbol = serializers.CharField(max_length=32)
    quantity = MoneyField()
    entry_price = MoneyField(positive=True)
    entry_date = serializers.DateField(required=False)
    reason = serializers.CharField(max_length=300, default="brought in")


class NewPosition(NewHolding):
    """A holding to bring into a portfolio."""

    portfolio = serializers.UUIDField()


class Adjustment(StrictSerializer):
    """The units that are held in truth, signed; at a price a unit, or at the market's."""

    quantity = MoneyField()
    price = MoneyField(required=False)
    reason = serializers.CharField(max_length=300)


class AdjustedOne(batch.Keyed, Adjustment):
    """Which one of a batch, and the units that are held in truth."""


class Removal(StrictSerializer):
    """Why it is taken out; at a price a unit, or at the market's."""

    price = MoneyField(required=False)
    reason = serializers.CharField(max_length=300, default="deleted")


class Stated(OwnedView):
    """What the writes of positions share."""

    def portfolio_named(self, key: UUID) -> Portfolio:
        """The portfolio a body names. Raises BadInput."""
        try:
            return access.portfolio_for(self.actor, key, Action.TRADE)
        except NotFound as error:
            raise BadInput(error.detail, attr="portfolio", code="does_not_exist") from error

    def row(self, key: UUID | str, action: Action = Action.VIEW) -> Position:
        """A position one may see, or do this to. Raises NotFound and NotAllowed."""
        try:
            wanted = UUID(str(key))
        except ValueError as error:
            raise NotFound(MISSING) from error
        rows = Position.objects.for_actor(self.actor)
        found = rows.select_related("portfolio__account", "instrument").filter(pk=wanted).first()
        if found is None:
            raise NotFound(MISSING)
        if action != Action.VIEW:
            access.portfolio_for(self.actor, found.portfolio_id, action)
        else:
            self.shown([found])
        return found

    def brought_in(self, portfolio: Portfolio, asked: dict[str, Any]) -> dict[str, Any]:
        """The document of a new holding."""
        thing, day = instruments.find(asked["symbol"], self.actor), asked.get("entry_date")
        row = adjustments.bring_in(
            portfolio_id=portfolio.pk,
            instrument=thing,
            quantity=asked["quantity"],
            price=asked["entry_price"],
            entered=day,
            rate=_rate(thing, portfolio, day),
            told=self._told(asked["reason"]),
        )
        return booked(row)

    def adjusted(self, row: Position, asked: dict[str, Any], version: int | None) -> Position:
        """The position afterwards; without a price in the body at the market's."""
        return adjustments.adjust(
            position_id=row.pk,
            quantity=asked["quantity"],
            price=asked["price"] if "price" in asked else _price(row.instrument),
            rate=_rate(row.instrument, row.portfolio),
            if_match_version=version,
            told=self._told(asked["reason"]),
        )

    def changed(self, key: UUID, body: type[StrictSerializer]) -> Response:
        """The answer to a change of one position: to the units of its body, or to none."""
        row = self.row(key, Action.TRADE)
        version = tags.check(self.request, row)
        asked = {"quantity": Decimal(0)} | self.checked(body)
        now = self.adjusted(row, asked, version)
        told = document(now, sessions.moment())
        return tags.tagged(Response(told), now, told)

    def altered(self, key: str, version: int | None, asked: dict[str, Any]) -> dict[str, Any]:
        """The document of one position of a batch after its change."""
        try:
            row = self.row(key, Action.TRADE)
        except NotAllowed as error:
            raise BadInput(error.detail, code=error.code, attr="id") from error
        return booked(self.adjusted(row, asked, version))

    def _told(self, reason: str) -> Statement:
        return Statement(sessions.moment().current, reason, self.actor)


def booked(row: Position) -> dict[str, Any]:
    """A position as its bookings add up, without a value."""
    return {
        "id": str(row.pk),
        "url": f"{documents.BASE}/positions/{row.pk}",
        "portfolio": str(row.portfolio_id),
        "symbol": row.instrument.symbol,
        "quantity": plain(row.quantity),
        "cost_basis": plain(row.cost_basis),
        "realized_pnl": plain(row.realized_pnl),
        "fees": plain(row.fees),
        "opened_on": row.opened_on.isoformat() if row.opened_on else None,
        "closed_on": row.closed_on.isoformat() if row.closed_on else None,
        "version": row.version,
    }


def document(row: Position, moment: Moment) -> dict[str, Any]:
    """A position with its value at a moment, where something is held."""
    told = booked(row)
    held = groups.held([read.now(portfolio=row.portfolio, moment=moment)])
    mine = (documents.position(each) for each in held)
    return next((each for each in mine if each["id"] == told["id"]), {}) | told


def _price(instrument: Instrument) -> Decimal | None:
    """What a unit is worth at this moment; None when nobody knows."""
    marks = prices.live_marks(instruments=[instrument], moment=sessions.moment())
    return marks[instrument.pk].price


def _rate(instrument: Instrument, portfolio: Portfolio, day: date | None = None) -> Decimal | None:
    """The rate at the close of a session that is over, else of this moment; None if unknown."""
    moment, pair = sessions.moment(), (instrument.currency, portfolio.base_currency)
    if day is None or day > moment.session_date:
        return exchange_rates.of_moment(instrument, portfolio.base_currency, moment)
    return exchange_rates.closing(currencies=pair, session_date=day).between(*pair).value
