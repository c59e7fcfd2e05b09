"""What can be done with a symbol, and the pages it has: trade, watch, quote, option chain."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from etftrader.core.pages import render_page
from etftrader.selectors.quote import Mine, Priced, Watching
from marketdata.choices import InstrumentKind, Pricing, Source
from marketdata.models import Instrument
from marketdata.selectors.instruments import UnknownSymbol
from marketdata.selectors.sessions import Moment

CLASSES = {
    "LIVE": "not older than a minute",
    "DELAYED": "not older than 15 minutes",
    "EOD": "the close of the last completed session",
    "STALE": "older than the last close: shown with its age",
    "SUSPECT": "the last good price: a newer one is held back until a person has looked",
    "MANUAL": "the owner's own valuation",
}
AGEING = ("LIVE", "DELAYED", "STALE", "SUSPECT")  # what a price becomes while its page is open
ABBREVIATED = {InstrumentKind.ETF, InstrumentKind.FX}
NO_BOOK = "You trade in no portfolio."
KINDS = {"STALE": "watch", "SUSPECT": "bad", "MISSING": "bad", "LIVE": "ok"}
NOT_FOUND = 404


def unknown_symbol(request: HttpRequest, symbol: str, unknown: UnknownSymbol) -> HttpResponse:
    """404 with up to three symbols that look like it."""
    context = {"symbol": symbol[:32], "near": unknown.figures.get("suggestions", [])}
    return render_page(request, "etftrader/quote_unknown.html", context, status=NOT_FOUND)


def canonical(request: HttpRequest, name: str, instrument: Instrument) -> HttpResponse:
    """To the address with the symbol as we write it; what was asked goes along."""
    query = request.GET.urlencode()
    address = reverse(name, args=[instrument.symbol])
    return redirect(f"{address}?{query}" if query else address)


def standing(instrument: Instrument, now: Priced, moment: Moment) -> dict[str, Any]:
    """The price, its age on the market clock, and the tag that says what class it is of."""
    mark = now.mark
    kind = instrument.kind
    text = (mark.price_class or "missing").upper()
    return {
        "kind": kind.upper() if kind in ABBREVIATED else instrument.get_kind_display(),
        "now": now,
        "age": max(moment.as_of - mark.as_of, timedelta(0)) if mark.as_of else None,
        "price_class": {
            "text": text,
            "kind": KINDS.get(text, "plain"),
            "title": CLASSES.get(text, "no price is known"),
            "simulated": mark.source == Source.SIM,
        },
        "class_titles": {each.lower(): CLASSES[each] for each in AGEING},
    }


def address(name: str, symbol: str, query: Mapping[str, str]) -> str:
    """A page of a symbol, with what its address keeps."""
    url = reverse(name, args=[symbol])
    return f"{url}?{urlencode(query)}" if query else url


def tabs(
    instrument: Instrument,
    expiries: Mapping[date, int],
    tab: str,
    *,
    same: Mapping[str, str],
    live: bool = False,
) -> dict[str, Any]:
    """The two pages of something that has options, or may get some; none of anything else.

    `same` is what they keep of a past close.
    """
    found = [
        {"key": "quote", "label": "Quote", "url": address("quote", instrument.symbol, same)},
        {
            "key": "options",
            "label": "Option chain",
            "url": address("quote_options", instrument.symbol, same),
            "count": sum(expiries.values()),
        },
    ]
    return {"tabs": found if expiries or live or tab == "options" else [], "tab": tab}


def acts(
    instrument: Instrument, mine: Sequence[Mine], lists: Sequence[Watching], *, past: bool
) -> dict[str, Any]:
    """Trade in each portfolio where the person may, and put it on a watchlist; not in the past."""
    nowhere = "These are past figures: show now to trade." if past else NO_BOOK
    query = urlencode({"symbol": instrument.symbol})
    trades = [
        {"label": each.name, "url": f"{reverse('trade', args=[each.portfolio_id])}?{query}"}
        for each in mine
        if each.may_trade
    ]
    return {
        "trades": trades,
        "no_trade": _no_trade(instrument) or ("" if trades else nowhere),
        "lists": [
            {
                "name": each.name,
                "has": each.has,
                "url": reverse("watchlist", args=[each.watchlist_id]),
                "add_url": reverse("watchlist_add", args=[each.watchlist_id]),
            }
            for each in lists
        ],
    }


def _no_trade(instrument: Instrument) -> str:
    if instrument.kind == InstrumentKind.INDEX:
        return "An index cannot be traded."
    if instrument.pricing == Pricing.MANUAL or not instrument.active:
        return f"{instrument.symbol} is not traded here."
    return ""
