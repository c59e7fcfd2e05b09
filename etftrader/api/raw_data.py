"""Raw-data mode: whole documents for programs, each with a block that says how good its data is.

Everything is read-only, bounded, and of books the caller may see.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.api.raw_prices import of_book
from etftrader.core.api import parameters
from etftrader.core.api.fields import moment as told
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from marketdata.api import as_of
from marketdata.models import Fundamental, Instrument
from marketdata.selectors import coverage, fundamentals, sessions
from portfolios.api import documents, positions, reports
from portfolios.api.owned import OF_PORTFOLIO
from portfolios.models import Portfolio, Position
from portfolios.selectors import access, cash, snapshots
from portfolios.selectors.positions import Worth
from risk.api import var as risk_api
from risk.selectors import var
from trading.api.serializers import TradeSerializer
from trading.selectors import trades

MOST_POSITIONS = 1_000
MOST_PAPERS = 200  # trades and cash movements of a whole portfolio
MOST_SNAPSHOTS = 252
NEEDED = {"volatility_60": 61, "betas_252": 253}  # sessions an estimate asks for
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
            **as_of.AS_OF,
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


@operation(
    get=Op(
        "portfolio:view",
        summary="Prices, ages and histories under a portfolio",
        query=as_of.AS_OF,
        refuses=(422,),
    )
)
class PortfolioQuality(ApiView):
    """GET /data/portfolio/{portfolio_id}/data-quality."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Each holding with its price, its history and the estimates that history is enough for."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        worth = reports.worth_of(request, portfolio)
        _require_few(len(worth.valuation.lines), portfolio)
        held = of_book(worth)
        known = coverage.qualities(of=held, moment=as_of.shown(request))
        series = {each.symbol: each for each in known}
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
    get=Op(
        "signed_in",
        summary="Positions with their instruments",
        lists=True,
        query=OF_PORTFOLIO | as_of.AS_OF,
    )
)
class PositionDetails(positions.SeveralView):
    """GET /data/positions/details: of one portfolio, or of all you may see."""

    serializer_class = DetailRow
    queryset = Position.objects.none()

    def get(self, request: Any) -> Response:
        """A page by portfolio and symbol, valued now or at a past close."""
        until = as_of.asked(request).until
        rows = []
        for worth in self.worths(request):
            rows += list(zip(positions.written(worth), worth.valuation.lines, strict=True))

        def tell(part: Sequence[Any]) -> Any:
            keys = [each.line.instrument_id for _, each in part]
            known = fundamentals.with_latest(instrument_ids=keys, until=until)
            found = [row | detail(*known[each.line.instrument_id]) for row, each in part]
            return DetailRow(found, many=True).data

        return self.listed(rows, tell)


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
        found = var.at(portfolio_id=portfolio.pk, session_date=worth.session_date)
    else:
        found = var.current(portfolio_id=portfolio.pk, moment=moment)
    record = found.record
    if record is None:
        return {"data": None, "reason": "not_computed"}
    return risk_api.answer(
        portfolio, dict(record.risk), record.limits, found.metric, live=found.is_live
    )


def _portfolio(portfolio: Portfolio, worth: Worth) -> dict[str, Any]:
    row = worth.snapshot
    if row is not None and worth.session_date < sessions.moment().current:
        return documents.portfolio_at(portfolio, "", row)
    return documents.portfolio(portfolio, snapshot=row)


def _snapshots(portfolio: Portfolio, worth: Worth) -> list[dict[str, Any]]:
    rows = snapshots.series(
        portfolio_id=portfolio.pk, until=worth.session_date, limit=MOST_SNAPSHOTS
    )
    return [documents.snapshot(row) for row in rows]


def _trades(portfolio: Portfolio, worth: Worth) -> Any:
    rows = trades.of_portfolio(portfolio.pk).filter(session_date__lte=worth.session_date)
    at = None if worth.session_date == sessions.moment().current else worth.as_of
    return TradeSerializer(rows[:MOST_PAPERS], many=True, context={"at": at}).data


def _cash(portfolio: Portfolio, worth: Worth) -> list[dict[str, Any]]:
    rows = cash.papers(portfolio_id=portfolio.pk, until=worth.session_date)
    newest = rows.order_by("-ledger_seq", "-pk")[:MOST_PAPERS]
    return [documents.cash_paper(row, worth.session_date) for row in newest]


SECTIONS: Mapping[str, Callable[[Portfolio, Worth], Any]] = {
    "portfolio": _portfolio,
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
