"""Watchlists: made, renamed, deleted; symbols put on them, changed, taken off, and found later.

Whoever writes to a list raises its version first: that is the lock of the list and its items.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max

from etftrader.core import audit, clock, push
from etftrader.core.actor import Actor, system
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from etftrader.core.outbound.rules import checked_symbol
from etftrader.core.records import JobRun
from marketdata.models import DailyBar, Instrument
from marketdata.selectors import instruments, lookups
from marketdata.services import resolving
from portfolios.constants import MAX_NOTE, MAX_UNKNOWN_SYMBOLS, MAX_WATCHED, MAX_WATCHLISTS
from portfolios.models import User, Watchlist, WatchlistItem
from portfolios.selectors.watchlists import NO_ITEM, NO_LIST

MAX_ORDER = 32_767
Known = dict[str, Instrument]  # what may be seen, by symbol in upper case


@transaction.atomic
def create(*, user: User, name: str, order: int | None = None, by: Actor) -> Watchlist:
    """Make an empty list, the last one unless an order is given. Raises BadInput and Conflict."""
    # one at a time for each person, so that they are counted right
    audit.serialise(f"watchlists:{user.pk}")
    mine = Watchlist.objects.filter(user=user)
    if mine.count() >= MAX_WATCHLISTS:
        raise BadInput(f"You have {MAX_WATCHLISTS} lists, which is the most.", attr="name")
    title = _name(name)
    _check_free(mine, title)
    last = mine.aggregate(last=Max("order"))["last"]
    place = order if order is not None else min(MAX_ORDER, 0 if last is None else last + 1)
    made = Watchlist.objects.create(user=user, name=title, order=place)
    _record(by, "watchlist.created", made, after={"name": title, "order": place})
    return made


@transaction.atomic
def update(
    *, watchlist_id: UUID, changes: dict[str, Any], if_match_version: int | None = None, by: Actor
) -> Watchlist:
    """Give a list another name or place. Raises NotFound, VersionMismatch, BadInput, Conflict."""
    row = _touched(watchlist_id, if_match_version, by)
    before = {"name": row.name, "order": row.order}
    if "name" in changes:
        row.name = _name(changes["name"])
        _check_free(Watchlist.objects.filter(user=row.user_id).exclude(pk=row.pk), row.name)
    row.order = changes.get("order", row.order)
    row.save(update_fields=["name", "order"])
    after = {"name": row.name, "order": row.order}
    _record(by, "watchlist.changed", row, before=before, after=after)
    return row


@transaction.atomic
def delete(*, watchlist_id: UUID, if_match_version: int | None = None, by: Actor) -> None:
    """Delete a list with what is on it. Raises NotFound and VersionMismatch."""
    row = _touched(watchlist_id, if_match_version, by)
    symbols = list(row.items.values_list("symbol", flat=True))
    _record(by, "watchlist.deleted", row, before={"name": row.name, "symbols": symbols})
    row.delete()


@transaction.atomic
def add(
    *,
    watchlist_id: UUID,
    symbol: str,
    note: str = "",
    order: int | None = None,
    session_date: date | None = None,
    by: Actor,
) -> WatchlistItem:
    """Put one symbol on a list; one that nobody knows stays there and is looked up.

    Without a session the caller asks for the look-up itself: see `look_up`.
    Raises NotFound, BadInput for what is no symbol, Conflict for one that is there already.
    """
    row = _touched(watchlist_id, None, by)
    made = _put(row, symbol, instruments.visible([symbol], by), note=note, order=order)
    if session_date is not None:
        look_up(of=[made], session_date=session_date, by=by)
    after = {"symbol": made.symbol, "known": made.instrument_id is not None}
    _record(by, "watchlist.symbol_added", row, after=after)
    return made


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one symbol of many."""

    symbol: str
    verdict: str  # added, unknown, already_there, refused
    detail: str = ""
    item: WatchlistItem | None = None


@transaction.atomic
def add_many(
    *, watchlist_id: UUID, symbols: Iterable[str], session_date: date, by: Actor
) -> list[Verdict]:
    """Put many symbols on a list, each by itself; the answer says what became of each.

    Raises NotFound for the list, BadInput when no symbol was named.
    """
    wanted = list(dict.fromkeys(each.strip().upper() for each in symbols if each.strip()))
    if not wanted:
        raise BadInput("Name at least one symbol, such as SPY.", attr="symbols", code="required")
    row = _touched(watchlist_id, None, by)
    known = instruments.visible(wanted, by)
    verdicts = [_tried(row, symbol, known) for symbol in wanted]
    fresh = [each.item for each in verdicts if each.item is not None]
    if fresh:
        look_up(of=fresh, session_date=session_date, by=by)
        after = {"symbols": [each.symbol for each in fresh]}
        _record(by, "watchlist.symbols_added", row, after=after)
    return verdicts


