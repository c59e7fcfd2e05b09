"""What the value, risk, limits and alerts channels say; the live record of a portfolio."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypedDict
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from etftrader.core import livestate, push
from etftrader.core.money import plain
from risk.constants import LIVE_POINTS, LIVE_TTL_S
from risk.models import Alert, StopLossLevel

VERSION = 3
STOPS_MOVED = "stop.updated"


class RiskUpdate(TypedDict):
    """The whole current value, never a difference. Money as strings: pages only format."""

    as_of: str  # RFC 3339, UTC
    session_date: str
    var: str | None  # dollars, 95 % one day, positive for a loss; by the live matrix
    es: str | None
    volatility: float | None  # annual, of equity
    var_raw: str | None  # the same by the fast gauge; never decides a trade
    var_daily: str | None  # by the daily matrix
    stressed_var: str | None
    limit: str | None
    watch: str | None
    utilisation: float | None
    state: str
    headroom: str | None
    var_of_nav: float | None
    change_since_open: str | None
    components: list[dict[str, Any]]
    quality: str
    coverage: float | None
    reason: str | None  # why a figure is null
    simulated: bool  # some price behind it
    played: bool  # of a simulated minute, not of a close
    point: list[float] | None  # epoch seconds, VaR
    method: str


class ValueUpdate(TypedDict):
    """What a portfolio is worth now. Money as strings."""

    as_of: str
    session_date: str
    nav: str
    day_pnl: str | None
    day_return: float | None
    cash: str
    gross: str
    net: str
    marks: dict[str, dict[str, Any]]
    source: str
    simulated: bool  # some price behind it
    played: bool  # of a simulated minute, not of a close
    price_class: str  # the worst of the prices behind it


@dataclass(slots=True)
class PortfolioRisk:
    """A portfolio's newest live figures and today's VaR, one point a bar."""

    portfolio_id: UUID
    session_date: date
    as_of: datetime
    ledger_seq: int
    risk: RiskUpdate
    value: ValueUpdate
    limits: list[dict[str, Any]]
    times: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))  # epoch seconds
    series: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))  # VaR, dollars
    ceilings: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))  # limit, dollars

    def extended(self, earlier: "PortfolioRisk | None") -> "PortfolioRisk":
        """Today's series ending in this record's point; one of the same bar is replaced."""
        point, limit = self.risk["point"], self.risk["limit"]
        if earlier is None or earlier.session_date != self.session_date:
            past = (np.empty(0), np.empty(0), np.empty(0))
        else:
            past = (earlier.times, earlier.series, earlier.ceilings)
        if point is None:
            self.times, self.series, self.ceilings = past
            return self
        keep = past[0] < point[0]
        ceiling = float(limit) if limit is not None else np.nan
        self.times = np.append(past[0][keep], point[0])[-LIVE_POINTS:]
        self.series = np.append(past[1][keep], point[1])[-LIVE_POINTS:]
        self.ceilings = np.append(past[2][keep], ceiling)[-LIVE_POINTS:]
        return self


def key(portfolio_id: UUID) -> str:
    """Where the live record of a portfolio is kept."""
    return f"live:risk:{portfolio_id}"


def save(record: PortfolioRisk) -> bool:
    """Store the record; False when the live store is away."""
    header = {
        "session_date": record.session_date.isoformat(),
        "as_of": record.as_of.isoformat(),
        "ledger_seq": record.ledger_seq,
        "risk": record.risk,
        "value": record.value,
        "limits": record.limits,
    }
    arrays = {"times": record.times, "series": record.series, "ceilings": record.ceilings}
    try:
        livestate.save(
            key(record.portfolio_id),
            version=VERSION,
            header=header,
            arrays=arrays,
            ttl_s=LIVE_TTL_S,
        )
    except livestate.LiveError:
        return False
    return True


def load(portfolio_id: UUID) -> PortfolioRisk | None:
    """The live record; None when there is none, it is not ours, or the live store is away."""
    try:
        record = livestate.load(key(portfolio_id), version=VERSION)
    except livestate.LiveError:
        return None
    if record is None:
        return None
    header, arrays = record.header, record.arrays
    try:
        return PortfolioRisk(
            portfolio_id=portfolio_id,
            session_date=date.fromisoformat(header["session_date"]),
            as_of=datetime.fromisoformat(header["as_of"]),
            ledger_seq=header["ledger_seq"],
            risk=header["risk"],
            value=header["value"],
            limits=header["limits"],
            times=arrays["times"],
            series=arrays["series"],
            ceilings=arrays["ceilings"],
        )
    except (KeyError, ValueError, TypeError):
        return None


def forget(portfolio_ids: Iterable[UUID]) -> None:
    """Forget live records, such as when history starts over."""
    keys = [key(each) for each in portfolio_ids]
    try:
        if keys:
            livestate.delete(*keys)
    except livestate.LiveError:
        return


def publish_risk(portfolio_id: UUID, update: RiskUpdate) -> None:
    """Tell everybody who watches this portfolio's risk."""
    push.publish(f"portfolio.{portfolio_id}.risk", "risk.updated", dict(update))


