"""The books on the wire, and the outer shape of everything calculated."""

from datetime import date
from typing import Any

from etftrader.core import clock
from etftrader.core.api import parameters
from etftrader.core.api.fields import moment as told
from etftrader.core.money import plain, to_money
from marketdata.api import as_of
from portfolios.constants import SNAPSHOT_FACTS, SNAPSHOT_MONEY
from portfolios.models import (
    Account,
    CashTransaction,
    Portfolio,
    PortfolioSnapshot,
)
from portfolios.selectors import performance
from portfolios.selectors.groups import HeldRow
from portfolios.selectors.positions import Worth

BASE = "/api/v1"
_RISK = (
    "var_95_1d",
    "es_95_1d",
    "stressed_var_95_1d",
    "volatility_1d",
    "risk_coverage",
    "risk_reason",
)
_GREEKS = ("gamma", "theta", "vega", "rho", "iv")  # of one unit of an option
STRETCH = as_of.AS_OF | {
    "start": parameters.day("The first session to look at, YYYY-MM-DD; all of them without it.")
}


def calculated(
    portfolio: Portfolio, as_of: Any, data: dict[str, Any], **meta: Any
) -> dict[str, Any]:
    """The outer shape of everything computed."""
    known: dict[str, Any] = {
        "method": "",
        "quality": "full",
        "coverage": None,
        "computed_at": told(clock.now()),
        "run_id": None,
        "data_version": told(as_of) if as_of else None,
        "warnings": [],
        "excluded": [],
    }
    return {
        "portfolio": str(portfolio.pk),
        "as_of": told(as_of) if as_of else None,
        "currency": portfolio.base_currency,
        "data": data,
        "meta": known | meta,
    }


def valued(worth: Worth, data: dict[str, Any], method: str) -> dict[str, Any]:
    """A calculated document with the quality of a valuation."""
    found = worth.valuation
    return calculated(
        worth.portfolio,
        worth.as_of,
        {"session_date": worth.session_date.isoformat(), **data},
        method=method,
        quality=found.quality,
        coverage=found.coverage,
        warnings=found.warnings,
        excluded=found.excluded,
        ledger_seq=found.ledger_seq,
    )


def portfolio(row: Portfolio, role: str = "", snapshot: PortfolioSnapshot | None = None) -> dict:
    """A portfolio."""
    return {
        "id": str(row.pk),
        "url": f"{BASE}/portfolios/{row.pk}",
        "name": row.name,
        "description": row.description,
        "notes": row.notes,
        "account": str(row.account_id),
        "base_currency": row.base_currency,
        "currency": row.base_currency,
        "tracking_mode": row.tracking_mode,
        "is_paper": row.is_paper,
        "status": row.status,
        "state": row.state,
        "state_reason": row.state_reason,
        "allow_short": row.allow_short,
        "whole_shares": row.whole_shares,
        "opened_on": row.opened_on.isoformat() if row.opened_on else None,
        "cash": plain(row.cash),
        "ledger_seq": row.ledger_seq,
        "role": role or None,
        "nav": plain(snapshot.nav) if snapshot else None,
        "nav_session_date": snapshot.session_date.isoformat() if snapshot else None,
        "reasons": {} if snapshot else {"nav": performance.NONE},
        "version": row.version,
        "created_at": told(row.created_at),
        "updated_at": told(row.updated_at),
    }


def portfolio_at(row: Portfolio, role: str, snapshot: PortfolioSnapshot) -> dict[str, Any]:
    """A portfolio at a past close: its figures of then, without the standing it has today."""
    then = {
        "status": None,
        "state": None,
        "state_reason": None,
        "cash": plain(snapshot.cash),
        "ledger_seq": snapshot.ledger_seq,
        "reasons": {"status": as_of.NOT_KEPT, "state": as_of.NOT_KEPT},
    }
    return portfolio(row, role, snapshot) | then


def position(row: HeldRow) -> dict[str, Any]:
    """A position with its value; null and a reason where there is no price."""
    each, identity = row.each, row.mark.position_id
    line, mark = each.line, each.mark
    unit = line.quantity * line.multiplier
    return {
        "id": str(identity) if identity else None,
        "url": f"{BASE}/positions/{identity}" if identity else None,
        "portfolio": str(row.portfolio.pk),
        "account": str(row.portfolio.account_id),
        "symbol": line.symbol,
        "kind": line.kind,
        "sector": line.sector,
        "type": row.type,
        "underlying": line.underlying,
        "contract": line.contract.words if line.contract else None,
        "expiry": line.contract.expiry.isoformat() if line.contract else None,
        "strike": plain(line.contract.strike) if line.contract else None,
        "quantity": plain(line.quantity),
        "average_cost": plain(to_money(line.cost_basis / unit)),
        "cost_basis": plain(line.cost_basis),
        "price": plain(each.price),
        "price_currency": line.currency,
        "exchange_rate": plain(each.rate.value) if each.rate else None,
        "exchange_rate_source": each.rate.name if each.rate else "",
        "price_as_of": told(mark.as_of) if mark and mark.as_of else None,
        "price_class": mark.price_class if mark else "",
        "price_source": mark.source if mark else "",
        "market_value": plain(each.market_value),
        "exposure": plain(each.exposure),
        "delta_exposure": plain(each.delta_exposure),
        "delta_reason": each.delta_reason,
        "delta": each.delta,
        **{name: getattr(each.greeks, name, None) for name in _GREEKS},
        "weight": each.weight,
        "unrealized_pnl": plain(each.unrealized_pnl),
        "day_pnl": plain(each.day_pnl),
        "reason": each.reason,
        "opened_on": line.opened_on.isoformat() if line.opened_on else None,
        "quality": row.quality,
        "tags": row.mark.words,
        "strategies": [each.name for each in row.mark.strategies],
    }


def cash_paper(row: CashTransaction, until: date | None = None) -> dict[str, Any]:
    """A cash transaction; of what took it back, only what was booked by a past close."""
    later = getattr(row, "reversed_by", None)
    if later is not None and until is not None and later.session_date > until:
        later = None
    return {
        "id": str(row.pk),
        "url": f"{BASE}/portfolios/{row.portfolio_id}/cash/{row.pk}",
        "portfolio": str(row.portfolio_id),
        "type": row.type,
        "amount": plain(row.amount),
        "currency": row.currency,
        "status": "completed",
        "external_flow": row.external_flow,
        "session_date": row.session_date.isoformat(),
        "ledger_seq": row.ledger_seq,
        "reason": row.reason,
        "reverses": str(row.reverses_id) if row.reverses_id else None,
        "reversed_by": str(later.pk) if later else None,
        "created_at": told(row.created_at),
    }


def snapshot(row: PortfolioSnapshot) -> dict[str, Any]:
    """A snapshot; risk figures are null with their reason until risk has added them."""
    return {
        "portfolio": str(row.portfolio_id),
        "session_date": row.session_date.isoformat(),
        "revision": row.revision,
        **{name: plain(getattr(row, name)) for name in SNAPSHOT_MONEY},
        **{name: getattr(row, name) for name in SNAPSHOT_FACTS + _RISK},
        "taken_at": told(row.taken_at),
    }


def account(row: Account) -> dict[str, Any]:
    """An account."""
    return {
        "id": str(row.pk),
        "url": f"{BASE}/accounts/{row.pk}",
        "customer": str(row.customer_id),
        "name": row.name,
        "account_type": row.account_type,
        "currency": row.currency,
        "status": row.status,
        "opened_at": told(row.opened_at) if row.opened_at else None,
        "version": row.version,
        "created_at": told(row.created_at),
        "updated_at": told(row.updated_at),
    }
