"""Splits, dividends and new symbols: recorded once, applied once to what is stored."""

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import OperationalError, transaction
from django.db.models import F, Min

from etftrader.core import audit, clock
from etftrader.core.actor import Actor, system
from etftrader.core.errors import DomainError, LeaseLost
from etftrader.core.money import MAX_AMOUNT, MONEY, plain, to_money
from marketdata.calculations.option_symbols import CALL, PUT, OptionSymbol
from marketdata.calculations.splits import exact_ratio, times
from marketdata.choices import ActionKind, ActionStatus, OptionRight, Source
from marketdata.models import CorporateAction, Instrument, OptionContract
from marketdata.providers.base import DividendRow, SplitRow
from marketdata.selectors import corporate_actions as actions
from marketdata.selectors import instruments, undone_splits
from marketdata.selectors.corporate_actions import CLOSE_ENOUGH
from marketdata.services import (
    action_guards,
    explained_doubts,
    renaming,
    restatement,
    stored_dividends,
)
from marketdata.services.action_guards import HeldBack
from marketdata.services.late_changes import Tell

logger = logging.getLogger(__name__)

HOUSE = system("corporate actions")
# sources that state old dividends in today's shares
RESTATES = {Source.YFINANCE}
HELD = "action_held"
BUSY = {
    "code": "database_busy",
    "detail": "Somebody else was writing the same rows. It stays announced and is tried again.",
}
WAITED = ("deadlock", "lock timeout", "is locked")  # in the words of both engines
STRIKE = Decimal("0.001")  # an option's symbol has three places


Row = SplitRow | DividendRow
_KINDS = {SplitRow: ActionKind.SPLIT, DividendRow: ActionKind.DIVIDEND}


def record(*, rows: Iterable[Row], session_date: date, by: Actor = HOUSE) -> dict[str, Any]:
    """Keep what sources say, once for each instrument, kind and ex-date.

    Parameters
    ----------
    rows : iterable of SplitRow or DividendRow
        As providers give them. An unknown symbol or an unusable figure is a warning.
    session_date : date
        The session as of which the sources speak: a source that states old dividends in
        today's shares knows the splits up to it.

    Returns
    -------
    dict
        `counts` of recorded, corrected and known, and `warnings`. Another figure for a pending
        action corrects it; for an applied one it is a warning and changes nothing, and so is a
        split beside another source's split of the same days: they are taken to be one.
    """
    # splits first: dividends of the same answer may be stated in the shares after them
    ordered = sorted(_merged(rows), key=lambda row: (not isinstance(row, SplitRow), row.ex_date))
    known = instruments.by_symbols(row.symbol for row in ordered)
    splits = {row.symbol.strip().upper() for row in ordered if isinstance(row, SplitRow)}
    action_guards.alone(each for symbol, each in known.items() if symbol in splits)
    told = _split_days(ordered)
    counts = {"recorded": 0, "corrected": 0, "known": 0}
    warnings: list[dict[str, str]] = []
    for row in ordered:
        instrument = known.get(row.symbol.strip().upper())
        figure = None if instrument is None else _figure(row, instrument, session_date)
        if instrument is None or figure is None:
            code = "unknown_symbol" if instrument is None else "unusable_action"
            warnings.append(_warning(code, row, "not recorded"))
            continue
        word = _keep(row, instrument, figure, told[row.symbol, row.source], by)
        if word in counts:
            counts[word] += 1
        else:
            warnings.append(_warning("action_differs", row, word))
    return {"counts": counts, "warnings": warnings}