def publish_value(portfolio_id: UUID, update: ValueUpdate) -> None:
    """Tell everybody who watches what this portfolio is worth."""
    push.publish(f"portfolio.{portfolio_id}.value", "value.updated", dict(update))


def publish_limits(portfolio_id: UUID, limits: list[dict[str, Any]], as_of: str) -> None:
    """Tell everybody who watches this portfolio's limits."""
    data: Mapping[str, Any] = {"as_of": as_of, "limits": limits}
    push.publish(f"portfolio.{portfolio_id}.limits", "limits.changed", data)


def alert_data(alert: Alert) -> dict[str, Any]:
    """One alert as sockets show it."""
    return {
        "id": str(alert.pk),
        "number": alert.number,
        "portfolio": str(alert.portfolio_id) if alert.portfolio_id else None,
        "kind": alert.kind,
        "key": alert.key,
        "severity": alert.severity,
        "state": alert.state,
        "title": alert.title,
        "detail": alert.detail,
        "symbol": alert.symbol,
        "measured": alert.measured,
        "threshold": alert.threshold,
        "unit": alert.unit,
        "simulated": alert.simulated,
        "session_date": str(alert.session_date),
        "first_seen": utc(alert.first_seen),
        "last_seen": utc(alert.last_seen),
        "count": alert.count,
        "acknowledged_by": alert.acknowledged_label or None,
        "url": f"/portfolios/{alert.portfolio_id}/risk/" if alert.portfolio_id else "/jobs/",
    }


def publish_alert(alert: Alert, event: str) -> None:
    """Tell the alerts channel of the portfolio; the row is the record.

    Alerts of the house have no channel: the pages of staff ask for them.
    """
    if alert.portfolio_id is None:
        return
    push.publish(f"portfolio.{alert.portfolio_id}.alerts", event, alert_data(alert))


def stop_data(level: StopLossLevel) -> dict[str, Any]:
    """One position's stop as programs see it."""
    triggered = level.triggered_on
    return {
        "symbol": level.instrument.symbol,
        "side": level.side,
        "opened_on": level.opened_on.isoformat(),
        "entry": plain(level.entry),
        "extreme": plain(level.extreme),
        "stop_price": plain(level.stop_price),
        "stop_fraction": level.stop_fraction,
        "close": plain(level.close),
        "distance": level.distance,
        "vix": level.vix,
        "regime": level.regime,
        "state": level.state,
        "reason": level.reason or None,
        "session_date": level.session_date.isoformat(),
        "triggered_on": triggered.isoformat() if triggered else None,
    }


def stops_data(portfolio_id: UUID, levels: Iterable[StopLossLevel]) -> dict[str, Any]:
    """All stops of a portfolio, the nearest first, as sockets show them."""
    return {
        "portfolio": str(portfolio_id),
        "stops": [stop_data(each) for each in levels],
        "url": f"/portfolios/{portfolio_id}/risk/",
    }


def publish_stops(portfolio_id: UUID, levels: Iterable[StopLossLevel]) -> None:
    """Tell the alerts channel of a portfolio where its stops stand now."""
    data = stops_data(portfolio_id, levels)
    push.publish(f"portfolio.{portfolio_id}.alerts", STOPS_MOVED, data)


def utc(moment: datetime) -> str:
    """A moment as the wire carries it."""
    return moment.isoformat().replace("+00:00", "Z")


def dollars(value: float | None) -> str | None:
    """An estimate in dollars as the wire carries it: cents, as text."""
    return None if value is None else f"{value:.2f}"
