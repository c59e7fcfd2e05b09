"""Looks symbols up that nobody here knows: in a job, at the sources, then fetches their prices."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

from etftrader.core import clock, jobs, push
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, DomainError
from etftrader.core.job_telling import progress
from etftrader.core.records import JobRun
from marketdata.models import DailyBar
from marketdata.selectors import lookups
from marketdata.selectors.lookups import JOB, Lookup
from marketdata.services import price_sync, universes
from marketdata.services.bar_sync import FAILED, OK, Outcome
from marketdata.services.universes import UNRESOLVED, Resolved

REST = timedelta(minutes=1)  # before a symbol is looked up again
MOST = 500  # symbols a run
MOST_A_MINUTE = 10  # runs a person may ask for, as elsewhere for jobs


def ask_for(*, symbols: Iterable[str], session_date: date, by: Actor) -> JobRun | None:
    """Ask a worker to look symbols up; None when there is nothing to ask, or nobody.

    Symbols whose look-up is under way, or ended less than a minute ago, are left out; so is
    everything for somebody who asked ten times within a minute.
    """
    wanted = sorted({symbol.strip().upper() for symbol in symbols})[:MOST]
    since = clock.now() - REST
    if not wanted or not lookups.can_ask():
        return None
    if by.user_id and lookups.asked_by(by.user_id, since=since) >= MOST_A_MINUTE:
        return None
    known = lookups.newest(wanted)
    due = [each for each in wanted if each not in known or _rested(known[each], since)]
    if not due:
        return None
    return jobs.request(
        JOB,
        as_of=session_date,
        inputs={"symbols": due},
        requested_by=by.user_id,
        request_id=by.request_id,
    )


def bring_in(
    *, symbols: Sequence[str], session_date: date, run_id: UUID | None = None
) -> list[Outcome]:
    """Find or create the instrument of each symbol and fetch the prices of those without any.

    A symbol no source knows creates nothing: its outcome says what each source said. A source
    that fails for one symbol leaves the others whole.
    """
    found: dict[str, Resolved] = {}
    outcomes: dict[str, Outcome] = {}
    wanted = list(dict.fromkeys(symbols))
    for place, symbol in enumerate(wanted):
        progress(done=place, total=len(wanted), note=f"Looking up {symbol}")
        try:
            told = universes.find(symbol=symbol, session_date=session_date)
        except DomainError as refusal:
            outcomes[symbol] = Outcome(symbol, FAILED, refusal.detail)
            continue
        if told.status == UNRESOLVED:
            outcomes[symbol] = Outcome(symbol, FAILED, told.reason)
        else:
            found[symbol] = told
            outcomes[symbol] = Outcome(symbol, OK, told.reason or told.status)
    for symbol, priced in _prices(found, session_date, run_id).items():
        guess = found[symbol].reason
        outcomes[symbol] = replace(priced, reason=_both(priced.reason, guess)) if guess else priced
    if found:
        news = {"session_date": session_date.isoformat(), "symbols": sorted(found)}
        push.publish("data", "data.updated", news)
    return list(outcomes.values())


def _prices(
    found: dict[str, Resolved], session_date: date, run_id: UUID | None
) -> dict[str, Outcome]:
    """Fetch the series that are not there yet; what became of each, by the symbol asked for."""
    bare = {each.instrument.pk: name for name, each in found.items() if each.instrument}
    held = DailyBar.objects.filter(instrument__in=bare).values_list("instrument_id", flat=True)
    for key in set(held.distinct()):
        del bare[key]
    named = {
        found[name].instrument.symbol: name  # type: ignore[union-attr]
        for name in bare.values()
    }
    if not named:
        return {}
    try:
        synced = price_sync.sync(session_date=session_date, symbols=sorted(named), run_id=run_id)
    except BadInput as refusal:
        return {name: Outcome(name, FAILED, refusal.detail) for name in named.values()}
    return {
        named[each.item]: Outcome(named[each.item], each.status, each.reason)
        for each in synced.outcomes
        if each.item in named
    }


def _both(*words: str) -> str:
    return "; ".join(each for each in words if each)[:300]


def _rested(lookup: Lookup, since: datetime) -> bool:
    return not lookup.open and lookup.at < since
