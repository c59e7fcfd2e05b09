"""Contracts that have expired: closed for cash at their intrinsic value, once in each portfolio."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core.actor import system
from etftrader.core.errors import Conflict, LimitBreached
from etftrader.core.money import plain
from marketdata.models import OptionContract
from marketdata.selectors import exchange_rates, option_marks
from marketdata.selectors.option_marks import Settlement
from portfolios.models import Portfolio, Position
from portfolios.services import ledger, locking, snapshots

BY = system("expiry")
NO_PRICE = option_marks.NO_SETTLEMENT
NO_RATE = exchange_rates.NO_EXCHANGE_RATE
NO_CASH, TAKEN_BACK = "insufficient_cash", "settlement_taken_back"
Settlements = Mapping[UUID, Settlement]  # by contract


def expire(
    *, portfolio_ids: Iterable[UUID], session_date: date, run_id: UUID | None = None
) -> list[dict[str, Any]]:
    """Settle what portfolios hold of contracts that expired by a session; twice is once.

    A contract ends at the close of its last session: its intrinsic value there is paid in cash,
    and snapshots since are taken again. Without that very close of the underlying, and where the
    cash does not cover what a short owes, the position stays and says why.

    Returns
    -------
    list of dict
        One job item a portfolio, failed when a position had to stay, with what was settled.
    """
    wanted = sorted(set(portfolio_ids))
    due = _due(wanted, session_date)
    settled = option_marks.settlements(
        {each.pk: each for mine in due.values() for each in mine}.values()
    )
    return [_portfolio(key, due.get(key, []), settled, run_id) for key in wanted]


def _due(portfolio_ids: list[UUID], session_date: date) -> dict[UUID, list[OptionContract]]:
    """Expired contracts by portfolio that holds them, the earliest first."""
    held = Position.objects.open().filter(
        portfolio__in=portfolio_ids, instrument__option__expiry__lte=session_date
    )
    pairs = list(held.order_by().values_list("portfolio_id", "instrument_id"))
    rows = OptionContract.objects.filter(instrument__in={key for _, key in pairs})
    contracts = {row.instrument_id: row for row in rows.select_related("instrument", "underlying")}
    found: dict[UUID, list[OptionContract]] = {}
    for portfolio_id, instrument_id in pairs:
        found.setdefault(portfolio_id, []).append(contracts[instrument_id])
    for mine in found.values():
        mine.sort(key=lambda each: (each.expiry, each.instrument.symbol))
    return found


def _portfolio(
    portfolio_id: UUID, due: list[OptionContract], settled: Settlements, run_id: UUID | None
) -> dict[str, Any]:
    item: dict[str, Any] = {"item": str(portfolio_id), "status": "ok"}
    if not due:
        return item
    done, stayed = _settle(portfolio_id, due, settled, run_id)
    if done:
        item["settled"] = done
    if stayed:
        code = stayed[0]["code"]
        detail = "; ".join(f"{each['symbol']}: {each['detail']}" for each in stayed)
        item |= {"status": "failed", "reason": {"code": code, "detail": detail}}
    return item


@transaction.atomic
def _settle(
    portfolio_id: UUID, due: list[OptionContract], settled: Settlements, run_id: UUID | None
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Everything one portfolio has due, under its lock: what was paid, and what had to stay."""
    [portfolio] = locking.lock_portfolios(portfolio_id)
    rows = Position.objects.open().filter(
        portfolio=portfolio, instrument__in=[each.instrument_id for each in due]
    )
    held = dict(rows.values_list("instrument_id", "quantity"))
    done: list[dict[str, Any]] = []
    stayed: list[dict[str, str]] = []
    first: date | None = None
    # what is received comes before what is owed, so that it can pay for it
    still = [each for each in due if each.instrument_id in held]
    for each in sorted(still, key=lambda one: (one.expiry, held[one.instrument_id] < 0)):
        end = settled[each.pk]
        if end.intrinsic is None or end.spot is None:
            detail = f"no close of {each.underlying.symbol} on {end.session_date}"
            stayed.append(_stayed(each, NO_PRICE, detail))
            continue
        try:
            paid = _book(portfolio, each, end, run_id)
        except Conflict as missing:
            if missing.code != NO_RATE:
                raise
            stayed.append(_stayed(each, missing.code, missing.detail))
            continue
        except LimitBreached:
            stayed.append(_stayed(each, NO_CASH, "the cash does not cover what is owed"))
            continue
        if paid is None:
            stayed.append(_stayed(each, TAKEN_BACK, "its settlement was taken back by hand"))
            continue
        done.append(paid)
        first = end.session_date if first is None else min(first, end.session_date)
    if first is not None:
        snapshots.retake(portfolio_id=portfolio_id, start=first)
    return done, stayed


def _book(
    portfolio: Portfolio, contract: OptionContract, end: Settlement, run_id: UUID | None
) -> dict[str, Any] | None:
    """One booking; None when it stood there before and was taken back."""
    assert end.intrinsic is not None
    pair = contract.instrument.currency, portfolio.base_currency
    rates = exchange_rates.closing(currencies=pair, session_date=end.session_date)
    rate = rates.between(*pair)
    made = ledger.book_settlement(
        locked=portfolio,
        instrument=contract.instrument,
        price=end.intrinsic,
        session_date=end.session_date,
        source=f"expiry:{contract.instrument_id}:{contract.expiry.isoformat()}",
        reason=f"{contract.underlying.symbol} closed at {plain(end.spot)}"
        + (f", run {run_id}" if run_id else ""),
        by=BY,
        rate=rate.value,
    )
    if made.replayed:
        return None
    return {
        "symbol": contract.instrument.symbol,
        "price": plain(end.intrinsic),
        "realized": plain(made.realized_pnl),
        "session_date": end.session_date.isoformat(),
    }


def _stayed(contract: OptionContract, code: str, detail: str) -> dict[str, str]:
    return {"symbol": contract.instrument.symbol, "code": code, "detail": detail}
