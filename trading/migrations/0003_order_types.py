"""Limit, stop and waiting orders."""

from decimal import Decimal
from typing import Any, ClassVar

from django.db import migrations, models

from etftrader.core.fields import EstimateField, ExactField
from etftrader.core.triggers import append_only

ORDER_TYPES = [
    ("market", "Market"),
    ("limit", "Limit"),
    ("stop", "Stop"),
    ("stop_limit", "Stop-limit"),
    ("market_on_close", "Market on close"),
]
PRESETS = [
    ("default", "Default"),
    ("simple", "Simple, 5 bp"),
    ("zero", "No costs"),
    ("options", "Options, 0.65 a contract"),
    ("custom", "Own figures"),
]
SOURCES = [
    ("SIM", "Sim"),
    ("quote", "Quote"),
    ("close", "Close"),
    ("open", "Open"),
    ("range", "Range"),
    ("booked", "Booked"),
]
LIMIT = models.Q(limit_price__isnull=False, limit_price__gt=0)
STOP = models.Q(stop_price__isnull=False, stop_price__gt=0)
PRICED = (
    models.Q(
        order_type__in=("market", "market_on_close"),
        limit_price__isnull=True,
        stop_price__isnull=True,
    )
    | models.Q(order_type="limit", stop_price__isnull=True) & LIMIT
    | models.Q(order_type="stop", limit_price__isnull=True) & STOP
    | models.Q(order_type="stop_limit") & LIMIT & STOP
)


def name_own_figures(apps: Any, editor: Any) -> None:
    """Rows from before there were presets hold figures of their own."""
    rows = apps.get_model("trading", "CostModel")._base_manager
    rows.filter(preset="default").update(preset="custom")


class Migration(migrations.Migration):
    """Limit, stop and waiting orders."""

    dependencies: ClassVar = [("trading", "0002_append_only")]
    operations: ClassVar = [
        migrations.RemoveConstraint(model_name="trade", name="a_bar_fills_an_order_once"),
        migrations.AddConstraint(
            model_name="trade",
            constraint=models.UniqueConstraint(
                condition=models.Q(("reverses__isnull", True)),
                fields=("order", "executed_at"),
                name="a_bar_fills_an_order_once",
            ),
        ),
        migrations.AlterField(
            model_name="trade",
            name="price_source",
            field=models.CharField(choices=SOURCES, max_length=8),
        ),
        append_only("trading_trade"),
        migrations.AlterField(
            model_name="order",
            name="order_type",
            field=models.CharField(choices=ORDER_TYPES, default="market", max_length=16),
        ),
        migrations.AlterField(
            model_name="order",
            name="time_in_force",
            field=models.CharField(
                choices=[("day", "Day"), ("gtc", "Good till cancelled")],
                default="day",
                max_length=4,
            ),
        ),
        migrations.AddField(
            model_name="order", name="limit_price", field=ExactField(blank=True, null=True)
        ),
        migrations.AddField(
            model_name="order", name="stop_price", field=ExactField(blank=True, null=True)
        ),
        migrations.AddField(
            model_name="order",
            name="triggered_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="replaced_as_of",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(condition=PRICED, name="order_type_has_its_prices"),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(triggered_at__isnull=True)
                | models.Q(order_type__in=("stop", "stop_limit")),
                name="only_a_stop_is_triggered",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(time_in_force__in=["day", "gtc"])
                & (models.Q(time_in_force="day") | ~models.Q(order_type="market_on_close")),
                name="order_time_in_force",
            ),
        ),
        migrations.AddField(
            model_name="costmodel",
            name="commission_per_contract",
            field=ExactField(default=Decimal("0.65")),
        ),
        migrations.AlterField(
            model_name="costmodel",
            name="half_spread_bp",
            field=EstimateField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="costmodel",
            name="preset",
            field=models.CharField(choices=PRESETS, default="custom", max_length=16),
        ),
        migrations.AddConstraint(
            model_name="costmodel",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    commission_per_trade__gte=0,
                    commission_per_share__gte=0,
                    commission_minimum__gte=0,
                    commission_per_contract__gte=0,
                    impact_y__gte=0,
                    max_participation__gt=0,
                    max_participation__lte=1,
                )
                & (models.Q(half_spread_bp__isnull=True) | models.Q(half_spread_bp__gte=0)),
                name="costs_are_not_negative",
            ),
        ),
        migrations.RunPython(name_own_figures, migrations.RunPython.noop),
    ]
