"""What is held of one instrument: running totals of the ledger."""

from django.db import models

from etftrader.core.models import Entity, ExactField
from marketdata.models import Instrument
from portfolios.models.owned import OwnedQuerySet
from portfolios.models.portfolio import Portfolio


class PositionQuerySet(OwnedQuerySet):
    """Positions."""

    def open(self) -> "PositionQuerySet":
        """Those with something in them."""
        return self.exclude(quantity=0)


class Position(Entity):
    """One row per portfolio and instrument, for ever; written by the ledger only."""

    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="positions")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    quantity = ExactField(default=0)  # + long, - short
    cost_basis = ExactField(default=0)  # signed like the quantity
    realized_pnl = ExactField(default=0)
    fees = ExactField(default=0)
    opened_on = models.DateField(null=True, blank=True)
    closed_on = models.DateField(null=True, blank=True)
    # of its tags alone: a fill must not make a change of tags look stale
    tags_version = models.PositiveIntegerField(default=1, editable=False)

    objects = PositionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "instrument"], name="one_position_per_instrument"
            )
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.instrument_id} #{self.pk}"
