"""The blocks of a quote page, as its partials draw them: head, chart words, facts, tables."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from etftrader.core.formats import NEW_YORK, eastern, show
from etftrader.selectors.quote import VOLUME_WINDOW, Mine, Priced, Year
from etftrader.views import doubt_figures
from etftrader.views.quote_bond import OF_FACE
from marketdata.choices import ActionKind, InstrumentKind
from marketdata.constants import VIX
from marketdata.models import CorporateAction, Fundamental, Instrument, QuarantinedPrice
from marketdata.selectors import prices, quarantine
from marketdata.selectors.option_inputs import FEWEST_RETURNS, VOLATILITY_WINDOW
from marketdata.selectors.price_chart import Chart
from marketdata.selectors.sessions import Moment

MAX_AGE = 60  # seconds after which a live figure looks old
REASONS = {
    "no_price": "no price is known",
    "price_stale": "older than five sessions: left out of risk figures",
    "price_suspect": "a newer price is held back: left out of risk figures until it is decided",
}
BASES = {
    "close": "closes without dividends",
    "adjusted": "closes with dividends",
    "index_level": "index levels",
    "manual": "the owner's valuations",
}
SOURCES = {"SIM": "simulated", "bundled": "bundled history"}
NO_FUND_DATA = "no source has sent it"
NOT_LISTED = "not in the reference table"


def source_words(names: Iterable[str]) -> str:
    """Sources as people read them."""
    return ", ".join(SOURCES.get(name, name) for name in names)


def why(code: str) -> str:
    """A reason code as words."""
    return REASONS.get(code, code.replace("_", " "))


def head(instrument: Instrument, now: Priced, moment: Moment) -> list[dict[str, Any]]:
    """The strip of the price: every figure live while a session runs."""
    mark, live = now.mark, f"quotes:{instrument.symbol}."
    reason = why(mark.reason or "no_price")
    age = MAX_AGE if moment.in_session else ""
    assumed = instrument.assumed_half_spread_bp
    one_sided = "not quoted by its source"
    return [
        {"label": "Last", "term": "price", "value": mark.price, "fmt": "price", "max_age": age,
         "live": f"{live}price", "reason": reason,
         "sub": eastern(mark.as_of, "full") if mark.as_of else reason,
         "sub_live": f"{live}timestamp", "sub_fmt": "et:full"},
        {"label": "Change", "value": now.change, "fmt": "signed:price",
         "tone": instrument.symbol != VIX,  # a rising one is no gain
         "live": f"{live}change", "max_age": age, "reason": "no close before it",
         "subs": [{"value": now.change_rate, "fmt": "signed:pct2", "live": f"{live}changeRate",
                   "unit": ""}]},
        {"label": "Bid", "value": now.bid, "fmt": "price", "live": f"{live}bid",
         "reason": one_sided},
        {"label": "Ask", "value": now.ask, "fmt": "price", "live": f"{live}ask",
         "reason": one_sided},
        {"label": "Spread", "value": now.spread_bp, "fmt": "bp1",
         "live": "quotes:spread", "reason": one_sided,
         "sub": "" if now.spread_bp is not None or assumed is None
         else f"{show(2 * assumed, 'bp1')} ASSUMED"},
        {"label": "Volume", "value": mark.volume, "fmt": "int", "live": f"{live}volume",
         "reason": "this source has no volume"},
    ]  # fmt: skip


def chart_words(instrument: Instrument, read: Chart) -> dict[str, str]:
    """Title, sub-line and the sentence that says what the chart shows."""
    if not read.points:
        return {"title": f"{instrument.symbol}, {read.range}", "sub": "", "conclusion": ""}
    first, last = read.points[0].close, read.points[-1].close
    unit = _unit(instrument)
    moved = show(float(last / first) - 1, "signed:pct2")
    start, end = _day(read.points[0].at), _day(read.points[-1].at)
    days = eastern(end) if start == end else f"{eastern(start)} to {eastern(end)}"
    bases = ", then ".join(BASES.get(each, each) for each in read.price_bases)
    ends = "" if not read.intraday else f", to {eastern(read.points[-1].at, 'minute')}"
    parts = [unit, bases, source_words(read.sources), f"{len(read.points):,} points"]
    mixed = len(read.price_bases) > 1
    return {
        "mixed": f"{bases}: what lies across the change is no return" if mixed else "",
        "title": ", ".join(part for part in (instrument.symbol, unit, days) if part),
        "sub": ", ".join(part for part in parts if part),
        "moved": moved,
        "conclusion": f"{moved} from {show(first, 'price')} to {show(last, 'price')}{unit}, "
        f"{days}{ends}.",
    }


def _unit(instrument: Instrument) -> str:
    """What stands after a price that is no amount of money."""
    return OF_FACE if instrument.kind == InstrumentKind.BOND else ""


def _day(at: datetime | date) -> date:
    return at.astimezone(NEW_YORK).date() if isinstance(at, datetime) else at


def no_points(instrument: Instrument, read: Chart, moment: Moment) -> str:
    """What a chart without points says, and the way on."""
    if read.points:
        price = show(read.points[0].close, "price") + _unit(instrument)
        return f"One price is known of this range, {price}: a line needs two. Take a longer range."
    if read.intraday:
        return (
            f"No minute of {instrument.symbol} is known around {eastern(moment.as_of, 'full')}. "
            "Minutes come while a session is played or quotes are live. Take 1M or longer."
        )
    mark = prices.newest_closes(instruments=[instrument], session_date=moment.session_date)
    newest = mark[instrument.pk].session_date if instrument.pk in mark else None
    if newest is None:
        return f"No close of {instrument.symbol} is known up to {eastern(moment.session_date)}."
    return (
        f"No close of {instrument.symbol} lies in this range. The newest is of {eastern(newest)}: "
        "take Max, or look back to that day."
    )


def events(known: Sequence[CorporateAction], doubts: Sequence[QuarantinedPrice]) -> dict[str, Any]:
    """Marks of the chart and what stands under it."""
    return {
        "events": [
            {"x": each.ex_date, "label": action_words(each), "kind": each.kind} for each in known
        ],
        "held": len(doubts),
    }


def action_words(action: CorporateAction) -> str:
    """A corporate action in a few words."""
    if action.kind == ActionKind.SPLIT:
        return f"Split {show(action.ratio, 'qty')} for 1"
    if action.kind == ActionKind.DIVIDEND:
        return f"Dividend {show(action.amount, 'price:4')} a share"
    return f"Now {action.new_symbol}"


def actions_table(known: Sequence[CorporateAction]) -> dict[str, Any]:
    """Splits, dividends and new symbols in effect, newest first."""
    return {
        "id": "actions-table",
        "caption": "Corporate actions up to the market clock",
        "columns": [
            {"key": "day", "label": "Ex-date"},
            {"key": "what", "label": "What"},
            {"key": "paid", "label": "Paid", "priority": "p3"},
            {"key": "status", "label": "Status", "kind": "tag"},
            {"key": "source", "label": "Source", "priority": "p2"},
        ],
        "rows": [
            {
                "day": eastern(each.ex_date),
                "what": action_words(each),
                "paid": eastern(each.pay_date) if each.pay_date else None,
                "paid_reason": "no pay date is known",
                "status": each.status,
                "source": source_words([each.source]),
            }
            for each in known
        ],
        "empty": {"text": "No split, dividend or new symbol is known up to the market clock."},
    }


def doubts_table(
    instrument: Instrument, doubts: Sequence[QuarantinedPrice], shares: Mapping[UUID, float]
) -> dict[str, Any]:
    """Prices that wait for a person; `shares` of the page for one of each doubt's own."""
    query = urlencode({"symbol": instrument.symbol, "state": "held"})
    return {
        "count": len(doubts),
        "url": f"{reverse('quarantine')}?{query}",
        "newest": [
            {
                "day": eastern(each.session_date),
                "value": _doubted(each, each.value, instrument, shares),
                "compared": each.compared_with
                and _doubted(each, each.compared_with, instrument, shares),
                "why": quarantine.in_words(each.reason),
                "source": source_words([each.source]),
            }
            for each in doubts[:3]
        ],
    }


