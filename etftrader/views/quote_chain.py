"""The option chain of an underlying: one expiry, calls left, puts right, and its smile."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from etftrader.core.actor import Actor
from etftrader.core.formats import DASH, eastern, show
from etftrader.core.pages import render_page
from etftrader.selectors import quote as selector
from etftrader.views import chain_fetch
from etftrader.views import quote_acts as acts
from etftrader.views.quote_blocks import source_words
from marketdata.choices import InstrumentKind, Source
from marketdata.selectors import instruments, option_chain
from marketdata.selectors.option_chain import Chain, Line, Side
from portfolios.views.as_of import kept, shown_moment

PAGE = "etftrader/quote_options.html"
PANELS = {"chain": "etftrader/quote_chain.html", "fetch": chain_fetch.TEMPLATE}
NOTHING: Mapping[str, str] = {}
CALLS, PUTS = "calls", "puts"
MOST_DOTS = 60  # of a smile; more would run into each other
# outermost first on the calls' side, mirrored on the puts'; the first four only where there is room
COLUMNS: tuple[dict[str, str], ...] = (
    {"key": "open_interest", "label": "OI", "fmt": "int", "css": "p3", "title": "Open interest"},
    {"key": "vega", "label": "Vega", "fmt": "greek", "css": "p3", "title": "$ a volatility point"},
    {"key": "theta", "label": "Theta", "fmt": "greek", "css": "p3", "title": "$ a calendar day"},
    {"key": "gamma", "label": "Gamma", "fmt": "greek", "css": "p3", "title": "per dollar"},
    {"key": "delta", "label": "Delta", "fmt": "greek", "css": "", "title": "per share"},
    {"key": "iv", "label": "IV", "fmt": "pct1", "css": "", "title": "Implied volatility, a year"},
    {"key": "mid", "label": "Mid", "fmt": "price", "css": "", "title": "Middle of bid and ask"},
    {"key": "bid", "label": "Bid", "fmt": "price", "css": "", "title": "$ a share"},
    {"key": "ask", "label": "Ask", "fmt": "price", "css": "", "title": "$ a share"},
)
OF_QUOTE, OF_GREEKS = {"bid", "ask", "mid", "open_interest"}, {"delta", "gamma", "theta", "vega"}
WORDS = {
    "no_quote": "no quote of the last five sessions",
    "not_computed": "Greeks are computed at the close",
    "no_two_sided_quote": "bid and ask are not both above zero",
    "below_intrinsic": "the price is below the value of exercise",
}
NOT_SENT = "its source does not send it"


@login_required
def options(request: HttpRequest, symbol: str) -> HttpResponse:
    """What do its options cost, and what do they answer to?"""
    actor = Actor.of(request)
    try:
        underlying = selector.find(symbol, actor)
    except instruments.UnknownSymbol as unknown:
        return acts.unknown_symbol(request, symbol, unknown)
    if underlying.kind == InstrumentKind.OPTION:
        return acts.canonical(request, "quote", underlying)
    if underlying.symbol != symbol:
        return acts.canonical(request, "quote_options", underlying)
    moment, same = shown_moment(request), kept(request)
    chain = option_chain.table(underlying=underlying, moment=moment, expiry=_day(request))
    if chain.expiry not in chain.expiries and chain.expiries:
        chain = option_chain.table(underlying=underlying, moment=moment)
    [now] = selector.priced(wanted=[underlying], moment=moment)
    # what is held is of now: books of then have pages of their own
    mine: list[selector.Mine] = []
    lists: list[Any] = []
    if not same:
        mine = selector.mine(actor=actor, instrument=underlying, mark=now.mark, moment=moment)
        lists = selector.watching(actor=actor, symbol=underlying.symbol)
    context: dict[str, Any] = {
        "instrument": underlying,
        "moment": moment,
        "symbols": underlying.symbol,
        "channels": f"quotes greeks user.{actor.user_id}.jobs",
        **(chain_fetch.NONE if same else chain_fetch.panel(actor, underlying, moment)),
        **acts.standing(underlying, now, moment),
        **acts.tabs(underlying, chain.expiries, "options", same=same),
        **acts.acts(underlying, mine, lists, past=bool(same)),
        "chain": block(chain, now.mark.price, side=request.GET.get("side", ""), same=same),
    }
    return render_page(request, PAGE, context, panels=PANELS)


def _day(request: HttpRequest) -> date | None:
    try:
        return date.fromisoformat(request.GET.get("expiry", ""))
    except ValueError:
        return None


def block(
    chain: Chain, spot: Decimal | None, *, side: str, same: Mapping[str, str] = NOTHING
) -> dict[str, Any]:
    """The table of one expiry as the template draws it, its words and its smile.

    `same` is what addresses keep of a past close.
    """
    shown = PUTS if side == PUTS else CALLS
    counted = any(_has(side, "open_interest") for side in _sides(chain.lines))
    rows = [_row(line, spot, counted, same) for line in chain.lines]
    near = _nearest(chain.lines, spot)
    if near is not None:
        rows[near]["atm"] = True
    return {
        "underlying": chain.underlying,
        "expiry": chain.expiry,
        "spot": spot,
        "side": shown,
        "tabs": [_tab(chain, day, count, shown, same) for day, count in chain.expiries.items()],
        "sides": [
            {"label": label, "current": key == shown, "query": _query(chain.expiry, key, same)}
            for key, label in ((CALLS, "Calls"), (PUTS, "Puts"))
        ],
        "calls": COLUMNS,
        "puts": COLUMNS[::-1],
        "outer": sum(bool(each["css"]) for each in COLUMNS),  # not on a phone
        "inner": sum(not each["css"] for each in COLUMNS),
        "rows": rows,
        "source": _sources(_sides(chain.lines), counted),
        "smile": _smile(chain, spot),
        "facts": _facts(chain, near),
        "menu": [{"label": "JSON of this expiry", "url": _api(chain, same), "note": "API"}],
    }


def _api(chain: Chain, same: Mapping[str, str]) -> str:
    address = reverse("api-market-options", args=[chain.underlying.symbol])
    query = ({"expiry": str(chain.expiry)} if chain.expiry else {}) | dict(same)
    return f"{address}?{urlencode(query)}" if query else address


def _query(expiry: date | None, side: str, same: Mapping[str, str]) -> str:
    return urlencode({"expiry": expiry or "", "side": side, **same})


def _tab(chain: Chain, day: date, count: int, side: str, same: Mapping[str, str]) -> dict[str, Any]:
    return {
        "label": eastern(day),
        "count": count,
        "query": _query(day, side, same),
        "current": day == chain.expiry,
    }


def _nearest(lines: Sequence[Line], spot: Decimal | None) -> int | None:
    """The row whose strike is nearest to the price."""
    if not lines or spot is None:
        return None
    return min(range(len(lines)), key=lambda place: abs(lines[place].strike - spot))


def _row(
    line: Line, spot: Decimal | None, counted: bool, same: Mapping[str, str]
) -> dict[str, Any]:
    inside = "" if spot is None or line.strike == spot else "ci" if line.strike < spot else "ui"
    return {
        "strike": show(line.strike, "price:2"),
        "call": _cells(line.call, COLUMNS, "c", counted, same),
        "put": _cells(line.put, COLUMNS[::-1], "u", counted, same),
        "css": inside,
    }


def _cells(
    side: Side | None,
    columns: Sequence[dict[str, str]],
    letter: str,
    counted: bool,
    same: Mapping[str, str],
) -> list[dict[str, str]]:
    """One cell a column; one without a figure says why. A side that is not listed has none."""
    if side is None:
        return []
    address = acts.address("quote", side.contract.instrument.symbol, same)
    return [
        {
            "text": show(figure(side, each["key"]), each["fmt"]),
            "css": f"{letter} {each['css']}".strip(),
            # where nobody sends it, one word under the table says so
            "why": _why(side, each["key"]) if counted or each["key"] != "open_interest" else "",
            "url": address if each["key"] == "mid" else "",
        }
        for each in columns
    ]


def _sides(lines: Sequence[Line]) -> list[Side]:
    return [side for line in lines for side in (line.call, line.put) if side is not None]


def _has(side: Side, name: str) -> bool:
    return figure(side, name) is not None


def figure(side: Side, name: str) -> Any:
    """One figure of a contract's side; None where it is not known."""
    quote, greeks = side.quote, side.greeks
    if name == "mid":
        return (quote.bid + quote.ask) / 2 if quote and quote.bid and quote.ask else None
    if name in OF_GREEKS:
        return getattr(greeks, name) if greeks else None
    return getattr(quote, name) if quote else None


