"""The rows of snapshots: one day's figures, compared with what stands there, written in bulk."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import Max

from etftrader.core.money import to_money
from marketdata.choices import InstrumentKind
from marketdata.models import Instrument
from marketdata.selectors import exchange_rates, terms
from marketdata.selectors.exchange_rates import Rates
from marketdata.selectors.prices import Mark
from marketdata.selectors.terms import Terms
from portfolios import live
from portfolios.calculations import returns
from portfolios.calculations.postings import Totals
from portfolios.choices import SnapshotKind
from portfolios.constants import IDENTITY_TOLERANCE, SNAPSHOT_FACTS, SNAPSHOT_MONEY
from portfolios.models import Portfolio, PortfolioSnapshot, PositionSnapshot
from portfolios.selectors import tags, valuation
from portfolios.selectors.holdings import Book, HeldLine, Traded
from portfolios.selectors.valuation import Valuation

ZERO = Decimal(0)
BATCH = 1_000

NOISE = 1e-12  # of an index near one, and of what is measured by it: no change

FIGURES = (*SNAPSHOT_MONEY, *SNAPSHOT_FACTS)
LINE_FIGURES = [
    "instrument_id",
    "quantity",
    "cost_basis",
    "price",
    "exchange_rate",
    "price_session",
    "price_class",
    "exposure",
    "unrealized_pnl",
    "daily_pnl",
    "delta_exposure",
    "delta",
    "gamma",
    "theta",
    "vega",
    "rho",
    "iv",
    "underlying_price",
    "reason",
]
NO_RISK = {
    "var_95_1d": None,
    "es_95_1d": None,
    "stressed_var_95_1d": None,
    "volatility_1d": None,
    "risk_coverage": None,
    "risk_reason": "not_computed",
    "risk_run": None,
}


@dataclass(frozen=True, slots=True)
class Day:
    """One portfolio's state at a session's close, with the marks and the session's own trades."""

    session_date: date
    totals: Totals
    marks: Mapping[UUID, Mark]
    traded: Mapping[UUID, Traded]
    fees: Decimal  # since the snapshot before
    income: Decimal = ZERO  # since then too
    rates: Rates = exchange_rates.NONE


def before(portfolio_id: UUID, session_date: date) -> PortfolioSnapshot | None:
    """The newest actual snapshot before a session."""
    return (
        PortfolioSnapshot.objects.filter(
            portfolio_id=portfolio_id, session_date__lt=session_date, kind=SnapshotKind.ACTUAL
        )
        .order_by("-session_date")
        .first()
    )


