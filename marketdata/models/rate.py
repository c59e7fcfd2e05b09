"""Treasury par yields."""

from django.db import models

from etftrader.core.models import EstimateField, SharedQuerySet
from marketdata.choices import Source


class TreasuryYield(models.Model):
    """One tenor on one bond-market day, in percent."""

    pk = models.CompositePrimaryKey("session_date", "tenor")
    session_date = models.DateField()
    tenor = models.CharField(max_length=4)  # 1M … 30Y
    percent = EstimateField()
    source = models.CharField(max_length=12, choices=Source.choices)

    objects = SharedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.session_date} {self.tenor} {self.percent}"