def apply_due(
    *, session_date: date, run_id: UUID | None = None, tell: Tell | None = None
) -> dict[str, Any]:
    """Apply what is pending and in effect by a session, oldest first, each in its transaction.

    One that fails, or whose rows somebody else holds too long, stays pending and is named in
    `items`; the others are applied. A split that prices speak against is held back, with a
    warning: one of the two is wrong, books cannot undo it, and a person decides. `changed` is
    since when each symbol differs, and what `tell` hears with each. Twice is once.
    """
    items: list[dict[str, Any]] = []
    changed: dict[str, date] = {}
    for action in actions.pending(session_date=session_date):
        symbol = action.instrument.symbol
        item = f"{symbol} {action.kind} {action.ex_date}"
        try:
            done = _carry_out(action, run_id, tell)
        except LeaseLost:
            raise
        except DomainError as problem:
            logger.warning("action not applied", extra={"action": item, "why": problem.detail})
            reason = {"code": problem.code, "detail": problem.detail}
            status = "skipped" if isinstance(problem, HeldBack) else "failed"
            items.append({"item": item, "status": status, "reason": reason})
        except OperationalError as error:
            # a lock that was waited for too long, or two who waited for each other
            if not any(word in str(error) for word in WAITED):
                raise
            logger.warning("action not applied", extra={"action": item, "why": str(error)[:200]})
            items.append({"item": item, "status": "failed", "reason": BUSY})
        else:
            if done is not None:
                items.append({"item": item, "status": "ok", **done})
                since = _since(action, done)
                changed[symbol] = min(since, changed.get(symbol, since))
    counted = Counter(each["status"] for each in items)
    counts = {"applied": counted["ok"], "failed": counted["failed"]}
    held = [each for each in items if each["status"] == "skipped"]
    return {
        "items": items,
        "counts": counts | ({"held": len(held)} if held else {}),
        "warnings": [
            {"code": HELD, "detail": f"{each['item']}: {each['reason']['detail']}"} for each in held
        ],
        "changed": changed,
    }


@transaction.atomic
def _carry_out(
    action: CorporateAction, run_id: UUID | None, tell: Tell | None
) -> dict[str, Any] | None:
    """Believe the prices a split explains, see that none speaks against it, apply it."""
    audit.serialise("daily bars")
    waiting = CorporateAction.objects.filter(pk=action.pk, status=ActionStatus.PENDING)
    # its row before the audit lines of its prices: who rejects it takes them in this order
    if not waiting.update(updated_at=clock.now()):
        return None
    mine = waiting.select_related("instrument").get()
    if tell is not None:
        # the run's row before any audit line: who cancels the run takes them in this order
        tell({mine.instrument.symbol: _since(mine, {})})
    if mine.kind == ActionKind.SPLIT:
        explained_doubts.settle(mine, by=HOUSE)
    action_guards.refuse_contradicted(mine)
    done = apply(action=mine, run_id=run_id)
    if tell is not None and done is not None and "since" in done:
        tell({mine.instrument.symbol: _since(mine, done)})
    return done


def _since(action: CorporateAction, done: Mapping[str, Any]) -> date:
    """The first session that an applied action changes: an undone split's own, where it is one."""
    return actions.effective(date.fromisoformat(done.get("since", action.ex_date.isoformat())))


@transaction.atomic
def apply(
    *, action: CorporateAction, by: Actor = HOUSE, run_id: UUID | None = None
) -> dict[str, Any] | None:
    """Apply one pending action to stored prices and terms; None when it was not pending any more.

    Raises Conflict when a new symbol is another instrument's.
    """
    # who writes bars reads under this lock which splits they are in
    audit.serialise("daily bars")
    # of two who come here at once the second finds nothing pending
    mine = CorporateAction.objects.filter(pk=action.pk, status=ActionStatus.PENDING).update(
        status=ActionStatus.APPLIED,
        applied_at=clock.now(),
        updated_at=clock.now(),
        version=F("version") + 1,
    )
    if not mine:
        return None
    fresh = CorporateAction.objects.select_related("instrument").get(pk=action.pk)
    done = _EFFECTS[ActionKind(fresh.kind)](fresh)
    _audit("applied", fresh, by, run=str(run_id) if run_id else None, **done)
    return done


def _split_days(rows: Iterable[Row]) -> dict[tuple[str, str], set[date]]:
    """The days for which one answer tells splits: only there a source knows two apart."""
    days: dict[tuple[str, str], set[date]] = defaultdict(set)
    for row in rows:
        if isinstance(row, SplitRow):
            days[row.symbol, row.source].add(row.ex_date)
    return days


