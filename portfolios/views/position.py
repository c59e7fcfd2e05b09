"""One position: what is it worth, what has it made, and which bookings led there."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from etftrader.core.formats import eastern, show
from etftrader.core.pages import done, render_page
from marketdata.models import Instrument
from marketdata.selectors import price_chart, sessions
from marketdata.selectors.price_chart import Chart
from portfolios.calculations.lots import lots
from portfolios.choices import EntryKind
from portfolios.constants import Action
from portfolios.models import Position
from portfolios.selectors import access, groups, holdings, positions
from portfolios.selectors import position_page as read
from portfolios.selectors.groups import HeldRow
from portfolios.selectors.position_page import Booked, Entry, Made
from portfolios.selectors.tags import NO_POSITION
from portfolios.selectors.valuation import Valuation
from portfolios.views import position_tables
from portfolios.views.as_of import keep_close, moment_of, past_session

PAGE = "portfolios/position.html"
PANELS = {"chart": "portfolios/position_chart.html"}
RANGES = ("3M", "YTD", "1Y", "Max")
UNKNOWN = "no price is known"


class PositionHere(LoginRequiredMixin, View):
    """GET /positions/<id>/: to its page in its portfolio."""

    def get(self, request: HttpRequest, position_id: UUID) -> HttpResponse:
        """Go there."""
        row = read.one(actor=Actor.of(request), position_id=position_id)
        query = request.GET.urlencode()
        url = reverse("position", args=[row.portfolio_id, row.pk])
        return done(request, f"{url}?{query}" if query else url)


class PositionPage(LoginRequiredMixin, View):
    """GET /portfolios/<id>/positions/<id>/, now or at a past close."""

    def get(self, request: HttpRequest, portfolio_id: UUID, position_id: UUID) -> HttpResponse:
        """Figures, prices with its own trades, tags, bookings."""
        actor = Actor.of(request)
        portfolio, acts = access.portfolio_with_actions(actor, portfolio_id)
        moment, asked = moment_of(request), past_session(request)
        now = None if asked else holdings.held(portfolio_id=portfolio.pk)
        position = read.held_one(now, position_id) if now else None
        position = position or read.one(actor=actor, position_id=position_id)
        if position.portfolio_id != portfolio.pk:
            raise NotFound(NO_POSITION)
        past = positions.at(portfolio=portfolio, session_date=asked) if asked else None
        if past is not None:
            keep_close(request, past.snapshot)  # the frame around the page shows it too
        of = read.followed(position)
        actions = price_chart.actions(instrument=of)
        booked = read.history(position, actions, until=asked)
        book = past.valuation if past else None
        if now is not None:
            traded = read.traded(position, booked, actions, moment.current)
            book = positions.valued(now, moment, traded)
        kept = read.kept_tags(position, past)
        held = read.held_in(position, portfolio, book, kept)
        made, entries = read.made(position, booked), read.entries(position, booked)
        may_tag = asked is None and Action.NOTE in acts
        shown = sessions.at_close(asked) if asked else moment
        span = request.GET.get("range", "")
        span = span if span in RANGES else "1Y"
        drawn = read.chart(of=of, actions=actions, moment=shown, span=span)
        context = {
            "portfolio": portfolio,
            "tab": "positions",
            "moment": moment,
            "asked": asked,
            "is_now": asked is None,
            "position": position,
            "title": _title(position, held),
            "held": held,
            "kpis": _kpis(position, held, made),
            "exposure": _exposure(held, book),
            "greeks": _greeks(held),
            "chart": _chart(of, drawn, entries, span, asked),
            "lots": _lots(position, booked, held),
            "entries": position_tables.bookings(entries),
            "marks": (*held.mark.tags, *held.mark.strategies) if held else (),
            "words": ", ".join(held.mark.words) if held else "",
            "tags_of_today": asked is not None and kept is None,
            "may_tag": may_tag and held is not None,
            "links": _links(portfolio.pk, position),
        }
        return render_page(request, PAGE, context, panels=PANELS)


def _title(position: Position, held: HeldRow | None) -> str:
    contract = held.each.line.contract if held else None
    return contract.words if contract else position.instrument.symbol


def _links(portfolio_id: UUID, position: Position) -> list[dict[str, str]]:
    symbol = position.instrument.symbol
    trade = f"{reverse('trade', args=[portfolio_id])}?{urlencode({'symbol': symbol})}"
    return [
        {"label": "Trade", "url": trade},
        {"label": "Quote", "url": reverse("quote", args=[symbol])},
    ]


def _kpis(position: Position, held: HeldRow | None, made: Made) -> list[dict[str, Any]]:
    each = held.each if held else None
    quantity = each.line.quantity if each else made.quantity
    units = quantity * position.instrument.multiplier
    cost = each.line.cost_basis if each else made.cost_basis
    gained = each.unrealized_pnl if each else (groups.ZERO if not quantity else None)
    why = (each.reason.replace("_", " ") if each and each.reason else "") or UNKNOWN
    rate = show(float(gained / abs(cost)), "signed:pct1") if gained is not None and cost else ""
    average = show(cost / units, "price") if units else "flat"
    day = each.day_pnl if each else None
    return [
        {"label": "Net", "lead": True, "value": made.net(gained), "fmt": "signed:money0",
         "tone": True, "reason": why, "sub": "all of it, less fees"},
        {"label": "Quantity", "value": quantity, "fmt": "qty", "sub": f"average {average}"},
        {"label": "Exposure", "term": "exposure", "value": each.exposure if each else None,
         "fmt": "money0", "reason": why if quantity else "nothing is held",
         "sub": _last(held)},
        {"label": "Unrealised", "term": "unrealized_pnl", "value": gained,
         "fmt": "signed:money0", "tone": True, "reason": why, "sub": rate},
        {"label": "Today", "value": day, "fmt": "signed:money0", "tone": True,
         "reason": "no close of the day before" if each else "nothing is held"},
        {"label": "Realised", "value": made.realized, "fmt": "signed:money0", "tone": True},
        {"label": "Dividends", "value": made.dividends, "fmt": "signed:money2", "tone": True},
        {"label": "Fees", "value": made.fees, "fmt": "money2"},
    ]  # fmt: skip


def _lots(position: Position, booked: Sequence[Booked], held: HeldRow | None) -> dict[str, Any]:
    multiplier = position.instrument.multiplier
    mark = held.each.mark if held else None
    found = lots([each.posting for each in booked], multiplier)
    return position_tables.lots(found, multiplier, mark.price if mark else None)


def _last(held: HeldRow | None) -> str:
    mark = held.each.mark if held else None
    if mark is None or mark.own_price is None:
        return ""
    day = f", {eastern(mark.session_date)}" if mark.session_date else ""
    rate = ""
    if mark.rate is not None:
        rate = f" {mark.rate.origin}, rate {show(mark.rate.value, 'price:4')}"
    return f"at {show(mark.own_price, 'price')}{rate}{day}"


def _exposure(held: HeldRow | None, book: Valuation | None) -> list[dict[str, Any]]:
    """Facts: what it is to the portfolio."""
    if held is None or book is None:
        return []
    each = held.each
    gross = book.gross
    share = float(each.market_value / gross) if each.market_value is not None and gross else None
    notional = groups.total([held]).notional
    return [
        {"label": "Market value", "value": each.market_value, "fmt": "money0"},
        {"label": "Delta exposure", "value": each.delta_exposure, "fmt": "money0"},
        {"label": "Notional", "value": notional, "fmt": "money0"},
        {"label": "Weight in NAV", "value": each.weight, "fmt": "pct1"},
        {"label": "Share of gross exposure", "value": share, "fmt": "pct1"},
        {"label": "Cost basis", "value": each.cost, "fmt": "money0"},
    ]


def _greeks(held: HeldRow | None) -> list[dict[str, Any]]:
    """Facts of an option: Greeks of the position in dollars, and its volatility."""
    if held is None or held.each.line.contract is None:
        return []
    found = groups.total([held]).greeks
    unit = held.each.greeks
    return [
        {"label": "Delta", "value": found and found.dollar_delta, "fmt": "money0"},
        {"label": "Gamma, 1 %", "value": found and found.gamma_1pct_dollar, "fmt": "money0"},
        {"label": "Theta, a day", "value": found and found.theta, "fmt": "signed:money0"},
        {"label": "Vega, a point", "value": found and found.vega, "fmt": "money0"},
        {"label": "Rho, a point", "value": found and found.rho, "fmt": "money0"},
        {"label": "Implied volatility", "value": unit and unit.iv, "fmt": "pct1"},
    ]


def _chart(
    of: Instrument, drawn: Chart, entries: Sequence[Entry], span: str, asked: date | None
) -> dict[str, Any]:
    kept = {"as_of": asked.isoformat()} if asked else {}
    return {
        "id": "position-chart",
        "symbol": of.symbol,
        "title": f"{of.symbol}, {span}",
        "conclusion": _conclusion(of, drawn, entries),
        "points": drawn.points,
        "style": "line",
        "src": "",
        "events": [_mark(each) for each in reversed(entries) if each.is_trade],
        "empty": f"No two closes of {of.symbol} are known in this range.",
        "ranges": [
            {"label": each, "query": urlencode({"range": each, **kept}), "current": each == span}
            for each in RANGES
        ],
    }


def _mark(each: Entry) -> dict[str, Any]:
    act = "Bought" if each.quantity > 0 else "Sold"
    if each.kind == EntryKind.OPENING:
        act = "Brought in"
    price = f" at {show(each.price, 'price')}" if each.price is not None else ""
    label = f"{act} {show(abs(each.quantity), 'qty')}{price}"
    return {"x": each.session_date, "label": label, "kind": each.kind}


def _conclusion(of: Instrument, found: Chart, entries: Sequence[Entry]) -> str:
    if len(found.points) < 2:
        return ""
    first, last = _day(found.points[0].at), _day(found.points[-1].at)
    inside = [each for each in entries if each.is_trade and first <= each.session_date <= last]
    trades = f"{len(inside)} own trade{'' if len(inside) == 1 else 's'} marked"
    return f"{of.symbol}, {eastern(first)} to {eastern(last)}, {trades}."


def _day(at: Any) -> date:
    return at.date() if hasattr(at, "date") else at