def _why(side: Side, name: str) -> str:
    """Why a figure is missing, in words; empty where it is there."""
    if figure(side, name) is not None:
        return ""
    if name in OF_GREEKS:
        return words(side.greeks_reason or "not_computed")
    if name == "iv":
        return words(side.volatility_reason or "no_quote")
    return words(side.quote_reason) if side.quote_reason else NOT_SENT


def words(code: str) -> str:
    """A reason as people read it."""
    return WORDS.get(code, code.replace("_", " "))


def _sources(sides: Sequence[Side], counted: bool) -> dict[str, Any]:
    """Where the quotes are from and of which moment they are; how many sides have none."""
    quotes = [side.quote for side in sides if side.quote is not None]
    names = sorted({quote.source for quote in quotes})
    newest = max((quote.as_of for quote in quotes), default=None)
    computed = max((each.greeks.session_date for each in sides if each.greeks), default=None)
    reasons: dict[str, int] = {}
    if quotes and not counted:
        reasons[f"open interest, {NOT_SENT}"] = len(sides)
    for side in sides:
        for code in {side.quote_reason, side.volatility_reason, side.greeks_reason} - {""}:
            reasons[words(code)] = reasons.get(words(code), 0) + 1
    return {
        "text": source_words(name for name in names if name != Source.SIM),
        "simulated": Source.SIM in names,
        "as_of": newest,
        "greeks_of": eastern(computed) if computed else "",
        "greeks_late": any(side.greeks_late for side in sides),
        "contracts": len(sides),
        "reasons": [{"text": text, "count": count} for text, count in sorted(reasons.items())],
    }


