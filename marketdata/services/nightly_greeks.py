"""Options after a close: quotes of the session, then Greeks of every contract that matters."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from etftrader.core import clock, jobs
from etftrader.core.errors import DomainError
from marketdata.choices import Source
from marketdata.models import Instrument, OptionContract, OptionGreeks
from marketdata.providers import sources
from marketdata.selectors import sessions
from marketdata.services import greeks, option_quotes
from marketdata.services.option_quotes import Stored


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
        and what `greeks.Computed` tells, the second opinion with it.
    """
    contracts = OptionContract.objects.filter(instrument__in=list(held))
    of_held = dict(contracts.values_list("instrument_id", "underlying_id"))
    wanted = Instrument.objects.filter(pk__in={*watched, *of_held.values()})
    if only is not None:
        wanted = wanted.filter(symbol__in=list(only))
    symbols = dict(wanted.order_by("symbol").values_list("pk", "symbol"))
    jobs.progress(done=0, total=2, note="Option quotes")
    stored = _quotes(session_date, list(symbols.values()), only)
    jobs.progress(done=1, total=2, note="Greeks")
    told = greeks.compute(
        session_date=session_date,
        held=[key for key, underlying in of_held.items() if underlying in symbols],
        watched=symbols,
        run_id=run_id,
    )
    jobs.progress(done=2, total=2)
    quotes = {"quotes": sum(each.written for each in stored)}
    return {
        "items": _items(stored, symbols, session_date),
        "counts": {"contracts": told.contracts, "written": told.written, **quotes},
        **told.result(),
    }


def _quotes(session_date: date, symbols: Sequence[str], only: Sequence[str] | None) -> list[Stored]:
    """Simulated ones with the bundle; live those of the newest session, which a source can tell."""
    try:
        if sources.configured()[0] == Source.BUNDLED:
            mine = only is None or option_quotes.SYMBOL in only
            return option_quotes.simulate(session_date=session_date) if mine else []
        now = clock.now()
        # what a source quotes now is of no session before, and of none that still runs
        newest = session_date == sessions.last_closed(now) and sessions.open_at(now) is None
        chains = sources.providers(sources.CHAINS, until=session_date)
        if not (chains and symbols and newest and sessions.is_live()):
            return []
        return option_quotes.sync(source=chains[0], underlyings=symbols, session_date=session_date)
    except DomainError as failure:
        named = symbols or [option_quotes.SYMBOL]
        return [
            Stored(each, None, failure=option_quotes.Failure(each, failure.code, failure.detail))
            for each in named
        ]


def _items(
    stored: Sequence[Stored], symbols: dict[UUID, str], session_date: date
) -> list[dict[str, Any]]:
    failed: dict[str, str] = {}
    quoted: Counter[str] = Counter()
    for each in stored:
        quoted[each.underlying] += each.received
        if each.failure is not None:
            failed.setdefault(each.underlying, each.failure.detail)
    rows = OptionGreeks.objects.filter(
        session_date=session_date, contract__underlying__in=list(symbols)
    )
    priced: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for underlying, delta in rows.values_list("contract__underlying_id", "delta"):
        priced[symbols[underlying]] += 1
        unknown[symbols[underlying]] += delta is None
    return [
        {
            "item": symbol,
            "status": "failed" if symbol in failed else "ok",
            "reason": failed.get(symbol)
            or f"{priced[symbol]} contracts, {unknown[symbol]} without figures, "
            f"{quoted[symbol]} quotes",
        }
        for symbol in sorted({*symbols.values(), *quoted, *failed})
    ]
