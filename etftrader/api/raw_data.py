"""Raw-data mode: whole documents for programs, each with a block that says how good its data is.

Everything is read-only, bounded, and of books the caller may see.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import parameters
from etftrader.core.api.fields import moment as told
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from marketdata import live
from marketdata.api import asked
from marketdata.models import DailyBar, Fundamental, Instrument
from marketdata.selectors import bar_rows, calendar, coverage, fundamentals, quotes, sessions
from portfolios.api import documents, positions, reports
from portfolios.api.owned import OF_PORTFOLIO, OwnedView
from portfolios.models import Portfolio, Position
from portfolios.selectors import access, cash, holdings, snapshots
from portfolios.selectors import positions as read
from portfolios.selectors.positions import Worth
from risk.api import var as risk_api
from risk.selectors import var
from trading.api.serializers import TradeSerializer
from trading.selectors import trades

MOST_POSITIONS = 1_000
MOST_PAPERS = 200  # trades and cash movements of a whole portfolio
MOST_SNAPSHOTS = 252
MOST_BARS = 25_000
QUARTER = timedelta(days=91)
NEEDED = {"volatility_60": 61, "betas_252": 253}  # sessions an estimate asks for
STRETCH = asked.SPAN | {
    "start": parameters.day("The first day, YYYY-MM-DD; a quarter before `end` without it.")
}
PARTS = (
    "portfolio",
    "summary",
    "exposures",
    "positions",
    "trades",
    "cash",
    "snapshots",
    "risk",
)


@operation(
    get=Op(
        "portfolio:view",
        summary="A whole portfolio in one document",
        query={
            "sections": parameters.several(
                f"The parts to send, separated by commas: {', '.join(PARTS)}; all without it.",
                enum=list(PARTS),
            ),
            **asked.AS_OF,
        },
        refuses=(422,),
    )
)
class Complete(ApiView):
    """GET /data/portfolio/{portfolio_id}/complete: now, or at a past close."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """The parts asked for, and the quality of the data under them."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        worth = reports.worth_of(request, portfolio)
        wanted = _sections(request)
        _require_few(len(worth.valuation.lines), portfolio)
        return Response(
            {
                "portfolio_id": str(portfolio.pk),
                "as_of": told(worth.as_of),
                "session_date": worth.session_date,
                "currency": portfolio.base_currency,
                "sections": list(wanted),
                **{name: SECTIONS[name](portfolio, worth) for name in wanted},
                "data_quality": quality(worth),
            }
        )


@operation(get=Op("portfolio:view", summary="Prices, ages and histories under a portfolio"))
class PortfolioQuality(ApiView):
    """GET /data/portfolio/{portfolio_id}/data-quality."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Each holding with its price, its history and the estimates that history is enough for."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        moment = sessions.moment()
        worth = read.now(portfolio=portfolio, moment=moment)
        _require_few(len(worth.valuation.lines), portfolio)
        held = holdings.held_instruments(portfolio_id=portfolio.pk)
        series = {each.symbol: each for each in coverage.qualities(of=held, moment=moment)}
        return Response(
            {
                "portfolio_id": str(portfolio.pk),
                "as_of": told(worth.as_of),
                "session_date": worth.session_date,
                "data_quality": quality(worth),
                "positions": [
                    {
                        "symbol": each.line.symbol,
                        "price_class": each.mark.price_class if each.mark else None,
                        "price_session": each.mark.session_date if each.mark else None,
                        "price_source": (each.mark.source or None) if each.mark else None,
                        "reason": each.reason or None,
                        "history": _history(series.get(each.line.symbol)),
                    }
                    for each in worth.valuation.lines
                ],
            }
        )


class DetailRow(serializers.Serializer):
    """A position with what is known of its instrument."""

    def to_representation(self, row: dict[str, Any]) -> dict[str, Any]:
        """As it was gathered."""
        return row


@operation(
    get=Op("signed_in", summary="Positions with their instruments", lists=True, query=OF_PORTFOLIO)
)
class PositionDetails(OwnedView):
    """GET /data/positions/details: of one portfolio, or of all you may see."""

    serializer_class = DetailRow
    queryset = Position.objects.none()

    def get(self, request: Any) -> Response:
        """A page by portfolio and symbol, valued now."""
        moment = sessions.moment()
        one = self.asked_portfolio("portfolio")
        books = [one] if one else list(Portfolio.objects.for_actor(self.actor).open())
        self.shown(books)
        books.sort(key=lambda each: (each.name, str(each.pk)))
        rows = []
        for book in books:
            worth = read.now(portfolio=book, moment=moment)
            rows += list(zip(positions.written(worth), worth.valuation.lines, strict=True))
        page = self.paginate_queryset(rows) or []
        keys = [each.line.instrument_id for _, each in page]
        known = fundamentals.with_latest(instrument_ids=keys, until=moment.session_date)
        found = [row | detail(*known[each.line.instrument_id]) for row, each in page]
        return self.get_paginated_response(DetailRow(found, many=True).data)


@operation(get=Op("portfolio:view", summary="Past prices of what a portfolio holds", query=STRETCH))
class HistoricalPrices(ApiView):
    """GET /data/prices/historical/{portfolio_id}: the last quarter without `start`."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Bars by symbol, oldest first; 400 where they would be too many for one answer."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        held = holdings.held_instruments(portfolio_id=portfolio.pk)
        return Response({"portfolio_id": str(portfolio.pk), **history(request, held)})