def _smile(chain: Chain, spot: Decimal | None) -> dict[str, Any]:
    """Implied volatility by strike, calls and puts."""
    calls = [_volatility(line.call) for line in chain.lines]
    puts = [_volatility(line.put) for line in chain.lines]
    known = [each for each in (*calls, *puts) if each is not None]
    day = eastern(chain.expiry) if chain.expiry else DASH
    return {
        "id": "smile",
        "title": f"Implied volatility by strike, {chain.underlying.symbol} {day}",
        "conclusion": f"Between {show(min(known), 'pct1')} and {show(max(known), 'pct1')} a year."
        if known
        else "No volatility is known.",
        "x": [line.strike for line in chain.lines],
        "x_fmt": "price:0",
        "x_label": "Strike",
        "fmt": "pct1",
        "width": 620,
        "height": 270,
        "wide": True,
        "series": [
            {"name": "Calls", "values": calls, "dots": len(calls) <= MOST_DOTS},
            {"name": "Puts", "values": puts, "dots": len(puts) <= MOST_DOTS},
        ],
        "table": "",  # the chain is its table
        "marks": [{"x": spot, "label": f"{chain.underlying.symbol} {show(spot, 'price')}"}]
        if spot is not None
        else [],
        "empty": "No contract of this expiry has an implied volatility: it needs a bid and an ask.",
    }


def _facts(chain: Chain, near: int | None) -> dict[str, Any]:
    """What the expiry says at the strike nearest to the price, and what its Greeks rest on."""
    line = chain.lines[near] if near is not None else None
    sides = [side for side in (line.call, line.put) if side is not None] if line else []
    volatilities = [each for side in sides if (each := _volatility(side)) is not None]
    mids = [each for side in sides if (each := figure(side, "mid")) is not None]
    computed = next((side.greeks for side in sides if side.greeks is not None), None)
    straddle = sum(mids) if len(mids) == 2 else None
    rows: list[tuple[str, Any, str, str]] = [
        ("Nearest strike", line.strike if line else None, "price", "no price is known"),
        ("Its implied volatility", _mean(volatilities), "pct1", words("no_two_sided_quote")),
        ("Call and put together, $ a share", straddle, "price", words("no_two_sided_quote")),
    ]
    inputs = (("Rate", "rate", "pct2"), ("Dividend yield", "dividend_yield", "pct2"),
              ("Underlying price", "underlying_price", "price"))  # fmt: skip
    why = words("not_computed")
    rows += [(label, getattr(computed, name, None), fmt, why) for label, name, fmt in inputs]
    return {
        "id": "expiry-table",
        "caption": "At the money, and the inputs of the Greeks",
        "columns": [{"key": "label", "label": "Fact"}, {"key": "value", "label": "", "css": "r"}],
        "rows": [
            {
                "label": label,
                "value": None if value is None else show(value, fmt),
                "value_reason": reason,
            }
            for label, value, fmt, reason in rows
        ],
        "note": f"Greeks of the close of {eastern(computed.session_date)}" if computed else why,
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _volatility(side: Side | None) -> float | None:
    return side.quote.iv if side and side.quote else None
