"""One symbol: its price and how old it is, its chart and facts, who is like it, where I hold it."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from etftrader.core import tables
from etftrader.core.actor import Actor
from etftrader.core.pages import is_fragment, render_page
from etftrader.core.table_files import wanted
from etftrader.selectors import quote as selector
from etftrader.views import chain_fetch, quote_bond, quote_contract
from etftrader.views import quote_acts as acts
from etftrader.views import quote_blocks as blocks
from marketdata.choices import InstrumentKind
from marketdata.models import Instrument, QuarantinedPrice
from marketdata.selectors import instruments, option_chain, price_chart, quarantine
from marketdata.selectors.price_chart import Chart
from marketdata.selectors.sessions import Moment
from portfolios.views.as_of import kept, shown_moment

PAGE = "etftrader/quote.html"
POINTS = "points"  # of the chart, as a file
PANELS = {"chart": "etftrader/quote_chart.html", "fetch": chain_fetch.TEMPLATE}
STYLES = ("line", "ohlc")
MOST_BARS = 300  # drawn as bars; beyond that they cannot be told apart
FILE = ("at", "open", "high", "low", "close", "volume")


@login_required
def find(request: HttpRequest) -> HttpResponse:
    """The form that asks for a symbol; with one, its page."""
    symbol = request.GET.get("symbol", "").strip()
    if symbol and "/" not in symbol:
        return redirect("quote", symbol=symbol[:40])
    return render_page(request, "etftrader/quote_unknown.html", {"symbol": "", "near": []})


@login_required
def quote(request: HttpRequest, symbol: str) -> HttpResponse:
    """What is it worth, how old is this price, and what happened?"""
    actor = Actor.of(request)
    try:
        instrument = selector.find(symbol, actor)
    except instruments.UnknownSymbol as unknown:
        return acts.unknown_symbol(request, symbol, unknown)
    if instrument.symbol != symbol:
        return acts.canonical(request, "quote", instrument)
    if instrument.kind == InstrumentKind.OPTION:
        return quote_contract.page(request, instrument)
    moment = shown_moment(request)
    if is_fragment(request) and request.GET.get("panel") == "fetch":
        fetching = chain_fetch.panel(actor, instrument, moment) | {"instrument": instrument}
        return render_page(request, PAGE, fetching, panels=PANELS)
    actions = price_chart.actions(instrument=instrument)
    ratio = price_chart.later_splits(actions, moment.session_date)
    span, style = _asked(request)
    read = price_chart.read(
        instrument=instrument,
        moment=moment,
        span=span,
        interval=5 if style == "ohlc" and span == "1D" else 1,
        ratio=ratio,
    )
    if wanted(request) == POINTS:
        return _file(instrument, read)
    known = price_chart.known(actions, moment.current)
    doubts = price_chart.held_back(instrument=instrument, moment=moment)
    context: dict[str, Any] = {
        "instrument": instrument,
        "moment": moment,
        "chart": _chart(request, instrument, moment, read, style) | blocks.events(known, doubts),
    }
    if not (is_fragment(request) and request.GET.get("panel")):
        context |= _rest(actor, instrument, moment, ratio, kept(request))
        context |= {
            "actions": blocks.actions_table(known),
            "doubts": blocks.doubts_table(instrument, doubts, _shares(doubts, ratio)),
        }
    return render_page(request, PAGE, context, panels=PANELS)


def _shares(doubts: Sequence[QuarantinedPrice], ratio: Fraction) -> dict[UUID, float]:
    """Shares the page's prices are in for one of those each doubt is in."""
    since = quarantine.shares(doubts) if doubts else {}
    return {key: shares / float(ratio) for key, shares in since.items()}


def _asked(request: HttpRequest) -> tuple[str, str]:
    """Range and style of the address; what it does not know is the default."""
    span, style = request.GET.get("range", ""), request.GET.get("style", "")
    return (
        span if span in price_chart.RANGES else price_chart.DEFAULT,
        style if style in STYLES else STYLES[0],
    )


