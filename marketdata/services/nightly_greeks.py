"""Options after a close: quotes of the session, then Greeks of every contract that matters."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from etftrader.core import clock, jobs
from etftrader.core.errors import DomainError
from marketdata.choices import Source
from marketdata.events import keepers, prices_arrived
from marketdata.models import Instrument, OptionContract, OptionGreeks
from marketdata.providers import sources
from marketdata.providers.base import Failure
from marketdata.selectors import instruments, sessions
from marketdata.services import chain_sync, greeks, option_quotes
from marketdata.services.chain_sync import Brought
from marketdata.services.option_quotes import Stored

LEFT_OUT = "chains_left_out"
NAMED = 20
GREEKS = "Greeks"  # the item of the computing itself


def run(
    *,
    session_date: date,
    held: Iterable[UUID] = (),
    watched: Iterable[UUID] = (),
    only: Sequence[str] | None = None,
    run_id: UUID | None = None,
) -> dict[str, Any]:
    """Bring quotes in, price what is held and watched; twice writes nothing the second time.

    Parameters
    ----------
    session_date : date
    held, watched : iterable of UUID
        Instruments of options in any book, and underlyings whose living contracts are wanted.
    only : sequence of str, optional
        Nothing but these underlyings.
    run_id : UUID, optional
        Kept with the rows that are written.

    Returns
    -------
    dict
        A run's result: an item an underlying, failed when a chain of it did not come; counts;
        a warning that names what waits for another night; and what `greeks.Computed` tells, the
        second opinion with it. Underlyings that are only watched fail alone: what they lack fails
        no run whose held ones came.
    """
    contracts = OptionContract.objects.filter(instrument__in=list(held))
    of_held = dict(contracts.values_list("instrument_id", "underlying_id"))
    wanted = Instrument.objects.filter(pk__in={*watched, *of_held.values()})
    if only is not None:
        wanted = wanted.filter(symbol__in=list(only))
    symbols = dict(wanted.order_by("symbol").values_list("pk", "symbol"))
    decisive = {symbols[key] for key in of_held.values() if key in symbols}
    if _is_bundled():
        decisive.add(option_quotes.SYMBOL)  # the one chain there is
    brought = _quotes(session_date, list(symbols.values()), decisive, only, run_id)
    jobs.progress(done=0, total=1, note="Greeks")
    bare = _unvalued(contracts)
    told = greeks.compute(
        session_date=session_date,
        held=[key for key, underlying in of_held.items() if underlying in symbols],
        watched=symbols,
        run_id=run_id,
    )
    _tell_arrivals(bare)
    jobs.progress(done=1, total=1)
    return {
        "items": _weighed(_items(brought, symbols, session_date), decisive, told.contracts),
        "counts": _counts(brought, told),
        "warnings": _left_out(brought),
        **told.result(),
    }


def fetch(*, symbol: str, session_date: date, run_id: UUID | None = None) -> dict[str, Any]:
    """Fetch the chain of one underlying now, whatever was known, and price its contracts.

    While a session runs the quotes are of its moment; the Greeks are those of the last close.
    The result is that of `run`, with one item.
    """
    symbols = {each.pk: each.symbol for each in instruments.by_symbols([symbol]).values()}
    if _is_bundled():
        known = option_quotes.SYMBOL in symbols.values()
        brought = _simulated(session_date, [symbol]) if known else Brought(none=[symbol])
    else:
        now = clock.now()
        running = sessions.open_at(now)
        brought = _asked(
            list(symbols.values()),
            held=set(symbols.values()),
            session_date=running or sessions.last_closed(now),
            as_of=now if running else None,
            again=True,
            run_id=run_id,
        )
    jobs.progress(done=0, total=1, note="Greeks")
    # what nobody holds has no valuation that lacks it
    bare = _unvalued(_held(OptionContract.objects.filter(underlying__in=symbols)))
    told = greeks.compute(session_date=session_date, watched=symbols, run_id=run_id)
    _tell_arrivals(bare)
    jobs.progress(done=1, total=1)
    items = _items(brought, symbols, session_date)
    return {"items": items, "counts": _counts(brought, told), **told.result()}


def _held(contracts: QuerySet[OptionContract]) -> QuerySet[OptionContract]:
    """Those that some book holds."""
    of = set(contracts.values_list("instrument_id", flat=True))
    return contracts.filter(instrument__in={key for ask in keepers for key in ask(of)})


def _unvalued(contracts: QuerySet[OptionContract]) -> dict[UUID, UUID]:
    """Contracts without any value of a model so far, each with its underlying."""
    valued = OptionGreeks.objects.filter(contract=OuterRef("pk"), price__isnull=False)
    return dict(contracts.exclude(Exists(valued)).values_list("pk", "underlying_id"))


@transaction.atomic
def _tell_arrivals(bare: Mapping[UUID, UUID]) -> None:
    """Of these contracts some have a first value now: told by their underlyings."""
    valued = OptionGreeks.objects.filter(contract__in=list(bare), price__isnull=False)
    found = {bare[key] for key in valued.values_list("contract_id", flat=True)}
    if found:
        prices_arrived.announce(instrument_ids=",".join(sorted(str(key) for key in found)))


def _quotes(
    session_date: date,
    symbols: Sequence[str],
    held: Collection[str],
    only: Sequence[str] | None,
    run_id: UUID | None,
) -> Brought:
    """Simulated ones with the bundle; live those of the newest session, which a source can tell."""
    if _is_bundled():
        mine = only is None or option_quotes.SYMBOL in only
        return _simulated(session_date, symbols) if mine else Brought()
    now = clock.now()
    # what a source quotes now is of no session before, and of none that still runs
    newest = session_date == sessions.last_closed(now) and sessions.open_at(now) is None
    if not (symbols and newest and sessions.is_live() and sources.serving(sources.CHAINS)):
        return Brought()
    return _asked(symbols, held=held, session_date=session_date, run_id=run_id)


def _simulated(session_date: date, symbols: Sequence[str]) -> Brought:
    """The bundle's quotes: there are some of one fund."""
    try:
        return Brought(option_quotes.simulate(session_date=session_date))
    except DomainError as failure:
        return _nothing(failure, symbols or [option_quotes.SYMBOL])