@operation(
    get=Op(
        "signed_in",
        summary="Newest quotes with their quality",
        query=asked.SYMBOLS,
        needs=("symbols",),
    )
)
class RawQuotes(ApiView):
    """GET /data/prices/quotes?symbols=SPY,TLT."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """One entry a symbol asked for; a price that is not there is null with a reason."""
        moment = sessions.moment()
        wanted = asked.symbols(request)
        found = quotes.latest(wanted=wanted, actor=self.actor, moment=moment)
        rows = [live.quote(each, now=moment.as_of) for each in found.values()]
        missing = {row["symbol"]: row["reason"] for row in rows if row["price"] is None}
        return Response(
            {
                "as_of": told(moment.as_of),
                "session_date": moment.current,
                "simulated": moment.simulated,
                "quotes": rows,
                "data_quality": {
                    "asked": len(wanted),
                    "priced": len(rows) - len(missing),
                    "by_class": Counter(row["quality"] for row in rows if row["quality"]),
                    "missing": missing,
                },
            }
        )


@operation(
    get=Op("signed_in", summary="Past prices of the funds that stand for factors", query=STRETCH)
)
class FactorPrices(ApiView):
    """GET /data/factors/etf-prices: the last quarter without `start`."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Bars by symbol, oldest first, each with the factor it stands for."""
        funds = bar_rows.factor_funds(actor=self.actor)
        return Response(history(request, funds))


def history(request: Any, of: list[Instrument]) -> dict[str, Any]:
    """Bars of instruments over the stretch asked for. Raises BadInput for too many."""
    moment = sessions.moment()
    start, end = asked.span(request, moment)
    start = start or end - QUARTER
    days = len(calendar.between(start, end))
    if days * len(of) > MOST_BARS:
        raise BadInput(
            f"{len(of)} symbols over {days} sessions are more than {MOST_BARS:,} prices. "
            f"Ask for at most {MOST_BARS // len(of)} sessions at once.",
            attr="start",
            code="too_many_rows",
        )
    found = bar_rows.of_many(instruments=of, start=start, until=end)
    return {
        "start": start,
        "end": end,
        "sessions": days,
        "instruments": [
            {
                "symbol": each.symbol,
                "name": each.name,
                "currency": each.currency,
                "factor": each.factor_tilt or None,
                "prices": [_bar(bar) for bar in found.get(each.pk, ())],
            }
            for each in of
        ],
        "data_quality": {
            "expected": days * len(of),
            "there": sum(len(rows) for rows in found.values()),
            "without_prices": [each.symbol for each in of if each.pk not in found],
            "incomplete": [each.symbol for each in of if 0 < len(found.get(each.pk, ())) < days],
        },
    }


def quality(worth: Worth) -> dict[str, Any]:
    """How good the prices under a valuation are."""
    found = worth.valuation
    classes = Counter(each.mark.price_class for each in found.lines if each.mark)
    return {
        "quality": found.quality,
        "coverage": found.coverage,
        "positions": len(found.lines),
        "priced": sum(each.exposure is not None for each in found.lines),
        "by_class": dict(classes),
        "excluded": found.excluded,
        "warnings": found.warnings,
        "ledger_seq": found.ledger_seq,
    }