def _doubted(
    each: QuarantinedPrice, text: str, instrument: Instrument, shares: Mapping[UUID, float]
) -> str:
    return doubt_figures.told(each, text, shares=shares[each.pk], of=instrument)


def facts_table(
    instrument: Instrument, year: Year, fund: Fundamental | None, moment: Moment
) -> dict[str, Any]:
    """Figures of the year and of the source's fund data, each with where it is from."""
    rows = [*_of_year(instrument, year, moment), *_of_fund(instrument, fund)]
    return {
        "id": "facts-table",
        "caption": f"Key facts of {instrument.symbol}",
        "columns": [
            {"key": "label", "label": "Fact"},
            {"key": "value", "label": "Value", "css": "r"},
            {"key": "source", "label": "From", "priority": "p3", "css": "wrap"},
        ],
        "rows": rows,
    }


def _of_year(instrument: Instrument, year: Year, moment: Moment) -> list[dict[str, Any]]:
    closes = f"{year.sessions} closes to {eastern(moment.session_date)}"
    bounds = None
    if year.low is not None and year.high is not None:
        bounds = f"{show(year.low, 'price')} to {show(year.high, 'price')}"
    rows = [
        _fact("52-week range", bounds, closes, "no close of the last year"),
        _fact(
            f"{VOLUME_WINDOW}-session average volume",
            None if year.volume is None else show(year.volume, "int"),
            f"{year.volume_sessions} sessions",
            "no source has its volume",
        ),
        _fact(
            f"{VOLATILITY_WINDOW}-session volatility, a year",
            None if year.volatility is None else show(year.volatility, "pct1"),
            "of daily returns",
            f"fewer than {FEWEST_RETURNS} returns",
        ),
    ]
    if year.volume is None and instrument.assumed_volume:
        rows[1]["source"] = f"ASSUMED {show(instrument.assumed_volume, 'moneyk')} for costs"
    return rows