def _asked(symbols: Sequence[str], **how: Any) -> Brought:
    try:
        return chain_sync.bring_in(symbols=symbols, **how)
    except DomainError as failure:
        return _nothing(failure, symbols)


def _nothing(why: DomainError, symbols: Sequence[str]) -> Brought:
    """The same refusal for each underlying: nobody could be asked."""
    return Brought(
        [Stored(each, None, failure=Failure(each, why.code, why.detail)) for each in symbols]
    )


def _is_bundled() -> bool:
    return sources.configured()[0] == Source.BUNDLED


def _items(brought: Brought, symbols: dict[UUID, str], session_date: date) -> list[dict[str, Any]]:
    """One item an underlying that was asked about or has contracts."""
    failed = brought.failed
    quoted: Counter[str] = Counter()
    for each in brought.stored:
        quoted[each.underlying] += each.received
    rows = OptionGreeks.objects.filter(
        session_date=session_date, contract__underlying__in=list(symbols)
    )
    priced: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for underlying, delta in rows.values_list("contract__underlying_id", "delta"):
        priced[symbols[underlying]] += 1
        unknown[symbols[underlying]] += delta is None
    found = []
    for symbol in sorted({*priced, *brought.asked}):
        if symbol in failed:
            found.append({"item": symbol, "status": "failed", "reason": failed[symbol].detail})
        elif symbol in brought.none and not priced[symbol]:
            reason = f"{chain_sync.NO_OPTIONS}: no source lists options on it"
            found.append({"item": symbol, "status": "skipped", "reason": reason})
        else:
            reason = (
                f"{priced[symbol]} contracts, {unknown[symbol]} without figures, "
                f"{quoted[symbol]} quotes"
            )
            found.append({"item": symbol, "status": "ok", "reason": reason})
    return found


def _weighed(
    items: list[dict[str, Any]], held: Collection[str], contracts: int
) -> list[dict[str, Any]]:
    """The items as a run is judged by them: what is held decides, what is watched does not.

    A run fails when all its items do. So the computing itself is one where nothing held failed,
    and where everything held did what came of the others is none.
    """
    bad = [each for each in items if each["status"] == "failed"]
    of_held = [each for each in items if each["item"] in held]
    if of_held and all(each in bad for each in of_held):
        return bad
    if bad and len(bad) == len(items):
        done = {"item": GREEKS, "status": "ok", "reason": f"{contracts} contracts"}
        return [*items, done]
    return items


def _counts(brought: Brought, told: greeks.Computed) -> dict[str, int]:
    quotes = sum(each.written for each in brought.stored)
    return {"contracts": told.contracts, "written": told.written, "quotes": quotes}


def _left_out(brought: Brought) -> list[dict[str, str]]:
    """What waits for another night, in words."""
    names, count = brought.left_out[:NAMED], len(brought.left_out)
    if not names:
        return []
    more = f" and {count - NAMED} more" if count > NAMED else ""
    detail = f"Chains of watched underlyings left for another night: {', '.join(names)}{more}."
    return [{"code": LEFT_OUT, "detail": detail}]
