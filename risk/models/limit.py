"""Limits as dated rows that are never edited, and what was seen against them."""

from django.db import models
from django.db.models import Q

from etftrader.core.models import Entity, EstimateField, ExactField
from portfolios.models import Portfolio
from portfolios.models.owned import OwnedQuerySet
from risk.choices import Family, LimitState, Measure, Unit


class RiskLimit(Entity):
    """One limit from its `valid_from` on; a change closes it and adds the next."""

    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    measure = models.CharField(max_length=20, choices=Measure.choices)
    family = models.CharField(max_length=12, choices=Family.choices, blank=True)
    confidence = EstimateField(null=True, blank=True)
    horizon_days = models.PositiveSmallIntegerField(null=True, blank=True)
    value = ExactField()
    unit = models.CharField(max_length=8, choices=Unit.choices)
    watch = EstimateField(default=0.8)  # of the limit
    hard = models.BooleanField()
    reason = models.CharField(max_length=300)
    author_id = models.UUIDField(null=True, blank=True)
    author_label = models.CharField(max_length=254)
    valid_from = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    # the market clock at both: what bound at a past close
    binds_as_of = models.DateTimeField()
    ended_as_of = models.DateTimeField(null=True, blank=True)
    replaces = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="replaced_by"
    )

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "measure", "family"],
                condition=Q(closed_at__isnull=True),
                name="one_limit_in_force",
            ),
            models.CheckConstraint(condition=Q(value__gt=0), name="limit_is_positive"),
            models.CheckConstraint(condition=Q(watch__gt=0, watch__lt=1), name="watch_below_limit"),
        ]

    def __str__(self) -> str:
        return f"{self.measure} {self.value} {self.unit} #{self.pk}"


class LimitBreach(models.Model):
    """A change of a limit's state, with the figures of that moment. Append-only."""

    id = models.BigAutoField(primary_key=True)
    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    limit = models.ForeignKey(
        RiskLimit, models.PROTECT, null=True, blank=True, related_name="breaches"
    )
    measure = models.CharField(max_length=20, choices=Measure.choices)
    from_state = models.CharField(max_length=8, choices=LimitState.choices)
    to_state = models.CharField(max_length=8, choices=LimitState.choices)
    observed = EstimateField()
    threshold = EstimateField()
    session_date = models.DateField()
    as_of = models.DateTimeField()
    simulated = models.BooleanField(default=False)
    recorded_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.measure} {self.to_state} {self.session_date} #{self.pk}"
