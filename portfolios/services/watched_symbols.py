"""Watchlists follow an instrument to its new symbol: it stands on each list once, under that."""

from django.db.models import F, Q

from etftrader.core import clock
from portfolios.constants import MAX_NOTE
from portfolios.models import Watchlist, WatchlistItem


def follow(new: str) -> int:
    """Spell what is on lists as an instrument that was just renamed, and options on it, are now.

    The caller holds the transaction; counts the rows that changed or were joined.
    """
    moved = WatchlistItem.objects.filter(
        Q(instrument__symbol=new) | Q(instrument__option__underlying__symbol=new)
    ).exclude(symbol=F("instrument__symbol"))
    # the version is the lock of a list; always in one order
    for key in moved.order_by("watchlist_id").values_list("watchlist_id", flat=True).distinct():
        Watchlist.objects.filter(pk=key).update(version=F("version") + 1, updated_at=clock.now())
    return sum(_respell(each) for each in moved.select_related("instrument").order_by("pk"))


def _respell(item: WatchlistItem) -> bool:
    """Give an item its instrument's symbol; who stands there by it already is joined to it."""
    assert item.instrument is not None
    symbol = item.instrument.symbol
    same_list = WatchlistItem.objects.filter(watchlist=item.watchlist_id).exclude(pk=item.pk)
    there = same_list.filter(symbol__iexact=symbol).first()
    note, order = item.note, item.order
    if there is not None:
        if there.instrument_id not in (None, item.instrument_id):
            return False  # a spelling that its own instrument has left: not the same thing
        note = "; ".join(dict.fromkeys(each for each in (note, there.note) if each))[:MAX_NOTE]
        order = min(order, there.order)
        there.delete()
    WatchlistItem.objects.filter(pk=item.pk).update(
        symbol=symbol, note=note, order=order, version=F("version") + 1, updated_at=clock.now()
    )
    return True
