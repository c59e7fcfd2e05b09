"""From one book's live figures to its messages: value, risk and limits, and the live record."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from marketdata.choices import PriceClass
from portfolios.choices import Quality
from risk.calculations import var as kernel
from risk.choices import Measure
from risk.constants import DAYS_PER_YEAR, VAR_CONFIDENCE
from risk.live import PortfolioRisk, RiskUpdate, ValueUpdate, dollars, utc
from risk.selectors.limits import LimitInForce, LimitStanding

HYBRID, DAILY = "hybrid", "parametric_ewma"
# the further right, the less a figure that rests on it is worth
CLASSES = (
    PriceClass.LIVE,
    PriceClass.DELAYED,
    PriceClass.EOD,
    PriceClass.MODEL,
    PriceClass.MANUAL,
    PriceClass.STALE,
    PriceClass.SUSPECT,
)


@dataclass(frozen=True, slots=True)
class LiveMark:
    """One held name now; dollars, an option's also by its delta; the price in its own currency."""

    price: float | None
    exposure: float | None
    day_pnl: float | None
    delta: float | None = None  # signed delta dollars of an option
    underlying: str = ""  # of an option
    price_class: str = ""
    simulated: bool = False  # the price, or the volatility it was made with
    rates: tuple[tuple[str, float], ...] = ()  # exchange rates it moves with, signed dollars
    reason: str = ""  # why there is no exposure, where a price is known

    @property
    def delta_exposure(self) -> float | None:
        """What risk counts: delta dollars of an option, the exposure of everything else."""
        return self.delta if self.underlying else self.exposure


@dataclass(frozen=True, slots=True)
class LivePart:
    """One held name in the live VaR, dollars."""

    marginal: float
    component: float


@dataclass(frozen=True, slots=True)
class Figures:
    """One book at one moment; a loss is positive, None where it could not be computed."""

    portfolio_id: UUID
    ledger_seq: int
    as_of: datetime
    session_date: date
    simulated: bool
    source: str
    price_class: str
    cash: float
    marks: Mapping[str, LiveMark]
    value_at_risk: float | None = None
    var_raw: float | None = None
    var_daily: float | None = None
    stressed_var: float | None = None
    parts: Mapping[str, LivePart] = field(default_factory=dict)
    coverage: float | None = None
    quality: str = Quality.FULL
    reason: str = ""
    method: str = HYBRID
    opening_nav: float | None = None
    opening_var: float | None = None
    flows: float = 0.0  # external, of this session
    receivables: float = 0.0  # dividends to come less those to be paid
    played: bool = False  # of a simulated minute: what pages of a running session are drawn with

    @property
    def exposures(self) -> dict[str, float]:
        """Signed dollars by symbol, of what has a price."""
        return {s: m.exposure for s, m in self.marks.items() if m.exposure is not None}

    @property
    def deltas(self) -> dict[str, float]:
        """Signed delta dollars by underlying: what limits are compared with."""
        found: dict[str, float] = {}
        for symbol, mark in self.marks.items():
            if mark.delta_exposure is not None:
                name = mark.underlying or symbol
                found[name] = found.get(name, 0.0) + mark.delta_exposure
        return found

    @property
    def nav(self) -> float:
        """Cash, receivables and exposures together."""
        return self.cash + self.receivables + sum(self.exposures.values())

    @property
    def day_pnl(self) -> float | None:
        """Against the last close, flows of the session taken out; None without one."""
        if self.opening_nav is None:
            return None
        return self.nav - self.opening_nav - self.flows


def worst_class(found: Iterable[str]) -> str:
    """The class of a figure that rests on prices of these."""
    return max((PriceClass(each) for each in found), key=CLASSES.index).value


def messages(
    figures: Figures, limits: Sequence[LimitInForce], standings: Sequence[LimitStanding]
) -> PortfolioRisk:
    """The live record of one book, its messages inside."""
    return PortfolioRisk(
        portfolio_id=figures.portfolio_id,
        session_date=figures.session_date,
        as_of=figures.as_of,
        ledger_seq=figures.ledger_seq,
        risk=_risk(figures, limits, standings),
        value=_value(figures),
        limits=[limit_data(each) for each in standings],
    )