def _of_fund(instrument: Instrument, fund: Fundamental | None) -> list[dict[str, Any]]:
    said = f"{source_words([fund.source])}, {eastern(fund.as_of)}" if fund else ""
    missing = f"{said}: not said" if fund else NO_FUND_DATA
    place = instrument.sector or instrument.segment
    rows = [_fact("Sector" if instrument.sector else "Covers", place or None, "reference table",
                  NOT_LISTED)]  # fmt: skip
    figures: list[tuple[str, Any, str]] = [
        ("Expense ratio", fund and fund.expense_ratio, "pct2"),
        ("Dividend yield", fund and fund.dividend_yield, "pct2"),
        ("Assets", fund and fund.aum, "moneyk"),
    ]
    if instrument.kind == InstrumentKind.STOCK:
        figures = [
            ("Price to earnings", fund and fund.pe, "ratio2"),
            ("Price to book", fund and fund.pb, "ratio2"),
            figures[1],
        ]
    if instrument.kind == InstrumentKind.INDEX:
        return rows
    rows += [
        _fact(label, None if value is None else show(value, fmt), said, missing)
        for label, value, fmt in figures
    ]
    if instrument.kind == InstrumentKind.ETF:
        rows.append(_fact("Largest holdings", _holdings(fund), said, missing))
        if fund and fund.sector_weights:
            rows.append(_fact("Sectors", _weights(fund.sector_weights), said, missing))
    return rows


def _fact(label: str, value: str | None, source: str, reason: str) -> dict[str, Any]:
    told = source if value is not None else reason
    return {"label": label, "value": value, "value_reason": reason, "source": told}


def _holdings(fund: Fundamental | None) -> str | None:
    if not fund or not fund.top_holdings:
        return None
    first = fund.top_holdings[:3]
    return ", ".join(f"{each.get('symbol') or each.get('name')}{_weight(each)}" for each in first)


def _weight(each: Mapping[str, Any]) -> str:
    return "" if each.get("weight") is None else f" {show(each['weight'], 'pct1')}"


def _weights(weights: Mapping[str, Any]) -> str:
    largest = sorted(weights.items(), key=lambda pair: -float(pair[1] or 0))[:3]
    return ", ".join(f"{name} {show(value, 'pct1')}" for name, value in largest)


def mine_table(instrument: Instrument, mine: Sequence[Mine], now: Priced) -> dict[str, Any]:
    """What the person's own portfolios hold of it."""
    reason = why(now.mark.reason or "no_price")
    return {
        "id": "mine-table",
        "caption": f"{instrument.symbol} in your portfolios",
        "columns": [
            {"key": "name", "label": "Portfolio"},
            {"key": "quantity", "label": "Quantity", "fmt": "qty"},
            {"key": "exposure", "label": "Exposure", "fmt": "money0", "term": "exposure"},
            {"key": "gain", "label": "Unrealised", "fmt": "signed:money0", "tone": True,
             "term": "unrealized_pnl"},
            {"key": "rate", "label": "%", "fmt": "signed:pct1", "tone": True, "priority": "p3"},
        ],
        "rows": [
            {
                "name": each.name,
                "url": f"{reverse('positions', args=[each.portfolio_id])}"
                f"?{urlencode({'q': instrument.symbol})}",
                "quantity": each.quantity,
                "currency": each.currency,
                "exposure": each.exposure,
                "exposure_reason": reason,
                "gain": each.gain,
                "gain_reason": reason,
                "rate": float(each.gain / abs(each.cost)) if each.gain and each.cost else None,
                "rate_reason": reason,
            }
            for each in mine
            if each.quantity
        ],
        "empty": {"text": f"None of your portfolios holds {instrument.symbol}."},
    }  # fmt: skip


def peers_table(
    near: Sequence[Instrument], quotes: Sequence[Priced], moment: Moment
) -> dict[str, Any]:
    """Others of its kind with their price."""
    return {
        "id": "peers-table",
        "caption": "Related symbols",
        "columns": [
            {"key": "symbol", "label": "Symbol", "sub": "name"},
            {"key": "price", "label": "Last", "fmt": "price", "live": True},
            {"key": "changeRate", "label": "Change", "fmt": "signed:pct2", "tone": True,
             "live": True},
        ],
        "rows": [
            {
                "id": each.symbol,
                "symbol": each.symbol,
                "name": each.name,
                "url": reverse("quote", args=[each.symbol]),
                "price": told.mark.price,
                "price_reason": why(told.mark.reason or "no_price"),
                "changeRate": told.change_rate,
                "changeRate_reason": "no close before it",
                "live": f"quotes:{each.symbol}",
            }
            for each, told in zip(near, quotes, strict=True)
        ],
        "max_age": MAX_AGE if moment.in_session else "",
        "empty": {"text": "Nothing else here has its sector or covers what it covers."},
    }  # fmt: skip