class Writer:
    """Collects snapshots of portfolios and sessions and writes only what changed."""

    def __init__(
        self, portfolio_ids: Iterable[UUID], sessions: Sequence[date], taken_at: datetime
    ) -> None:
        rows = PortfolioSnapshot.objects.filter(
            portfolio_id__in=list(portfolio_ids),
            session_date__in=list(sessions),
            kind=SnapshotKind.ACTUAL,
        )
        self.standing = {(each.portfolio_id, each.session_date): each for each in rows}
        lines = PositionSnapshot.objects.filter(snapshot__in=self.standing.values())
        self.lines: dict[int, set[tuple[Any, ...]]] = {}
        self.tags: dict[tuple[int, UUID], Any] = {}  # as they were kept when a line was first taken
        for line in lines:
            self.lines.setdefault(line.snapshot_id, set()).add(_key(line))
            self.tags[line.snapshot_id, line.instrument_id] = line.tags
        self.taken_at = taken_at
        self.terms: dict[UUID, Terms] = {}
        self.peaks: dict[UUID, float] = {}
        self.results: list[PortfolioSnapshot] = []
        self.new: list[tuple[PortfolioSnapshot, list[PositionSnapshot]]] = []
        self.changed: list[tuple[PortfolioSnapshot, list[PositionSnapshot]]] = []

    def add(
        self,
        portfolio: Portfolio,
        day: Day,
        last: PortfolioSnapshot | None,
        instruments: Mapping[UUID, Instrument],
    ) -> PortfolioSnapshot:
        """Compute one snapshot after `last` and note whether it is new, changed or the same."""
        book = _book(portfolio, day.totals, instruments, self._terms(instruments))
        worth = valuation.value(book=book, marks=day.marks, traded=day.traded, rates=day.rates)
        figures = _figures(day, worth, last)
        figures["drawdown"] = self._drawdown(portfolio.pk, day, figures["twr_index"])
        lines = [_line(each) for each in worth.lines]
        row = self.standing.get((portfolio.pk, day.session_date))
        if row is None:
            row = PortfolioSnapshot(portfolio=portfolio, session_date=day.session_date, **figures)
            self.new.append((row, lines))
        else:
            same_lines = self.lines.get(row.pk, set()) == {_key(each) for each in lines}
            if not same_lines or any(
                _differs(getattr(row, name), figures[name]) for name in FIGURES
            ):
                kept = {} if same_lines else NO_RISK
                for name, figure in {**figures, **kept}.items():
                    setattr(row, name, figure)
                row.revision += 1
                self.changed.append((row, lines))
        self.results.append(row)
        return row

    def write(self) -> list[PortfolioSnapshot]:
        """Write what is new or changed; the answer has every snapshot asked for."""
        for row, _ in [*self.new, *self.changed]:
            row.taken_at = self.taken_at
        PortfolioSnapshot.objects.bulk_create([row for row, _ in self.new], batch_size=BATCH)
        for row, _ in self.changed:
            row.save()
        PositionSnapshot.objects.filter(snapshot__in=[row for row, _ in self.changed]).delete()
        lines = []
        for row, mine in [*self.new, *self.changed]:
            for line in mine:
                line.snapshot = row
                lines.append(line)
        self._freeze(lines)
        PositionSnapshot.objects.bulk_create(lines, batch_size=BATCH)
        self._tell()
        return self.results

    def _tell(self) -> None:
        """Tell the pages of each book that was valued, once for its newest session."""
        newest: dict[UUID, date] = {}
        for row, _ in [*self.new, *self.changed]:
            day = newest.get(row.portfolio_id, row.session_date)
            newest[row.portfolio_id] = max(day, row.session_date)
        for portfolio_id, day in newest.items():
            live.publish_snapshot(portfolio_id, day)

    def _freeze(self, lines: Sequence[PositionSnapshot]) -> None:
        """Keep with each line the tags of its position; a line taken again keeps those it had."""
        fresh = [each for each in lines if (each.snapshot_id, each.instrument_id) not in self.tags]
        now = {}
        if fresh:
            now = tags.standing(portfolio_ids={each.snapshot.portfolio_id for each in fresh})
        for each in lines:
            place = (each.snapshot_id, each.instrument_id)
            found = now.get((each.snapshot.portfolio_id, each.instrument_id), ())
            each.tags = self.tags[place] if place in self.tags else tags.frozen(found)

    def _terms(self, instruments: Mapping[UUID, Instrument]) -> Mapping[UUID, Terms]:
        fresh = [
            key
            for key, each in instruments.items()
            if each.kind == InstrumentKind.OPTION and key not in self.terms
        ]
        if fresh:
            self.terms |= terms.of_instruments(fresh)
        return self.terms

    def _drawdown(self, portfolio_id: UUID, day: Day, index: float) -> float:
        if portfolio_id not in self.peaks:
            rows = PortfolioSnapshot.objects.filter(
                portfolio_id=portfolio_id,
                session_date__lt=day.session_date,
                kind=SnapshotKind.ACTUAL,
            )
            self.peaks[portfolio_id] = rows.aggregate(peak=Max("twr_index"))["peak"] or index
        self.peaks[portfolio_id] = max(self.peaks[portfolio_id], index)
        return index / self.peaks[portfolio_id] - 1.0 if self.peaks[portfolio_id] else 0.0


def _differs(stood: Any, now: Any) -> bool:
    """Whether a figure is another one; money exactly, ratios beyond the noise of their digits."""
    if isinstance(stood, float) and isinstance(now, float):
        return not math.isclose(stood, now, rel_tol=NOISE, abs_tol=NOISE)
    return bool(stood != now)


