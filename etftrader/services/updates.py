"""Fresh prices and chains on demand: who may ask for what, how often, and the run that does it."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.db import transaction

from etftrader.core import audit, clock, jobs
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotAllowed
from etftrader.core.outbound.rules import checked_symbol
from etftrader.core.records import JobRun
from marketdata.choices import InstrumentKind, Pricing, Source
from marketdata.models import Instrument
from marketdata.providers import sources
from marketdata.selectors import sessions
from portfolios.constants import Action
from portfolios.models import Position, WatchlistItem

JOB, CHAINS = "marketdata.sync_prices", "marketdata.sync_chains"
OPTIONED = (InstrumentKind.ETF, InstrumentKind.STOCK, InstrumentKind.INDEX)
MOST_CHAINS = 5  # that an owner asks for within OWNERS_WAIT
MOST_SYMBOLS = 200
OWNERS_WAIT = timedelta(minutes=5)  # between two updates an owner asks for


def fetch(*, wish: Mapping[str, Any], everything: bool, by: Actor) -> JobRun:
    """Ask a live source for what a wish names; nothing named means all that is missing.

    Parameters
    ----------
    wish : mapping
        Any of dataset (str), symbols (list of str), start and end (date).
    everything : bool
        Whether the asker may update what is not in the own books, as often as they like.
    by : Actor

    Returns
    -------
    JobRun
        The same wish while open is one run.

    Raises
    ------
    BadInput
        Symbols or dates that cannot be.
    NotAllowed
        An owner names no symbols, or one no book of theirs holds.
    Conflict
        An owner asked less than five minutes ago.
    """
    latest = sessions.latest()
    inputs = _inputs(wish, latest)
    if not everything:
        _require_own(by, inputs.get("symbols"))
    with transaction.atomic():
        if not everything:
            _require_pause(by)
        return jobs.request(
            JOB,
            as_of=latest,
            inputs=inputs,
            requested_by=by.user_id,
            request_id=by.request_id,
        )


def fetch_chain(*, underlying: Instrument, everything: bool, by: Actor) -> JobRun:
    """Ask for the option chain of an underlying, whatever is known of it.

    Parameters
    ----------
    underlying : Instrument
    everything : bool
        Whether the asker may have any chain fetched, as often as they like.
    by : Actor

    Returns
    -------
    JobRun
        The same wish while open is one run, whoever asked first.

    Raises
    ------
    Conflict
        Nothing of its kind has listed options, no source has chains, or an owner asked for five
        within five minutes.
    NotAllowed
        An owner neither holds nor watches it.
    """
    if why := why_no_chain(underlying):
        raise Conflict(why, code="no_chain")
    if not everything and not follows(by, underlying):
        words = "Only operators fetch every chain. Put it on a watchlist of yours first."
        raise NotAllowed(words, attr="symbol")
    with transaction.atomic():
        if not everything:
            _require_turn(by)
        return jobs.request(
            CHAINS,
            as_of=sessions.latest(),
            inputs={"symbol": underlying.symbol},
            requested_by=by.user_id,
            request_id=by.request_id,
        )


def why_no_chain(underlying: Instrument) -> str:
    """Why no source can be asked about its options; empty where one can."""
    public = underlying.pricing == Pricing.AUTO and underlying.owner_id is None
    if underlying.kind not in OPTIONED or not public or not underlying.active:
        return "Options are listed on public funds, stocks and indices."
    if sources.configured()[0] != Source.BUNDLED and not sources.serving(sources.CHAINS):
        return "No source of option chains is set up."
    return ""


def follows(by: Actor, underlying: Instrument) -> bool:
    """Whether somebody holds an instrument in a book of theirs, or watches it."""
    owned = Position.objects.for_actor(by, Action.CALCULATE).open().filter(instrument=underlying)
    lists = WatchlistItem.objects.filter(instrument=underlying, watchlist__user=by.user_id)
    return owned.exists() or lists.exists()


def _inputs(wish: Mapping[str, Any], latest: date) -> dict[str, Any]:
    start, end = wish.get("start"), wish.get("end")
    if end and end > latest:
        raise BadInput(
            f"{end} is not known yet: the last close is that of {latest}.",
            attr="end",
            code="after_market_clock",
        )
    if start and start > (end or latest):
        raise BadInput("start lies after end.", attr="start")
    inputs: dict[str, Any] = {}
    if wish.get("dataset"):
        inputs["datasets"] = [wish["dataset"]]
    if wish.get("symbols"):
        words = dict.fromkeys(each.strip().upper() for each in wish["symbols"])
        inputs["symbols"] = [checked_symbol(each) for each in words]
    return inputs | {name: wish[name].isoformat() for name in ("start", "end") if wish.get(name)}


def _require_own(by: Actor, symbols: list[str] | None) -> None:
    """An owner may refresh what the own books hold."""
    owned = Position.objects.for_actor(by, Action.CALCULATE).open()
    held = set(owned.values_list("instrument__symbol", flat=True))
    foreign = [each for each in symbols or () if each not in held]
    if not symbols or foreign:
        words = f"{foreign[0]} is not in a book of yours." if foreign else "Name your symbols."
        raise NotAllowed(f"Only operators update everything. {words}", attr="symbols")


def _require_turn(by: Actor) -> None:
    """Raise Conflict for one chain too many; whoever asks twice at once is counted in turn."""
    audit.serialise(f"chains:{by.user_id}")
    recent = JobRun.objects.filter(
        job=CHAINS, requested_by=by.user_id, created_at__gt=clock.now() - OWNERS_WAIT
    )
    if recent.count() >= MOST_CHAINS:
        words = f"You asked for {MOST_CHAINS} chains within five minutes."
        raise Conflict(words, code="asked_recently")


def _require_pause(by: Actor) -> None:
    """Raise Conflict within five minutes of the last update; of two at once one passes."""
    audit.serialise(f"updates:{by.user_id}")
    recent = JobRun.objects.filter(
        job=JOB, requested_by=by.user_id, created_at__gt=clock.now() - OWNERS_WAIT
    )
    if recent.exists():
        raise Conflict("You asked less than five minutes ago.", code="asked_recently")
