"""The option chain of an underlying: one row a strike, a call and a put side."""

from datetime import date
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from etftrader.core.api import parameters
from etftrader.core.api.fields import moment as told
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from marketdata.api import as_of, asked
from marketdata.api.instruments import BY_SYMBOL, named
from marketdata.selectors import calendar, option_chain
from marketdata.selectors.option_chain import Chain, Line, Side
from marketdata.selectors.sessions import Moment

EXPIRY = {"expiry": parameters.day("The expiry to show, YYYY-MM-DD; the nearest one without it.")}
FIGURES = ("delta", "gamma", "theta", "vega", "rho")


@operation(get=Op("signed_in", summary="Option chain of an underlying", query=EXPIRY | as_of.AS_OF))
class OptionChain(ApiView):
    """GET /market/options/{symbol}: one expiry, the nearest without `expiry`."""

    path_words = BY_SYMBOL

    @extend_schema(responses={200: dict})
    def get(self, request: Any, symbol: str) -> Response:
        """One row a strike with a call and a put side, and the living expiries."""
        underlying = named(symbol, self)
        moment = as_of.shown(request)
        expiry = asked.day(request, "expiry")
        chain = option_chain.table(underlying=underlying, moment=moment, expiry=expiry)
        if expiry is not None and expiry not in chain.expiries:
            near = ", ".join(str(day) for day in list(chain.expiries)[:12]) or "none"
            raise BadInput(
                f"No option on {underlying.symbol} expires on {expiry}. Known: {near}.",
                attr="expiry",
                code="unknown_expiry",
            )
        return Response(chain_document(chain, moment))


def chain_document(chain: Chain, moment: Moment) -> dict[str, Any]:
    """The table on the wire."""
    return {
        "underlying": chain.underlying.symbol,
        "as_of": told(moment.as_of),
        "session_date": moment.session_date,
        "currency": chain.underlying.currency,
        "expiry": chain.expiry,
        "expiries": [{"expiry": day, "contracts": count} for day, count in chain.expiries.items()],
        "reason": None if chain.expiries else "no_options",
        "count": len(chain.lines),
        "results": [_line(each, chain.expiry) for each in chain.lines],
    }


def _line(line: Line, expiry: date | None) -> dict[str, Any]:
    return {
        "root": line.root,
        "strike": plain(line.strike),
        "expiry": expiry,
        "call": _side(line.call),
        "put": _side(line.put),
    }


def _side(side: Side | None) -> dict[str, Any] | None:
    """A contract on the wire; `session_date` and `as_of` are the quote's, Greeks have their own."""
    if side is None:
        return None
    quote, figures = side.quote, side.greeks
    reasons = {
        "quote": side.quote_reason,
        "implied_volatility": side.volatility_reason,
        "greeks": side.greeks_reason,
    }
    return {
        "symbol": side.contract.instrument.symbol,
        "bid": plain(quote.bid) if quote else None,
        "ask": plain(quote.ask) if quote else None,
        "mid": plain(_mid(quote.bid, quote.ask)) if quote else None,
        "last": plain(quote.last) if quote else None,
        "volume": quote.volume if quote else None,
        "open_interest": quote.open_interest if quote else None,
        "implied_volatility": quote.iv if quote else None,
        "vol_source": (quote.vol_source or None) if quote else None,
        **{name: getattr(figures, name) if figures else None for name in FIGURES},
        "model": (figures.model or None) if figures else None,
        "flags": list(figures.flags) if figures else [],
        "greeks_session_date": figures.session_date if figures else None,
        "greeks_as_of": told(calendar.close_time(figures.session_date)) if figures else None,
        "greeks_late": side.greeks_late,
        "source": quote.source if quote else None,
        "session_date": quote.session_date if quote else None,
        "as_of": told(quote.as_of) if quote else None,
        "age_seconds": side.age_seconds,
        "quality": side.quality,
        "reasons": {name: why for name, why in reasons.items() if why},
    }


def _mid(bid: Decimal | None, ask: Decimal | None) -> Decimal | None:
    return (bid + ask) / 2 if bid and ask else None
