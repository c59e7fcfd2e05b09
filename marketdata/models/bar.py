"""Daily prices: the table of record, and each series packed for the kernels."""

from django.db import models

from etftrader.core.models import ExactField, SharedQuerySet, VectorField
from marketdata.choices import PriceBasis, Source
from marketdata.models.instrument import Instrument


class DailyBar(models.Model):
    """One instrument's session from one source. Written in bulk; a correction raises `revision`."""

    pk = models.CompositePrimaryKey("instrument_id", "session_date", "source")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="bars")
    session_date = models.DateField()
    source = models.CharField(max_length=12, choices=Source.choices)
    open = ExactField(null=True)
    high = ExactField(null=True)
    low = ExactField(null=True)
    close = ExactField()
    adj_close = ExactField(null=True)
    volume = models.BigIntegerField(null=True)
    price_basis = models.CharField(max_length=12, choices=PriceBasis.choices)
    revision = models.PositiveSmallIntegerField(default=0)

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(close__gt=0), name="close_is_positive")
        ]
        indexes = [models.Index(fields=["session_date"], name="bars_of_session")]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.session_date} {self.close}"


class MinuteBar(models.Model):
    """One instrument's minute; `ts` is its end, UTC. Five minutes are derived from five of them."""

    pk = models.CompositePrimaryKey("instrument_id", "ts", "source")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="minutes")
    ts = models.DateTimeField()
    source = models.CharField(max_length=12, choices=Source.choices)
    open = ExactField()
    high = ExactField()
    low = ExactField()
    close = ExactField()
    volume = models.BigIntegerField(null=True)

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(low__gt=0), name="minute_is_positive")
        ]
        indexes = [models.Index(fields=["ts"], name="minutes_by_time")]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.ts} {self.close}"


class PriceSeries(models.Model):
    """One instrument's closes as vectors, oldest first; rebuilt from the bars at will."""

    instrument = models.OneToOneField(
        Instrument, models.CASCADE, primary_key=True, related_name="series"
    )
    first_session = models.DateField()
    last_session = models.DateField()
    sessions = VectorField()  # days since 1970-01-01
    close = VectorField()  # what positions are valued at
    total_return = VectorField()  # adjusted close where there is one, else the close
    volume = VectorField()  # NaN where unknown
    # where the price basis changes, no return is taken across: index of the first new row
    basis_breaks = models.JSONField(default=list)
    revision = models.PositiveIntegerField(default=0)

    objects = SharedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"series of {self.instrument_id} to {self.last_session}"