def limit_data(standing: LimitStanding) -> dict[str, Any]:
    """One limit as sockets and REST show its standing."""
    limit = standing.limit
    return {
        "measure": limit.measure,
        "label": limit.label,
        "observed": standing.observed,
        "limit": str(limit.value),
        "unit": limit.unit,
        "watch": limit.watch,
        "used": standing.used,
        "state": standing.state,
        "hard": limit.hard,
        "symbol": standing.symbol or None,
        "reason": standing.reason or None,
    }


def _risk(
    figures: Figures, limits: Sequence[LimitInForce], standings: Sequence[LimitStanding]
) -> RiskUpdate:
    nav, loss = figures.nav, figures.value_at_risk
    limit = next(each for each in limits if each.measure == Measure.VAR)
    standing = next(each for each in standings if each.limit.measure == Measure.VAR)
    ceiling = limit.dollars(nav)
    sigma = None if loss is None else loss / kernel.quantile(VAR_CONFIDENCE)
    annual = None if sigma is None or nav <= 0 else sigma / nav * DAYS_PER_YEAR**0.5
    shortfall = None if sigma is None else kernel.expected_shortfall(sigma).expected_shortfall
    opening = figures.opening_var
    return RiskUpdate(
        as_of=utc(figures.as_of),
        session_date=str(figures.session_date),
        var=dollars(loss),
        es=dollars(shortfall),
        volatility=annual,
        var_raw=dollars(figures.var_raw),
        var_daily=dollars(figures.var_daily),
        stressed_var=dollars(figures.stressed_var),
        limit=dollars(ceiling),
        watch=dollars(None if ceiling is None else ceiling * limit.watch),
        utilisation=standing.used,
        state=standing.state,
        headroom=dollars(None if loss is None or ceiling is None else ceiling - loss),
        var_of_nav=None if loss is None or nav <= 0 else loss / nav,
        change_since_open=dollars(None if loss is None or opening is None else loss - opening),
        components=_components(figures),
        quality=str(figures.quality),
        coverage=figures.coverage,
        reason=figures.reason or None,
        simulated=figures.simulated,
        played=figures.played,
        point=None if loss is None else [figures.as_of.timestamp(), round(loss, 2)],
        method=figures.method,
    )


def _components(figures: Figures) -> list[dict[str, Any]]:
    """The largest part first; a name without a part says so with nulls."""
    nav, total = figures.nav, figures.value_at_risk
    rows = []
    for symbol, exposure in figures.exposures.items():
        part, mark = figures.parts.get(symbol), figures.marks[symbol]
        rows.append(
            {
                "symbol": symbol,
                "underlying": mark.underlying or None,
                "exposure": dollars(exposure),
                "delta_exposure": dollars(mark.delta_exposure),
                "weight": exposure / nav if nav > 0 else None,
                "per_10k": part.marginal * 10_000.0 if part else None,
                "component": dollars(part.component) if part else None,
                "share": part.component / total if part and total else None,
            }
        )
    parts = figures.parts
    return sorted(
        rows, key=lambda r: -parts[r["symbol"]].component if r["symbol"] in parts else 1e300
    )


def _value(figures: Figures) -> ValueUpdate:
    nav, pnl = figures.nav, figures.day_pnl
    # what comes in works all day, what goes out did until the end: quant.md 3.1, `split`
    base = (figures.opening_nav or 0.0) + max(figures.flows, 0.0)
    exposures = figures.exposures
    return ValueUpdate(
        as_of=utc(figures.as_of),
        session_date=str(figures.session_date),
        nav=f"{nav:.2f}",
        day_pnl=dollars(pnl),
        day_return=pnl / base if pnl is not None and base > 0 else None,
        cash=f"{figures.cash:.2f}",
        gross=f"{sum(abs(each) for each in exposures.values()):.2f}",
        net=f"{sum(exposures.values()):.2f}",
        marks={
            symbol: {
                "price": None if mark.price is None else f"{mark.price:.4f}",
                "exposure": dollars(mark.exposure),
                "weight": mark.exposure / nav if mark.exposure is not None and nav > 0 else None,
                "day_pnl": dollars(mark.day_pnl),
                "delta_exposure": dollars(mark.delta_exposure),
            }
            for symbol, mark in figures.marks.items()
        },
        source=figures.source,
        simulated=figures.simulated,
        played=figures.played,
        price_class=figures.price_class,
    )