def _rest(
    actor: Actor, instrument: Instrument, moment: Moment, ratio: Any, same: Mapping[str, str]
) -> dict[str, Any]:
    """Everything of the page but the chart and the events."""
    near = selector.peers(instrument=instrument, actor=actor)
    now, *others = selector.priced(wanted=[instrument, *near], moment=moment)
    # what is held is of now: books of then have pages of their own
    mine: list[selector.Mine] = []
    lists: list[Any] = []
    if not same:
        mine = selector.mine(actor=actor, instrument=instrument, mark=now.mark, moment=moment)
        lists = selector.watching(actor=actor, symbol=instrument.symbol)
    expiries = {}
    if instrument.kind != InstrumentKind.BOND:
        expiries = option_chain.expiries(underlying=instrument, moment=moment)
    fetching = chain_fetch.NONE if same else chain_fetch.panel(actor, instrument, moment)
    return {
        **fetching,
        "channels": f"quotes greeks user.{actor.user_id}.jobs",
        **acts.standing(instrument, now, moment),
        **_told(actor, instrument, now, moment, ratio),
        "mine": blocks.mine_table(instrument, mine, now),
        "peers": blocks.peers_table(near, others, moment),
        "symbols": " ".join([instrument.symbol, *(each.symbol for each in near)]),
        "expiries": [
            {
                "day": day,
                "count": count,
                "url": acts.address("quote_options", instrument.symbol, {"expiry": day, **same}),
            }
            for day, count in expiries.items()
        ],
        **acts.tabs(instrument, expiries, "quote", same=same, live=fetching["fetch_shown"]),
        **acts.acts(instrument, mine, lists, past=bool(same)),
    }


def _told(
    actor: Actor, instrument: Instrument, now: selector.Priced, moment: Moment, ratio: Any
) -> dict[str, Any]:
    """The strip of the price and the key facts; a bond has its own."""
    if instrument.kind == InstrumentKind.BOND:
        return quote_bond.blocks(actor, instrument, moment)
    return {
        "head": blocks.head(instrument, now, moment),
        "facts": blocks.facts_table(
            instrument,
            selector.year(instrument=instrument, moment=moment, ratio=ratio),
            selector.fundamental(instrument=instrument, moment=moment),
            moment,
        ),
    }


def _chart(
    request: HttpRequest, instrument: Instrument, moment: Moment, read: Chart, style: str
) -> dict[str, Any]:
    barred = _no_bars(read)
    shown = "line" if barred else style
    source = reverse("api-market-bars", args=[instrument.symbol])
    same = kept(request)
    query = {"range": read.range, **same}
    file = {"range": read.range, "style": style, "export": POINTS, **same}
    if read.interval == "5min":
        query["interval"] = "5"
    return {
        **blocks.chart_words(instrument, read),
        "id": "price-chart",
        "symbol": instrument.symbol,
        "points": read.points,
        "intraday": read.intraday,
        "simulated": read.simulated,
        "style": shown,
        "src": f"{source}?{urlencode(query)}",
        "menu": [
            {
                "label": "CSV of this range",
                "url": f"?{urlencode(file)}",
                "download": True,
            },
            {
                "label": "JSON of this range",
                "url": f"{source}?{urlencode(query)}",
                "note": "API",
            },
        ],
        "empty": blocks.no_points(instrument, read, moment),
        "ranges": [
            {
                "label": each,
                "query": urlencode({"range": each, "style": style, **same}),
                "current": each == read.range,
            }
            for each in price_chart.RANGES
        ],
        "styles": [
            {
                "label": {"line": "Line", "ohlc": "OHLC"}[each],
                "query": urlencode({"range": read.range, "style": each, **same}),
                "current": each == shown,
                "barred": barred if each == "ohlc" else "",
            }
            for each in STYLES
        ],
    }


def _no_bars(read: Chart) -> str:
    """Why a range cannot be drawn as bars; empty where it can."""
    if read.range == "1D" and read.interval == "1min":
        return "" if read.points else "There are no minutes of this session."
    if not read.has_bars:
        return "This source gives one price a point: there is no open, high or low."
    return "" if len(read.points) <= MOST_BARS else "Too many bars to tell apart: take a year."


def _file(instrument: Instrument, read: Chart) -> HttpResponse:
    """Every point of the range, oldest first."""
    rows = [
        [getattr(each, name) if name != "at" else each.at.isoformat() for name in FILE]
        for each in read.points
    ]
    name = f"{instrument.symbol.strip('^')}-{read.range}.csv"
    return HttpResponse(
        tables.write(FILE, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
