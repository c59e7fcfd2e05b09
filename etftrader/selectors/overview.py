"""One portfolio on one page: what it holds by group, what moved it today, how it did beside SPY."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

import numpy as np

from marketdata.constants import BENCHMARK
from marketdata.selectors import prices
from marketdata.selectors.sessions import Moment
from portfolios.models import Portfolio, PortfolioSnapshot
from portfolios.selectors import positions
from portfolios.selectors.positions import Worth
from portfolios.selectors.valuation import ValuedLine
from risk import live
from risk.live import PortfolioRisk
from risk.selectors import var

MOVERS = 5
BASE = 100.0


@dataclass(frozen=True, slots=True)
class Share:
    """A group's signed share of NAV."""

    name: str
    exposure: Decimal
    weight: float | None


def worth(*, portfolio: Portfolio, moment: Moment, as_of: date | None) -> Worth | None:
    """Value now, or at the last close not after `as_of`; None before the first snapshot."""
    if as_of is None:
        return positions.now(portfolio=portfolio, moment=moment)
    return positions.at(portfolio=portfolio, session_date=as_of)


def allocation(found: Worth, by: str) -> list[Share]:
    """Exposure by group, the largest first, and cash at the end."""
    sums: dict[str, Decimal] = {}
    for each in found.valuation.lines:
        if each.exposure is not None:
            name = group_of(each, by)
            sums[name] = sums.get(name, Decimal(0)) + each.exposure
    largest_first = sorted(sums.items(), key=lambda item: (-abs(item[1]), item[0]))
    rows = [*largest_first, ("Cash", found.valuation.cash)]
    return [
        Share(name, exposure, float(exposure / found.nav) if found.nav > 0 else None)
        for name, exposure in rows
    ]


def group_of(each: ValuedLine, by: str) -> str:
    """The group of a line: its sector, or for funds the segment; its kind; its own symbol."""
    if by == "kind":
        return each.line.kind.replace("_", " ").capitalize()
    if by == "symbol":
        return each.line.symbol
    return each.line.group or positions.UNCLASSIFIED


def movers(found: Worth) -> list[tuple[str, Decimal]]:
    """What gained and lost most in dollars today, gains first; at most five of each."""
    known = [
        (each.line.symbol, each.day_pnl)
        for each in found.valuation.lines
        if each.day_pnl is not None and each.day_pnl
    ]
    ranked = sorted(known, key=lambda pair: (-pair[1], pair[0]))
    gains = [pair for pair in ranked if pair[1] > 0][:MOVERS]
    return gains + [pair for pair in ranked if pair[1] < 0][-MOVERS:]


def beside_benchmark(
    history: Sequence[PortfolioSnapshot],
) -> tuple[list[float | None], list[float | None]]:
    """The portfolio freed of flows, and the benchmark's closes, both 100 at the first snapshot.

    The benchmark is its price series: dividends are not in it.
    """
    days = [row.session_date for row in history]
    first = history[0].twr_index
    mine = [BASE * row.twr_index / first if first > 0 else None for row in history]
    panel = prices.panel(symbols=[BENCHMARK], until=days[-1], start=days[0])
    closes = dict(zip(panel.sessions.tolist(), panel.close[:, 0].tolist(), strict=True))
    start = closes.get(days[0], np.nan)
    theirs = [closes.get(day, np.nan) / start * BASE for day in days]
    return mine, [value if np.isfinite(value) else None for value in theirs]


def live_risk(*, portfolio_id: UUID, moment: Moment) -> PortfolioRisk | None:
    """The live record if it speaks of this moment's session."""
    record = live.load(portfolio_id)
    if record is None or record.session_date != moment.current or record.as_of > moment.as_of:
        return None
    return record


def var_shares(
    *, portfolio_id: UUID, until: date, record: PortfolioRisk | None
) -> dict[str, float | None]:
    """Share of the VaR by symbol: of the live record, else of the newest run.

    None for each name while the newest run is of lines that were revised since.
    """
    if record is not None:
        return {each["symbol"]: each["share"] for each in record.risk["components"]}
    return var.shares(portfolio_id=portfolio_id, until=until)