def _merged(rows: Iterable[Row]) -> list[Row]:
    """What a source pays of one name on one day as one: a dividend beside a gain of the fund."""
    found: dict[object, Row] = {}
    for row in rows:
        if not isinstance(row, DividendRow):
            found[len(found)] = row
            continue
        key = (row.symbol, row.ex_date, row.source)
        before = found.get(key)
        if isinstance(before, DividendRow) and before.kind != row.kind:
            row = replace(row, amount=before.amount + row.amount)
        found[key] = row
    return list(found.values())


def _figure(row: Row, instrument: Instrument, session_date: date) -> dict[str, Decimal] | None:
    """The field an action's kind is told by, in the units of its own ex-date; None for nonsense."""
    value = row.ratio if isinstance(row, SplitRow) else row.amount
    if not math.isfinite(value) or not 0 < value < MAX_AMOUNT:
        return None
    exact = to_money(value)
    if isinstance(row, SplitRow):
        return {"ratio": exact} if exact > 0 and exact != 1 else None
    if row.source in RESTATES:
        exact = _as_paid(exact, instrument, row.ex_date, session_date)
    return {"amount": exact} if exact > 0 else None


def _as_paid(amount: Decimal, instrument: Instrument, ex_date: date, until: date) -> Decimal:
    """In the shares of its ex-date: sources know the later splits, but those that never were."""
    known = CorporateAction.objects.filter(
        instrument=instrument, kind=ActionKind.SPLIT, ex_date__lte=until
    ).exclude(status=ActionStatus.REJECTED)
    for split, day in undone_splits.shown(known.order_by("ex_date")):
        assert split.ratio is not None
        if day > ex_date:
            amount = times(amount, exact_ratio(split.ratio), MONEY)
    return amount


@transaction.atomic
def _keep(
    row: Row,
    instrument: Instrument,
    figure: dict[str, Decimal],
    apart: Collection[date],
    by: Actor,
) -> str:
    """Answer recorded, corrected or known; else what stands there instead."""
    kind = _KINDS[type(row)]
    place: dict[str, Any] = {"instrument": instrument, "kind": kind, "ex_date": row.ex_date}
    if isinstance(row, SplitRow) and not CorporateAction.objects.filter(**place).exists():
        same = action_guards.twin(
            instrument=instrument, ex_date=row.ex_date, ratio=figure["ratio"], apart=apart
        ) or actions.rejected_twin(
            instrument=instrument, ex_date=row.ex_date, ratio=figure["ratio"]
        )
        if same is not None:
            if same.source == row.source and same.status == ActionStatus.PENDING:
                return _corrected(same, row.source, by, ex_date=row.ex_date, **figure) or "known"
            told = f"told by {same.source} for {same.ex_date}"
            return f"{same.status} with {plain(same.ratio)}, {told}: taken to be the same"
    found, created = CorporateAction.objects.get_or_create(
        **place, defaults={"source": row.source, **figure}
    )
    if created:
        return "recorded"
    [(name, value)] = figure.items()
    stands = getattr(found, name)
    if abs(stands - value) <= CLOSE_ENOUGH * stands:
        return "known"
    if found.source == Source.MANUAL and row.source != Source.MANUAL:
        return f"{found.status} with {plain(stands)} by hand, now said to be {plain(value)}"
    corrected = _corrected(found, row.source, by, **figure)
    return corrected or f"{found.status} with {plain(stands)}, now said to be {plain(value)}"


def _corrected(action: CorporateAction, source: str, by: Actor, **facts: Any) -> str:
    """Put right what is still pending; no word when it is not."""
    done = CorporateAction.objects.filter(pk=action.pk, status=ActionStatus.PENDING).update(
        source=source, updated_at=clock.now(), version=F("version") + 1, **facts
    )
    if not done:
        return ""
    told = {k: v.isoformat() if isinstance(v, date) else plain(v) for k, v in facts.items()}
    _audit("corrected", action, by, **told)
    return "corrected"


