"""Greeks of a contract: one row a session, however many books hold it."""

from django.db import models

from etftrader.core.models import EstimateField, SharedQuerySet
from marketdata.choices import VolSource
from marketdata.models.contract import OptionContract


class OptionGreeks(models.Model):
    """Price and sensitivities of one contract at one close; null figures have a reason."""

    id = models.BigAutoField(primary_key=True)
    contract = models.ForeignKey(OptionContract, models.CASCADE, related_name="greeks")
    session_date = models.DateField()
    price = EstimateField(null=True)  # dollars a share, of the model
    delta = EstimateField(null=True)  # per share, call 0…1, put -1…0
    gamma = EstimateField(null=True)  # per dollar
    theta = EstimateField(null=True)  # dollars a calendar day
    vega = EstimateField(null=True)  # dollars a volatility point
    rho = EstimateField(null=True)  # dollars a rate point
    iv = EstimateField(null=True)  # fraction a year
    vol_source = models.CharField(max_length=24, choices=VolSource.choices, blank=True)
    underlying_price = EstimateField(null=True)
    rate = EstimateField(null=True)  # continuous
    dividend_yield = EstimateField(null=True)  # continuous
    t_years = EstimateField(null=True)
    model = models.CharField(max_length=8, blank=True)  # bsm, lr201, linear
    reason = models.CharField(max_length=24, blank=True)
    flags = models.JSONField(default=list)  # fallbacks and doubts, such as asynchronous
    run_id = models.UUIDField(null=True, blank=True)

    objects = SharedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "option greeks"
        constraints = [
            models.UniqueConstraint(fields=["contract", "session_date"], name="greeks_once")
        ]
        indexes = [models.Index(fields=["session_date"], name="greeks_of_session")]

    def __str__(self) -> str:
        return f"{self.contract_id} {self.session_date} {self.delta} #{self.pk}"
