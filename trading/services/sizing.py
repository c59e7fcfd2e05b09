"""The quantity of a ticket that says an amount or a target weight instead."""

from dataclasses import replace
from decimal import Decimal

from etftrader.core.errors import BadInput
from portfolios.models import Portfolio
from portfolios.selectors import holdings
from trading.calculations import sizing
from trading.choices import Side
from trading.services import tickets
from trading.services.gate import Prepared
from trading.services.tickets import Ticket

ZERO = Decimal(0)


def sized(ticket: Ticket, prepared: Prepared, portfolio: Portfolio) -> Ticket:
    """Return the ticket with a quantity, and for a target weight with its side.

    An amount buys at the limit where there is one, else at the mark; a weight is of the equity at
    the marks. Raises BadInput when there is nothing to size it by, or nothing to trade.
    """
    if ticket.quantity is not None:
        return ticket
    lot = sizing.lot_of(whole_shares=portfolio.whole_shares)
    _check_rate(prepared, "amount" if ticket.amount is not None else "target_weight")
    # in the book's currency, as the amount and the equity are
    multiplier = prepared.instrument.multiplier * (prepared.rate or 1)
    if ticket.amount is not None:
        price = ticket.limit_price or _price(prepared, "amount")
        units = sizing.for_amount(ticket.amount, price, multiplier, lot)
        _check(units, "amount", "The amount does not pay for the smallest quantity.", portfolio)
        return replace(ticket, quantity=units)
    assert ticket.target_weight is not None
    price = _price(prepared, "target_weight")
    book = holdings.book_of(portfolio)
    held = {line.symbol: line.quantity for line in book.lines}
    equity = book.cash + book.receivables
    for line in book.lines:
        known, rate = prepared.inputs.price(line.symbol), prepared.inputs.rate(line.symbol).value
        if known is None or rate is None:
            raise BadInput(
                f"{line.symbol} has no price, so the equity is not known; give a quantity.",
                attr="target_weight",
            )
        equity += line.quantity * known * line.multiplier * rate
    if equity <= 0:
        raise BadInput("The equity is not above zero; give a quantity.", attr="target_weight")
    missing = sizing.for_weight(
        ticket.target_weight,
        equity=equity,
        held=held.get(prepared.instrument.symbol, ZERO),
        price=price,
        multiplier=multiplier,
        lot=lot,
    )
    side = Side.BUY if missing > 0 else Side.SELL
    if missing and ticket.side and ticket.side != side:
        raise BadInput(
            f"The position is on the other side of this target: {side} instead.", attr="side"
        )
    why = "The position is at this target already."
    _check(abs(missing), "target_weight", why, portfolio)
    return replace(ticket, quantity=abs(missing), side=side)


def _check_rate(prepared: Prepared, attr: str) -> None:
    rate = prepared.inputs.rate(prepared.instrument.symbol)
    if rate.value is None:
        raise BadInput(
            f"There is no exchange rate from {rate.origin} to {rate.target} to size the order by; "
            "give a quantity.",
            attr=attr,
        )


def _price(prepared: Prepared, attr: str) -> Decimal:
    mark = prepared.mark
    if mark is None or mark.price is None or mark.price <= 0:
        raise BadInput("There is no price to size the order by; give a quantity.", attr=attr)
    return mark.price


def _check(units: Decimal, attr: str, why_none: str, portfolio: Portfolio) -> None:
    if not units:
        raise BadInput(why_none, attr=attr)
    try:
        tickets.check_quantity(units, portfolio.whole_shares)
    except BadInput as error:
        raise BadInput(error.detail, attr=attr) from error
