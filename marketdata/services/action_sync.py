"""New splits and dividends of what is followed, asked for before they take effect."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core import audit, clock, jobs
from marketdata.models import Instrument
from marketdata.providers import sources
from marketdata.providers.base import DividendRow, SplitRow, SymbolHistory
from marketdata.providers.chain import SAID_NO, Fallback
from marketdata.selectors import calendar, coverage, instruments, sessions
from marketdata.services import (
    adjusted_closes,
    bar_sync,
    corporate_actions,
    former_names,
    late_changes,
    refresh_records,
    stored_dividends,
    stored_shares,
)
from marketdata.services.adjusted_closes import Told

LOOK_BACK = 20  # sessions: what a source learns of late is found within them
PIECE = 100  # symbols a question
KNOWN = "known actions"  # the item of what is applied: a silent source is no reason to wait


def morning(
    *, session_date: date, run_id: UUID | None = None, only: Sequence[str] | None = None
) -> dict[str, Any]:
    """Ask for new actions where that is of use, then apply what is in effect; an item each.

    A symbol whose sources fail is named and the others go on. `only` names symbols of an earlier
    attempt. `changed` has the symbols whose action took effect in an earlier session, and since
    when: valuations of those sessions did not know it.
    """
    asked = ask(session_date=session_date, run_id=run_id, only=only)
    tell = late_changes.teller(until=session_date, run_id=run_id)
    done = corporate_actions.apply_due(session_date=session_date, run_id=run_id, tell=tell)
    changed = late_changes.in_run(run_id, done["changed"])
    late = {symbol: day for symbol, day in changed.items() if day < session_date}
    told = {
        "items": done["items"],
        "counts": done["counts"] | asked["counts"],
        "warnings": [*done["warnings"], *asked["warnings"]],
        "changed": late_changes.in_words(late),
    }
    if asked["items"]:
        applied = {"item": KNOWN, "status": "ok", "reason": f"{done['counts']['applied']} applied"}
        told["items"] = [applied, *done["items"], *asked["items"]]
    return told


def ask(
    *, session_date: date, run_id: UUID | None = None, only: Sequence[str] | None = None
) -> dict[str, Any]:
    """Record what sources say of the last sessions up to this one; one item a symbol.

    Only while a live session is to come or runs: later its prices bring them along, and so they
    do in a replay. Stored adjusted closes follow what the sources say now.
    """
    told: dict[str, Any] = {"items": [], "counts": {}, "warnings": []}
    if not sources.serving(sources.ACTIONS) or not sessions.is_live():
        return told
    if clock.now() >= calendar.close_time(session_date):
        return told
    chain = Fallback(sources.providers(sources.ACTIONS, until=session_date), ())
    members = coverage.due(session_date=session_date)
    if only is not None:
        named = instruments.by_symbols(only)
        members = [each for each in members if each in named.values()]
    start = calendar.previous(session_date, LOOK_BACK)
    for place in range(0, len(members), PIECE):
        piece = {each.symbol: each for each in members[place : place + PIECE]}
        began = clock.now()
        answers, tallies = former_names.histories(chain, piece, start, session_date)
        refresh_records.keep_asked(
            tallies, session_date=session_date, run_id=run_id, started_at=began
        )
        _keep(piece, answers, session_date, told)
        jobs.progress(done=place + len(piece), total=len(members), note="Corporate actions")
    return told


def _keep(
    piece: Mapping[str, Instrument],
    answers: Sequence[SymbolHistory],
    session_date: date,
    told: dict[str, Any],
) -> None:
    events: list[SplitRow | DividendRow] = []
    good = []
    for answer in answers:
        problem = answer.failure
        if problem is None:
            events += [*answer.splits, *answer.dividends]
            good.append(answer)
        elif problem.code not in SAID_NO:
            reason = {"code": problem.code, "detail": problem.detail[:300]}
            told["items"].append({"item": answer.symbol, "status": "failed", "reason": reason})
            continue
        told["items"].append({"item": answer.symbol, "status": "ok"})
    said = corporate_actions.record(rows=events, session_date=session_date)
    told["warnings"] += said["warnings"]
    for name, count in said["counts"].items():
        told["counts"][name] = told["counts"].get(name, 0) + count
    _adjust(piece, good, session_date)


@transaction.atomic
def _adjust(
    piece: Mapping[str, Instrument], answers: Sequence[SymbolHistory], session_date: date
) -> None:
    # as wherever bars are written
    audit.serialise("daily bars")
    splits = stored_shares.splits(piece.values())
    days = [row.session_date for each in answers for row in each.bars]
    paid = stored_dividends.applied(piece.values(), since=min(days, default=session_date))
    said: dict[UUID, Told] = {}
    for answer in answers:
        key = piece[answer.symbol].pk
        told = stored_shares.restate(answer, splits.get(key, ()), until=session_date)
        said[key] = bar_sync.adjustments(stored_dividends.adjust(told, paid.get(key, ())))
    aligned = adjusted_closes.align(said)
    for instrument in piece.values():
        if instrument.pk in aligned.restated:
            adjusted_closes.repack(instrument)