def detail(instrument: Instrument, row: Fundamental | None) -> dict[str, Any]:
    """What is known of an instrument beside its price."""
    return {
        "instrument": {
            "id": str(instrument.pk),
            "name": instrument.name,
            "asset_class": instrument.asset_class,
            "sector": instrument.sector or None,
            "segment": instrument.segment or None,
            "country": instrument.country or None,
            "exchange": instrument.exchange or None,
            "currency": instrument.currency,
            "multiplier": plain(instrument.multiplier),
            "pricing": instrument.pricing,
            "active": instrument.active,
            "expense_ratio": row.expense_ratio if row else None,
            "dividend_yield": row.dividend_yield if row else None,
            "fundamentals_as_of": row.as_of if row else None,
        }
    }


def _risk(portfolio: Portfolio, worth: Worth) -> dict[str, Any]:
    """The newest figures of risk up to the valuation; null with a reason where none is."""
    moment = sessions.moment()
    if worth.session_date < moment.current:
        moment = sessions.at_close(worth.session_date)
    found = var.current(portfolio_id=portfolio.pk, moment=moment)
    record = found.record
    if record is None:
        return {"data": None, "reason": "not_computed"}
    return risk_api.answer(
        portfolio, dict(record.risk), record.limits, found.metric, live=found.is_live
    )


def _snapshots(portfolio: Portfolio, worth: Worth) -> list[dict[str, Any]]:
    rows = snapshots.series(
        portfolio_id=portfolio.pk, until=worth.session_date, limit=MOST_SNAPSHOTS
    )
    return [documents.snapshot(row) for row in rows]


def _trades(portfolio: Portfolio, worth: Worth) -> Any:
    rows = trades.of_portfolio(portfolio.pk).filter(session_date__lte=worth.session_date)
    return TradeSerializer(rows[:MOST_PAPERS], many=True).data


def _cash(portfolio: Portfolio, worth: Worth) -> list[dict[str, Any]]:
    rows = cash.papers(portfolio_id=portfolio.pk, until=worth.session_date)
    newest = rows.order_by("-ledger_seq", "-pk")[:MOST_PAPERS]
    return [documents.cash_paper(row) for row in newest]


SECTIONS: Mapping[str, Callable[[Portfolio, Worth], Any]] = {
    "portfolio": lambda book, worth: documents.portfolio(book, snapshot=worth.snapshot),
    "summary": lambda book, worth: reports.summary(book, worth)["data"],
    "exposures": lambda book, worth: reports.exposures(worth)["data"],
    "positions": lambda book, worth: positions.written(worth),
    "trades": _trades,
    "cash": _cash,
    "snapshots": _snapshots,
    "risk": _risk,
}


def _sections(request: Any) -> tuple[str, ...]:
    words = [each.strip() for each in request.query_params.get("sections", "").split(",")]
    wanted = tuple(dict.fromkeys(each for each in words if each))
    unknown = [each for each in wanted if each not in SECTIONS]
    if unknown:
        raise BadInput(
            f"There is no section {unknown[0][:40]}. Known: {', '.join(SECTIONS)}.",
            attr="sections",
            valid=sorted(SECTIONS),
        )
    return wanted or tuple(SECTIONS)


def _require_few(count: int, portfolio: Portfolio) -> None:
    if count > MOST_POSITIONS:
        raise BadInput(
            f"{count} positions are too many for one document. Read "
            f"/api/v1/data/positions/details?portfolio={portfolio.pk} page by page.",
            code="too_many_rows",
        )


def _history(series: coverage.Quality | None) -> dict[str, Any] | None:
    if series is None:
        return None
    return asdict(series) | {
        "coverage": series.coverage,
        "enough_for": {name: series.sessions >= need for name, need in NEEDED.items()},
    }


def _bar(bar: DailyBar) -> dict[str, Any]:
    return {
        "session_date": bar.session_date,
        "close": plain(bar.close),
        "adj_close": plain(bar.adj_close),
        "volume": bar.volume,
        "source": bar.source,
    }
