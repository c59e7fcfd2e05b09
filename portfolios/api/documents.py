"""The books on the wire, and the outer shape of everything calculated."""

from datetime import date
from typing import Any

from etftrader.core import clock
from etftrader.core.api import parameters
from etftrader.core.api.fields import moment as told
from etftrader.core.errors import BadInput
from etftrader.core.money import plain, to_money
from marketdata.selectors.sessions import Moment
from portfolios.constants import SNAPSHOT_FACTS, SNAPSHOT_MONEY
from portfolios.models import (
    Account,
    CashTransaction,
    ImportBatch,
    ImportRow,
    Portfolio,
    PortfolioSnapshot,
)
from portfolios.selectors.positions import Worth, type_of
from portfolios.selectors.valuation import ValuedLine

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
AS_OF = {
    "as_of": parameters.day(
        "The state at this session's close, YYYY-MM-DD; the present without it."
    )
}
STRETCH = AS_OF | {
    "start": parameters.day("The first session to look at, YYYY-MM-DD; all of them without it.")
}
DIALECT = ("encoding", "delimiter", "header_line", "decimal_comma")


def session_asked(request: Any, moment: Moment, name: str = "as_of") -> date | None:
    """The session of `as_of=YYYY-MM-DD`; None when absent. Raises BadInput, after the clock too."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        asked = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        asked = None
    if asked is None:
        raise BadInput("A date is written YYYY-MM-DD.", attr=name)
    if asked > moment.current:
        raise BadInput(
            f"{asked} lies after the market clock, which stands at {moment.current}.",
            attr=name,
            code="after_market_clock",
        )
    return asked


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
        "version": row.version,
        "created_at": told(row.created_at),
        "updated_at": told(row.updated_at),
    }


def position(
    each: ValuedLine, portfolio_id: Any, identity: Any, tags: list[str] | None
) -> dict[str, Any]:
    """A position with its value; null and a reason where there is no price."""
    line, mark = each.line, each.mark
    unit = line.quantity * line.multiplier
    return {
        "id": str(identity) if identity else None,
        "url": f"{BASE}/positions/{identity}" if identity else None,
        "portfolio": str(portfolio_id),
        "symbol": line.symbol,
        "kind": line.kind,
        "sector": line.sector,
        "type": type_of(line.quantity, line.contract),
        "underlying": line.underlying,
        "contract": line.contract.words if line.contract else None,
        "expiry": line.contract.expiry.isoformat() if line.contract else None,
        "strike": plain(line.contract.strike) if line.contract else None,
        "quantity": plain(line.quantity),
        "average_cost": plain(to_money(line.cost_basis / unit)),
        "cost_basis": plain(line.cost_basis),
        "price": plain(mark.price) if mark else None,
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
        "tags": tags or [],
    }


def cash_paper(row: CashTransaction) -> dict[str, Any]:
    """A cash transaction."""
    later = getattr(row, "reversed_by", None)
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


def import_batch(row: ImportBatch) -> dict[str, Any]:
    """An import."""
    result = row.result or {}
    url = f"{BASE}/imports/{row.pk}"
    return {
        "id": str(row.pk),
        "url": url,
        "portfolio": str(row.portfolio_id),
        "kind": row.kind,
        "file_name": row.file_name,
        "file_hash": row.file_hash,
        "dialect": {name: row.dialect.get(name) for name in DIALECT},
        "status": row.status,
        "counts": row.counts,
        "session_date": row.session_date.isoformat(),
        "created": result.get("created"),
        "updated": result.get("updated"),
        "skipped": result.get("skipped"),
        "bad_rows": row.counts.get("error", 0),
        "warnings": row.counts.get("warning", 0),
        "rows_url": f"{url}/rows",
        "commit_url": f"{url}/commit" if row.status == "checked" else None,
        "errors_url": f"{url}/errors.csv" if row.counts.get("error") else None,
        "created_at": told(row.created_at),
        "committed_at": told(row.committed_at) if row.committed_at else None,
    }


def import_row(row: ImportRow) -> dict[str, Any]:
    """A row of an import with its verdict."""
    return {
        "row": row.ordinal,
        "verdict": row.verdict,
        "raw": row.raw,
        "parsed": row.parsed,
        "messages": row.messages,
        "source": row.source,
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
