"""What a portfolio is compared with."""

from django.db import models
from django.db.models import Q

from marketdata.models import Instrument
from portfolios.models.owned import OwnedQuerySet
from portfolios.models.portfolio import Portfolio


class PortfolioBenchmark(models.Model):
    """One of at most three, in their order; a portfolio without any has the default."""

    id = models.BigAutoField(primary_key=True)
    portfolio = models.ForeignKey(Portfolio, models.CASCADE, related_name="benchmarks")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    place = models.PositiveSmallIntegerField()  # 1 to 3

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["portfolio", "place"], name="one_benchmark_a_place"),
            models.UniqueConstraint(fields=["portfolio", "instrument"], name="each_benchmark_once"),
            models.CheckConstraint(
                condition=Q(place__gte=1, place__lte=3), name="three_benchmarks_at_most"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.portfolio_id} against {self.instrument_id} #{self.pk}"