def _warning(code: str, row: Row, detail: str) -> dict[str, str]:
    return {
        "code": code,
        "symbol": row.symbol[:32],
        "kind": _KINDS[type(row)].value,
        "ex_date": row.ex_date.isoformat(),
        "detail": detail,
    }


def _audit(word: str, action: CorporateAction, by: Actor, **after: Any) -> None:
    audit.record(
        by=by,
        action=f"corporate_action.{word}",
        object_type="corporate_action",
        object_id=action.pk,
        after={
            "symbol": action.instrument.symbol,
            "kind": action.kind,
            "ex_date": action.ex_date.isoformat(),
            **after,
        },
    )


def _split(action: CorporateAction) -> dict[str, Any]:
    assert action.ratio is not None
    ratio = exact_ratio(action.ratio)
    undone = undone_splits.undone(action)
    since = action.ex_date if undone is None else undone.ex_date
    bars = restatement.restate(instrument=action.instrument, ex_date=since, ratio=ratio)
    whole, review = actions.adjusted_options(action)
    listed = _listed_before(whole, action.ex_date)
    changed = [each for each in listed if _rescale(each, action)]
    flagged = len(listed) - len(changed) + sum(renaming.flag(each) for each in review)
    told = {
        "ratio": plain(action.ratio),
        "bars": bars,
        "contracts": len(changed),
        "contracts_to_review": flagged,
    }
    if undone is not None:
        # by the line of this it is known in which shares the prices between the two are
        told |= {undone_splits.UNDOES: str(undone.pk), "since": since.isoformat()}
    return told


def _listed_before(contracts: Sequence[OptionContract], ex_date: date) -> list[OptionContract]:
    """Without those first quoted from the ex-date on, by strike: a smaller one makes room."""
    quoted = OptionContract.objects.filter(pk__in=[each.pk for each in contracts]).annotate(
        first=Min("quotes__session_date")
    )
    new = {each.pk for each in quoted if each.first is not None and each.first >= ex_date}
    return sorted((each for each in contracts if each.pk not in new), key=lambda one: one.strike)


def _rescale(contract: OptionContract, action: CorporateAction) -> bool:
    """Divide a contract's strike and prices; False where the new terms are another contract's."""
    assert action.ratio is not None
    ratio = exact_ratio(action.ratio)
    strike = times(contract.strike, 1 / ratio, STRIKE)
    right = CALL if contract.right == OptionRight.CALL else PUT
    symbol = OptionSymbol(contract.root, contract.expiry, right, strike).compact
    terms = OptionContract.objects.filter(
        underlying=contract.underlying_id,
        root=contract.root,
        expiry=contract.expiry,
        right=contract.right,
        strike=strike,
    )
    if terms.exists() or Instrument.objects.filter(symbol__iexact=symbol).exists():
        renaming.flag(contract)
        return False
    now = clock.now()
    OptionContract.objects.filter(pk=contract.pk).update(
        strike=strike, updated_at=now, version=F("version") + 1
    )
    # no alias: the old symbol may become a new listing's
    Instrument.objects.filter(pk=contract.instrument_id).update(
        symbol=symbol, updated_at=now, version=F("version") + 1
    )
    restatement.restate(instrument=contract.instrument, ex_date=action.ex_date, ratio=ratio)
    return True


def _dividend(action: CorporateAction) -> dict[str, Any]:
    """Closes hold no dividends, adjusted ones do; the rest is for the books."""
    return {"amount": plain(action.amount), "adjusted": stored_dividends.put_in(action)}


def _rename(action: CorporateAction) -> dict[str, Any]:
    return renaming.rename(
        instrument=action.instrument, symbol=action.new_symbol, since=action.ex_date
    )


_EFFECTS = {
    ActionKind.SPLIT: _split,
    ActionKind.DIVIDEND: _dividend,
    ActionKind.SYMBOL: _rename,
}
