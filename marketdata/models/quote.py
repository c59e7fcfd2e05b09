"""The newest price of an instrument, with its source and moment."""

from django.db import models

from etftrader.core.models import ExactField, SharedQuerySet
from marketdata.choices import Source
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
