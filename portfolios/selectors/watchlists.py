"""Watchlists: one's own, how each symbol on them stands, what moved, who is watched at all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import numpy as np
from django.db.models import Count, QuerySet

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from marketdata.live import Quoted
from marketdata.selectors import instruments, lookups, prices, quotes
from marketdata.selectors.instruments import Near
from marketdata.selectors.lookups import Lookup
from marketdata.selectors.sessions import Moment
from portfolios.choices import ItemState
from portfolios.models import Watchlist, WatchlistItem

NO_LIST, NO_ITEM = "There is no such watchlist.", "There is no such symbol on a list of yours."
SPARK_SESSIONS = 30
MOST_NEAR = 20  # symbols of one answer that get suggestions: likeness is looked for in all names
CLOSED_WORLD = "Only the bundled symbols have prices here. A live source or a CSV file may have it."
NOT_ASKED = "It has not been looked up yet."


@dataclass(frozen=True, slots=True)
class Standing:
    """How a symbol stands; `reason` and `near` are for those nobody knows."""

    state: str  # of ItemState
    reason: str = ""
    near: tuple[Near, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A symbol with its newest quote and the closes of its last sessions."""

    item: WatchlistItem
    quote: Quoted
    closes: tuple[float, ...]

    @property
    def change(self) -> Decimal | None:
        """Since the close before, in the price's own unit."""
        now, before = self.quote.price, self.quote.previous_close
        return None if now is None or before is None else now - before

    @property
    def change_rate(self) -> float | None:
        """The same as a fraction of that close."""
        change, before = self.change, self.quote.previous_close
        return float(change / before) if change is not None and before else None

    @property
    def spread_bp(self) -> float | None:
        """Ask less bid, in basis points of their middle."""
        bid, ask = self.quote.bid, self.quote.ask
        if bid is None or ask is None or bid + ask <= 0:
            return None
        return float((ask - bid) / ((ask + bid) / 2)) * 10_000


def of_actor(*, actor: Actor) -> QuerySet[Watchlist]:
    """One's own lists with their number of symbols, in their order."""
    mine = Watchlist.objects.for_actor(actor).select_related("user__customer")
    return mine.annotate(item_count=Count("items")).order_by("order", "name", "pk")


def one(*, actor: Actor, watchlist_id: UUID | str) -> Watchlist:
    """One list of the actor's. Raises NotFound."""
    found = of_actor(actor=actor).filter(pk=as_id(watchlist_id, NO_LIST)).first()
    if found is None:
        raise NotFound(NO_LIST)
    return found


def items(*, actor: Actor) -> QuerySet[WatchlistItem]:
    """Every symbol on the actor's lists, by list, then in its order."""
    mine = WatchlistItem.objects.for_actor(actor).select_related("instrument", "watchlist")
    return mine.order_by("watchlist__order", "watchlist__name", "order", "created_at", "pk")


def item(*, actor: Actor, item_id: UUID | str) -> WatchlistItem:
    """One symbol on a list of the actor's. Raises NotFound."""
    found = items(actor=actor).filter(pk=as_id(item_id, NO_ITEM)).first()
    if found is None:
        raise NotFound(NO_ITEM)
    return found


def as_id(text: UUID | str, missing: str) -> UUID:
    """An id; what is none names nothing. Raises NotFound."""
    try:
        return text if isinstance(text, UUID) else UUID(text)
    except ValueError as error:
        raise NotFound(missing) from error


def standings(of: Sequence[WatchlistItem]) -> dict[UUID, Standing]:
    """How each symbol stands: two queries when some are not known, else none."""
    unknown = [each for each in of if each.instrument_id is None]
    told = lookups.newest(each.symbol for each in unknown)
    near = instruments.near([each.symbol for each in unknown[:MOST_NEAR]])
    found = {each.pk: Standing(ItemState.RESOLVED) for each in of if each.instrument_id}
    for each in unknown:
        lookup = told.get(each.symbol.upper())
        if lookup is not None and lookup.open:
            found[each.pk] = Standing(ItemState.LOOKING_UP)
        else:
            alike = tuple(near.get(each.symbol, ()))
            found[each.pk] = Standing(ItemState.UNRESOLVED, _why(lookup), alike)
    return found


def may_look_up() -> bool:
    """Whether a source is set up that may know what is not known here."""
    return lookups.can_ask()


def _why(lookup: Lookup | None) -> str:
    if not lookups.can_ask():
        return CLOSED_WORLD
    return lookup.reason if lookup is not None and lookup.reason else NOT_ASKED


def rows(of: Iterable[WatchlistItem], *, moment: Moment, actor: Actor) -> list[Row]:
    """The known symbols among these with their prices, in their order."""
    known = [each for each in of if each.instrument is not None]
    symbols = [each.instrument.symbol for each in known if each.instrument]
    told = quotes.latest(wanted=symbols, actor=actor, moment=moment)
    panel = prices.panel(symbols=symbols, until=moment.session_date, rows=SPARK_SESSIONS)
    place = {symbol: column for column, symbol in enumerate(panel.symbols)}
    found = []
    for each, symbol in zip(known, symbols, strict=True):
        closes = panel.close[:, place[symbol]]
        line = tuple(closes[np.isfinite(closes)].tolist())
        found.append(Row(each, told[symbol], line))
    return found


def movers(*, actor: Actor, moment: Moment, most: int = 5) -> list[Row]:
    """What moved most among all one watches, up or down; each symbol once, live prices first."""
    known = [(each.instrument, each) for each in items(actor=actor) if each.instrument]
    mine = {thing.pk: each for thing, each in known}
    told = quotes.traded(instruments=[thing for thing, _ in known], moment=moment)
    every = [Row(each, told[key], ()) for key, each in mine.items()]
    moved = [(each, each.change_rate) for each in every]
    ranked = [(each, rate) for each, rate in moved if rate]
    ranked.sort(key=lambda pair: (-abs(pair[1]), pair[0].quote.symbol))
    return [each for each, _ in ranked[:most]]


def watched_instrument_ids() -> set[UUID]:
    """Every instrument that is on anybody's list."""
    watched = WatchlistItem.objects.filter(instrument__isnull=False)
    return set(watched.values_list("instrument_id", flat=True).distinct())
