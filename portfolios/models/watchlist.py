"""Symbols people follow, in lists of their own."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower, Upper

from etftrader.core.models import Entity, PersonalQuerySet
from marketdata.models import Instrument


class Watchlist(Entity):
    """One user's named list."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="watchlists")
    name = models.CharField(max_length=60)
    order = models.PositiveSmallIntegerField(default=0)

    objects = PersonalQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("user", Lower("name"), name="watchlist_once_per_user")
        ]

    def __str__(self) -> str:
        return f"{self.name} #{self.pk}"


class WatchlistItemQuerySet(PersonalQuerySet):
    """Items, through their list."""

    user_path = "watchlist__user"


class WatchlistItem(Entity):
    """One symbol on a list; a symbol nobody knows yet stays, without an instrument."""

    watchlist = models.ForeignKey(Watchlist, models.CASCADE, related_name="items")
    symbol = models.CharField(max_length=32)
    instrument = models.ForeignKey(
        Instrument, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    order = models.PositiveSmallIntegerField(default=0)
    note = models.CharField(max_length=200, blank=True)

    objects = WatchlistItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("watchlist", Upper("symbol"), name="symbol_once_per_list")
        ]

    def __str__(self) -> str:
        return f"{self.symbol} #{self.pk}"