@transaction.atomic
def change(
    *,
    item_id: UUID,
    changes: dict[str, Any],
    if_match_version: int | None = None,
    session_date: date,
    by: Actor,
) -> WatchlistItem:
    """Change an item's symbol, note or order; another symbol is found or looked up anew.

    Raises NotFound, VersionMismatch, BadInput, Conflict.
    """
    read, row = _item(item_id, if_match_version, by)
    before = {"symbol": read.symbol, "note": read.note, "order": read.order}
    named = changes.get("symbol")
    if named is not None and named.strip().upper() != read.symbol.upper():
        read.symbol, read.instrument = _found(named, instruments.visible([named], by))
        _check_absent(row, read.symbol, but=read)
    read.note = _note(changes.get("note", read.note))
    read.order = changes.get("order", read.order)
    _save(read)
    if read.symbol != before["symbol"]:
        look_up(of=[read], session_date=session_date, by=by)
    after = {"symbol": read.symbol, "note": read.note, "order": read.order}
    _record(by, "watchlist.symbol_changed", row, before=before, after=after)
    return read


@transaction.atomic
def remove(*, item_id: UUID, if_match_version: int | None = None, by: Actor) -> None:
    """Take a symbol off its list. Raises NotFound and VersionMismatch."""
    read, row = _item(item_id, if_match_version, by)
    before = {"symbol": read.symbol, "note": read.note}
    read.delete()
    _record(by, "watchlist.symbol_removed", row, before=before)


@transaction.atomic
def arrange(
    *,
    watchlist_id: UUID,
    order: list[UUID],
    notes: dict[UUID, str],
    removed: set[UUID],
    if_match_version: int | None = None,
    by: Actor,
) -> Watchlist:
    """Put a list's symbols in this order, with these notes, without the removed ones.

    What is not named stays as it is, behind the others. Raises NotFound, VersionMismatch.
    """
    row = _touched(watchlist_id, if_match_version, by)
    there = {each.pk: each for each in row.items.order_by("order", "created_at", "pk")}
    gone = [each for key, each in there.items() if key in removed]
    row.items.filter(pk__in=[each.pk for each in gone]).delete()
    left = dict.fromkeys(key for key in (*order, *there) if key in there and key not in removed)
    for place, key in enumerate(left):
        each, note = there[key], _note(notes.get(key, there[key].note))
        if (each.order, each.note) != (place, note):
            each.order, each.note, each.version = place, note, each.version + 1
            each.save(update_fields=["order", "note", "version", "updated_at"])
    after = {"symbols": [there[key].symbol for key in left]}
    before = {"removed": [each.symbol for each in gone]}
    _record(by, "watchlist.arranged", row, before=before, after=after)
    return row


def look_up(*, of: Iterable[WatchlistItem], session_date: date, by: Actor) -> JobRun | None:
    """Ask for what is not known, and for the prices of what has none; None where nobody can.

    The run is a wish: what it changes is audited where it happens.
    """
    every = list(of)
    if not every or not lookups.can_ask():
        return None
    keys = [each.instrument_id for each in every if each.instrument_id]
    priced = set(
        DailyBar.objects.filter(instrument__in=keys)
        .values_list("instrument_id", flat=True)
        .distinct()
    )
    wanted = [each.symbol for each in every if each.instrument_id not in priced]
    return resolving.ask_for(symbols=wanted, session_date=session_date, by=by)


def ask_again(*, item_id: UUID, session_date: date, by: Actor) -> JobRun:
    """Have one symbol looked up again. Raises NotFound, and Conflict where that is no use now."""
    found = _mine(item_id, by)
    run = look_up(of=[found], session_date=session_date, by=by)
    if run is None:
        words = "It was looked up less than a minute ago, or is being looked up. Wait a minute."
        if not lookups.can_ask():
            words = "There is no source that could know more symbols."
        raise Conflict(words, code="asked_recently")
    return run


def attach() -> int:
    """Give unknown symbols on lists the instruments that exist by now; counts them."""
    waiting = list(WatchlistItem.objects.filter(instrument__isnull=True).order_by("pk"))
    known = instruments.by_symbols({each.symbol for each in waiting})
    ready = [each for each in waiting if each.symbol.upper() in known]
    if not ready:
        return 0
    with transaction.atomic():
        attached = [each.symbol for each in ready if _attach(each, known[each.symbol.upper()])]
        if attached:
            audit.record(
                by=system("watchlists"),
                action="watchlist.symbols_found",
                object_type="instrument",
                object_id=f"{len(attached)} rows",
                after={"symbols": sorted(set(attached))},
            )
        push.publish("data", "data.updated", {"symbols": sorted(set(attached))})
    return len(attached)


