"""One risk run of a portfolio: inputs, VaR per method, parts per position."""

from django.db import models

from etftrader.core.models import Entity, EstimateField, ExactField
from marketdata.models import Instrument
from portfolios.choices import Quality
from portfolios.models import Portfolio
from portfolios.models.owned import OwnedQuerySet
from risk.choices import Family, Method
from risk.models.covariance import CovarianceSnapshot


class RiskMetric(Entity):
    """One run per portfolio and session; its id is the run id of every figure in it."""

    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    session_date = models.DateField()
    as_of = models.DateTimeField()
    covariance = models.ForeignKey(
        CovarianceSnapshot, models.PROTECT, null=True, blank=True, related_name="+"
    )
    stressed = models.ForeignKey(
        CovarianceSnapshot, models.PROTECT, null=True, blank=True, related_name="+"
    )
    equity = ExactField()
    inputs_hash = models.CharField(max_length=64)
    coverage = EstimateField(null=True, blank=True)  # of gross exposure
    quality = models.CharField(max_length=8, choices=Quality.choices)
    reason = models.CharField(max_length=40, blank=True)  # why there are no figures
    excluded = models.JSONField(default=list)  # {symbol, reason, exposure}
    warnings = models.JSONField(default=list)
    computed_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "session_date"], name="one_risk_run_per_session"
            )
        ]

    def __str__(self) -> str:
        return f"{self.portfolio_id} {self.session_date} #{self.pk}"


class MetricPartQuerySet(OwnedQuerySet):
    """Parts of risk runs."""

    portfolio_path = "metric__portfolio"


class VarResult(models.Model):
    """One VaR and expected shortfall, dollars, positive for a loss."""

    id = models.BigAutoField(primary_key=True)
    metric = models.ForeignKey(RiskMetric, models.CASCADE, related_name="results")
    method = models.CharField(max_length=20, choices=Method.choices)
    family = models.CharField(max_length=12, choices=Family.choices)
    confidence = EstimateField()
    horizon_days = models.PositiveSmallIntegerField(default=1)
    var = EstimateField(null=True, blank=True)
    expected_shortfall = EstimateField(null=True, blank=True)
    reason = models.CharField(max_length=40, blank=True)

    objects = MetricPartQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["metric", "method", "confidence", "horizon_days"],
                name="one_figure_per_method",
            )
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.confidence} {self.var} #{self.pk}"


class PositionRisk(models.Model):
    """A position's part in the parametric VaR; components sum to it.

    Positions on one underlying have its marginal and share its component by their delta dollars.
    """

    id = models.BigAutoField(primary_key=True)
    metric = models.ForeignKey(RiskMetric, models.CASCADE, related_name="positions")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    exposure = EstimateField(null=True, blank=True)  # signed dollars it is valued at
    delta_exposure = EstimateField(null=True, blank=True)  # signed dollars risk counts
    marginal = EstimateField(null=True, blank=True)
    component = EstimateField(null=True, blank=True)
    share = EstimateField(null=True, blank=True)
    isolated = EstimateField(null=True, blank=True)
    reason = models.CharField(max_length=40, blank=True)

    objects = MetricPartQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["metric", "instrument"], name="one_part_per_position")
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.component} #{self.pk}"