def _book(
    portfolio: Portfolio,
    totals: Totals,
    instruments: Mapping[UUID, Instrument],
    contracts: Mapping[UUID, Terms],
) -> Book:
    lines = [
        HeldLine(
            instrument_id=key,
            symbol=instruments[key].symbol,
            kind=instruments[key].kind,
            sector=instruments[key].sector,
            currency=instruments[key].currency,
            quantity=holding.quantity,
            cost_basis=holding.cost_basis,
            multiplier=instruments[key].multiplier,
            opened_on=totals.opened.get(key),
            position_id=None,
            segment=instruments[key].segment,
            contract=contracts.get(key),
        )
        for key, holding in totals.holdings.items()
        if holding.quantity
    ]
    lines.sort(key=lambda line: line.symbol)
    head = portfolio.pk, portfolio.base_currency
    return Book(*head, totals.seq, totals.cash, tuple(lines), totals.accrued)


def _figures(day: Day, worth: Valuation, last: PortfolioSnapshot | None) -> dict[str, Any]:
    totals, greeks = day.totals, worth.greeks
    cumulative = worth.nav - totals.flows
    # what the books had taken in by the last snapshot is its equity less its gains
    flow = totals.flows - (last.nav - last.cumulative_pnl) if last else totals.flows
    unpriced = sum((each.cost for each in worth.lines if each.exposure is None), ZERO)
    earned = totals.realized + worth.unrealized_pnl + totals.dividends - totals.fees
    gap = cumulative - earned + unpriced
    daily_return, index = _time_weighted(worth.nav, flow, last)
    warnings = list(worth.warnings)
    if abs(gap) >= IDENTITY_TOLERANCE:
        warnings.append({"code": "identity_gap", "detail": f"the books are off by {gap}"})
    return {
        "nav": worth.nav,
        "cash": worth.cash,
        "long_exposure": worth.long,
        "short_exposure": worth.short,
        "gross_exposure": worth.gross,
        "net_exposure": worth.net,
        "gross_delta_exposure": worth.gross_delta,
        "net_delta_exposure": worth.net_delta,
        "receivables": worth.receivables,
        "flows": flow,
        "fees": day.fees,
        "income": day.income,
        "realized_pnl": totals.realized,
        "unrealized_pnl": worth.unrealized_pnl,
        # the first day has nothing to be compared with
        "daily_pnl": worth.nav - last.nav - flow if last else ZERO,
        "daily_return": daily_return,
        "cumulative_pnl": cumulative,
        "twr_index": index,
        "identity_gap": to_money(gap),
        "position_count": len(worth.lines),
        "coverage": worth.coverage,
        "gamma_1pct_dollars": greeks.gamma_1pct_dollar if greeks else None,
        "theta_dollars": greeks.theta if greeks else None,
        "vega_dollars": greeks.vega if greeks else None,
        "rho_dollars": greeks.rho if greeks else None,
        "quality": worth.quality,
        "warnings": warnings,
        "ledger_seq": totals.seq,
        "ledger_hash": totals.hash,
    }


def _time_weighted(
    nav: Decimal, flow: Decimal, last: PortfolioSnapshot | None
) -> tuple[float | None, float]:
    if last is None:
        return None, 1.0
    day = returns.time_weighted(np.array([float(last.nav), float(nav)]), np.array([float(flow)]))
    if day.total is None:
        return None, last.twr_index
    return day.total, last.twr_index * (1.0 + day.total)


def _line(each: valuation.ValuedLine) -> PositionSnapshot:
    mark, greeks = each.mark, each.greeks
    return PositionSnapshot(
        instrument_id=each.line.instrument_id,
        quantity=each.line.quantity,
        cost_basis=each.cost,
        price=each.price,
        exchange_rate=each.rate.value if each.rate else None,
        price_session=mark.session_date if mark else None,
        price_class=mark.price_class if mark else "",
        exposure=each.exposure,
        unrealized_pnl=each.unrealized_pnl,
        daily_pnl=each.day_pnl,
        delta_exposure=each.delta_exposure,
        delta=each.delta,
        gamma=greeks.gamma if greeks else None,
        theta=greeks.theta if greeks else None,
        vega=greeks.vega if greeks else None,
        rho=greeks.rho if greeks else None,
        iv=greeks.iv if greeks else None,
        underlying_price=greeks.spot if greeks else None,
        reason=each.reason,
    )


def _key(line: PositionSnapshot) -> tuple[Any, ...]:
    return tuple(getattr(line, name) for name in LINE_FIGURES)
