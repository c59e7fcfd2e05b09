"""Which symbols are kept: named lists whose members have dates."""

from django.db import models
from django.db.models import Q

from etftrader.core.models import Entity, SharedQuerySet
from marketdata.choices import UniverseKind
from marketdata.models.instrument import Instrument


class Universe(Entity):
    """A named list of instruments."""

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=10, choices=UniverseKind.choices)
    filters = models.JSONField(default=dict, blank=True)

    objects = SharedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} #{self.pk}"


class UniverseMember(models.Model):
    """One instrument's time on the list; `valid_to` is its last session, null while it stays."""

    id = models.BigAutoField(primary_key=True)
    universe = models.ForeignKey(Universe, models.CASCADE, related_name="members")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    valid_from = models.DateField()
    valid_to = models.DateField(null=True, blank=True)

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["universe", "instrument", "valid_from"], name="member_once_a_day"
            ),
            models.UniqueConstraint(
                fields=["universe", "instrument"],
                condition=Q(valid_to__isnull=True),
                name="member_open_once",
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=models.F("valid_from")),
                name="member_ends_after_it_begins",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} in {self.universe_id} #{self.pk}"