def _attach(waiting: WatchlistItem, instrument: Instrument) -> int:
    """Compare and set: the item may have been changed or found meanwhile."""
    same = WatchlistItem.objects.filter(pk=waiting.pk, version=waiting.version)
    return same.filter(instrument__isnull=True).update(
        instrument=instrument, version=F("version") + 1, updated_at=clock.now()
    )


def _touched(watchlist_id: UUID, wanted: int | None, by: Actor) -> Watchlist:
    """The list of the actor's, its version raised: nobody else writes to it until the end."""
    mine = Watchlist.objects.for_actor(by).filter(pk=watchlist_id)
    same = mine if wanted is None else mine.filter(version=wanted)
    if not same.update(version=F("version") + 1, updated_at=clock.now()):
        current = mine.values_list("version", flat=True).first()
        if current is None:
            raise NotFound(NO_LIST)
        raise VersionMismatch("The list was changed since it was read.", version=current)
    return mine.get()


def _item(item_id: UUID, wanted: int | None, by: Actor) -> tuple[WatchlistItem, Watchlist]:
    """An item as it stands under its list's lock."""
    row = _touched(_mine(item_id, by).watchlist_id, None, by)
    found = _mine(item_id, by)
    if wanted is not None and found.version != wanted:
        words = "The symbol was changed since it was read."
        raise VersionMismatch(words, version=found.version)
    return found, row


def _mine(item_id: UUID, by: Actor) -> WatchlistItem:
    found = WatchlistItem.objects.for_actor(by).filter(pk=item_id).first()
    if found is None:
        raise NotFound(NO_ITEM)
    return found


def _save(item: WatchlistItem) -> None:
    """Write an item as it was read, but for its changes: it may have been found meanwhile."""
    same = WatchlistItem.objects.filter(pk=item.pk, version=item.version)
    values = {name: getattr(item, name) for name in ("symbol", "instrument", "note", "order")}
    item.version, item.updated_at = item.version + 1, clock.now()
    if not same.update(version=item.version, updated_at=item.updated_at, **values):
        current = WatchlistItem.objects.get(pk=item.pk).version
        raise VersionMismatch("The symbol was changed since it was read.", version=current)


def _tried(row: Watchlist, symbol: str, known: Known) -> Verdict:
    try:
        made = _put(row, symbol, known)
    except Conflict as error:
        return Verdict(symbol[:32], "already_there", error.detail)
    except BadInput as error:
        return Verdict(symbol[:32], "refused", error.detail)
    return Verdict(made.symbol, "added" if made.instrument_id else "unknown", item=made)


def _put(
    row: Watchlist, symbol: str, known: Known, *, note: str = "", order: int | None = None
) -> WatchlistItem:
    label, instrument = _found(symbol, known)
    _check_absent(row, label)
    there = row.items.aggregate(last=Max("order"))["last"]
    if row.items.count() >= MAX_WATCHED:
        raise BadInput(f"A list holds {MAX_WATCHED} symbols. Make another one.", attr="symbol")
    if instrument is None:
        mine = WatchlistItem.objects.filter(watchlist__user=row.user_id, instrument__isnull=True)
        if mine.count() >= MAX_UNKNOWN_SYMBOLS:
            words = f"You have {MAX_UNKNOWN_SYMBOLS} symbols that nobody knows. Remove some first."
            raise BadInput(words, attr="symbol", code="too_many_unknown")
    place = order if order is not None else min(MAX_ORDER, 0 if there is None else there + 1)
    return WatchlistItem.objects.create(
        watchlist=row, symbol=label, instrument=instrument, order=place, note=_note(note)
    )


def _found(symbol: str, known: Known) -> tuple[str, Instrument | None]:
    """The symbol as its instrument spells it; without one it must at least be a symbol."""
    wanted = symbol.strip().upper()
    found = known.get(wanted)
    return (found.symbol, found) if found is not None else (checked_symbol(wanted), None)


def _check_absent(row: Watchlist, symbol: str, *, but: WatchlistItem | None = None) -> None:
    there = row.items.filter(symbol__iexact=symbol)
    if but is not None:
        there = there.exclude(pk=but.pk)
    if there.exists():
        raise Conflict(f"{symbol} is on this list already.", attr="symbol", code="already_there")


def _check_free(rows: Any, name: str) -> None:
    if rows.filter(name__iexact=name).exists():
        raise Conflict(f"You have a list called {name}.", attr="name", code="name_taken")


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= 60:
        raise BadInput("A list has a name of 1 to 60 characters.", attr="name")
    return name


def _note(text: str) -> str:
    note = " ".join(text.split())
    if len(note) > MAX_NOTE:
        raise BadInput(f"A note has at most {MAX_NOTE} characters.", attr="note")
    return note


def _record(by: Actor, action: str, row: Watchlist, **sides: Any) -> None:
    audit.record(by=by, action=action, object_type="watchlist", object_id=row.pk, **sides)
