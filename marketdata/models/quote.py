"""Prices of the moment: the newest quote, the ticks behind it, quotes of options."""

from django.db import models

from etftrader.core.models import EstimateField, ExactField, SharedQuerySet
from marketdata.choices import Source, VolSource
from marketdata.models.contract import OptionContract
from marketdata.models.instrument import Instrument


class Quote(models.Model):
    """One row an instrument, replaced by every bar; `as_of` is a moment of the market clock."""

    instrument = models.OneToOneField(
        Instrument, models.CASCADE, primary_key=True, related_name="quote"
    )
    price = ExactField()
    bid = ExactField(null=True)
    ask = ExactField(null=True)
    previous_close = ExactField(null=True)
    volume = models.BigIntegerField(null=True)
    session_date = models.DateField()
    as_of = models.DateTimeField()
    source = models.CharField(max_length=12, choices=Source.choices)

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(price__gt=0), name="quote_is_positive")
        ]

    def __str__(self) -> str:
        return f"{self.price} {self.source} #{self.pk}"


class Tick(models.Model):
    """One trade or mid as it was heard; the same (instrument, time, source) is one tick."""

    pk = models.CompositePrimaryKey("instrument_id", "ts", "source")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="ticks")
    ts = models.DateTimeField()
    source = models.CharField(max_length=12, choices=Source.choices)
    price = ExactField()
    volume = models.BigIntegerField(null=True)

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(price__gt=0), name="tick_is_positive")
        ]
        indexes = [models.Index(fields=["ts"], name="ticks_by_time")]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.ts} {self.price}"


class OptionQuote(models.Model):
    """One contract's quote of one session from one source; a later one replaces it."""

    id = models.BigAutoField(primary_key=True)
    contract = models.ForeignKey(OptionContract, models.CASCADE, related_name="quotes")
    session_date = models.DateField()
    as_of = models.DateTimeField()
    source = models.CharField(max_length=12, choices=Source.choices)
    bid = ExactField(null=True)
    ask = ExactField(null=True)
    last = ExactField(null=True)
    underlying_price = ExactField(null=True)
    iv = EstimateField(null=True)  # fraction a year, of the mid
    vol_source = models.CharField(max_length=24, choices=VolSource.choices, blank=True)
    volume = models.BigIntegerField(null=True)
    open_interest = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=24, blank=True)  # why there is no volatility

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["contract", "session_date", "source"], name="option_quote_once"
            )
        ]
        indexes = [models.Index(fields=["session_date"], name="option_quotes_of_session")]

    def __str__(self) -> str:
        return f"{self.contract_id} {self.session_date} {self.bid}/{self.ask} #{self.pk}"
