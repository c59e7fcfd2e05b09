"""What a portfolio was worth at the close of a session, and each position in it."""

from django.db import models

from etftrader.core.models import EstimateField, ExactField
from marketdata.choices import PriceClass
from marketdata.models import Instrument
from portfolios.choices import Quality, SnapshotKind
from portfolios.models.owned import OwnedQuerySet
from portfolios.models.portfolio import Portfolio


class PortfolioSnapshot(models.Model):
    """One row per portfolio and session, kept for ever. Risk adds its fields when it knows them."""

    id = models.BigAutoField(primary_key=True)
    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="snapshots")
    session_date = models.DateField()
    kind = models.CharField(
        max_length=12, choices=SnapshotKind.choices, default=SnapshotKind.ACTUAL
    )
    revision = models.PositiveSmallIntegerField(default=1)
    nav = ExactField()
    cash = ExactField()
    receivables = ExactField(default=0)  # dividends to come less those to be paid, in `nav`
    long_exposure = ExactField()
    short_exposure = ExactField()
    gross_exposure = ExactField()
    net_exposure = ExactField()
    # options by their delta, netted with their underlying; null where no delta is known at all
    gross_delta_exposure = ExactField(null=True, blank=True)
    net_delta_exposure = ExactField(null=True, blank=True)
    # of the options, those without Greeks left out; null where none is known
    gamma_1pct_dollars = EstimateField(null=True, blank=True)  # of net delta, for a 1 % move
    theta_dollars = EstimateField(null=True, blank=True)  # a calendar day
    vega_dollars = EstimateField(null=True, blank=True)  # a volatility point
    rho_dollars = EstimateField(null=True, blank=True)  # a rate point
    flows = ExactField(default=0)  # external, of this session
    fees = ExactField(default=0)  # of this session
    income = ExactField(default=0)  # dividends of this session, less those owed on shorts
    realized_pnl = ExactField(default=0)  # since opening
    unrealized_pnl = ExactField(default=0)
    daily_pnl = ExactField(default=0)
    daily_return = EstimateField(null=True, blank=True)
    cumulative_pnl = ExactField(default=0)
    twr_index = EstimateField(default=1.0)
    drawdown = EstimateField(default=0.0)  # <= 0, of the index
    identity_gap = ExactField(default=0)
    position_count = models.PositiveIntegerField(default=0)
    coverage = EstimateField(null=True, blank=True)  # of gross exposure, with a current price
    quality = models.CharField(max_length=8, choices=Quality.choices, default=Quality.FULL)
    warnings = models.JSONField(default=list)
    ledger_seq = models.PositiveIntegerField()
    ledger_hash = models.CharField(max_length=64)
    # added by risk
    var_95_1d = EstimateField(null=True, blank=True)
    es_95_1d = EstimateField(null=True, blank=True)
    stressed_var_95_1d = EstimateField(null=True, blank=True)
    volatility_1d = EstimateField(null=True, blank=True)  # dollars
    risk_coverage = EstimateField(null=True, blank=True)
    risk_reason = models.CharField(max_length=40, default="not_computed")  # empty when known
    risk_run = models.UUIDField(null=True, blank=True)
    taken_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "session_date", "kind"], name="one_snapshot_per_session"
            )
        ]
        indexes = [models.Index(fields=["session_date"], name="snapshots_of_session")]

    def __str__(self) -> str:
        return f"{self.portfolio_id} {self.session_date} {self.nav} #{self.pk}"


class PositionSnapshotQuerySet(OwnedQuerySet):
    """Positions of snapshots."""

    portfolio_path = "snapshot__portfolio"


class PositionSnapshot(models.Model):
    """One position in one snapshot; null price and reason where there was none."""

    id = models.BigAutoField(primary_key=True)
    snapshot = models.ForeignKey(PortfolioSnapshot, models.CASCADE, related_name="positions")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    quantity = ExactField()
    cost_basis = ExactField()
    price = ExactField(null=True, blank=True)  # in the instrument's own currency
    # units of the book's currency for one of the instrument's; null where they are the same, and
    # where nobody knew it
    exchange_rate = ExactField(null=True, blank=True, places=12)
    price_session = models.DateField(null=True, blank=True)
    price_class = models.CharField(max_length=8, choices=PriceClass.choices, blank=True)
    exposure = ExactField(null=True, blank=True)
    unrealized_pnl = ExactField(null=True, blank=True)
    daily_pnl = ExactField(null=True, blank=True)
    delta_exposure = ExactField(null=True, blank=True)  # signed dollars
    # of one unit: an option's Greeks, delta 1 of what is no option; null where not known
    delta = EstimateField(null=True, blank=True)
    gamma = EstimateField(null=True, blank=True)
    theta = EstimateField(null=True, blank=True)
    vega = EstimateField(null=True, blank=True)
    rho = EstimateField(null=True, blank=True)
    iv = EstimateField(null=True, blank=True)  # fraction a year
    underlying_price = EstimateField(null=True, blank=True)  # at which the Greeks were taken
    reason = models.CharField(max_length=40, blank=True)
    # as they stood when this row was first written: id, name, kind, colour each; null where they
    # were not kept yet
    tags = models.JSONField(null=True, default=None)

    objects = PositionSnapshotQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["snapshot", "instrument"], name="one_row_per_held_instrument"
            )
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.instrument_id} #{self.pk}"
