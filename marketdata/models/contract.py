"""Terms of listed options and of bonds; each has an instrument, which is what positions hold."""

from django.db import models
from django.db.models import Q

from etftrader.core.models import Entity, EstimateField, ExactField, SharedQuerySet
from marketdata.choices import DayCount, ExerciseStyle, OptionRight, Settlement
from marketdata.models.instrument import Instrument


class OptionContract(Entity):
    """One listed option. Its instrument's symbol is the compact OCC form."""

    instrument = models.OneToOneField(Instrument, models.PROTECT, related_name="option")
    underlying = models.ForeignKey(Instrument, models.PROTECT, related_name="options")
    root = models.CharField(max_length=6)
    expiry = models.DateField()
    strike = ExactField(places=4)
    right = models.CharField(max_length=4, choices=OptionRight.choices)
    style = models.CharField(
        max_length=8, choices=ExerciseStyle.choices, default=ExerciseStyle.AMERICAN
    )
    settlement = models.CharField(
        max_length=8, choices=Settlement.choices, default=Settlement.PHYSICAL
    )
    am_settled = models.BooleanField(default=False)  # expires at the open of its last day
    adjusted = models.BooleanField(default=False)  # terms changed by a corporate action

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["underlying", "root", "expiry", "strike", "right"],
                name="contract_once",
            ),
            models.CheckConstraint(condition=Q(strike__gt=0), name="strike_is_positive"),
        ]
        indexes = [
            models.Index(fields=["underlying", "expiry"], name="chain_of_underlying"),
            models.Index(fields=["root", "expiry", "strike", "right"], name="contracts_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.root} {self.expiry} {self.right} {self.strike} #{self.pk}"


class Bond(Entity):
    """One fixed-rate bond. Prices are clean, per 100 of face value."""

    instrument = models.OneToOneField(Instrument, models.PROTECT, related_name="bond")
    face_value = ExactField(default=100)
    coupon_rate = EstimateField()  # fraction of face value a year
    frequency = models.PositiveSmallIntegerField(default=2)  # coupons a year
    basis = models.CharField(max_length=8, choices=DayCount.choices, default=DayCount.ACT_ACT)
    maturity = models.DateField()
    issued = models.DateField(null=True, blank=True)
    ytm = EstimateField(null=True, blank=True)  # as stated by its source, fraction a year

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(face_value__gt=0), name="face_value_is_positive"),
            models.CheckConstraint(condition=Q(coupon_rate__gte=0), name="coupon_not_negative"),
            models.CheckConstraint(
                condition=Q(frequency__in=(1, 2, 4, 12)), name="coupon_frequency_is_known"
            ),
            models.CheckConstraint(
                condition=Q(basis__in=DayCount.values), name="day_count_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.coupon_rate:.4%} {self.maturity} #{self.pk}"
