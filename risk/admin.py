"""The admin of risk: everything here is computed or append-only, so it is shown and never typed."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from etftrader.core.admin import ReadOnlyAdmin
from risk.models import (
    Alert,
    CovarianceSnapshot,
    LimitBreach,
    PositionRisk,
    PreTradeCheck,
    RiskLimit,
    RiskMetric,
    StopEvent,
    StopLossLevel,
    StopLossRule,
    VarResult,
)


class VarResultInline(admin.TabularInline):
    """The figures of a run."""

    model = VarResult
    extra = 0
    can_delete = False
    fields = (
        "method",
        "family",
        "confidence",
        "horizon_days",
        "var",
        "expected_shortfall",
        "reason",
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds."""
        return False


@admin.register(CovarianceSnapshot)
class CovarianceAdmin(ReadOnlyAdmin):
    """Matrices with their facts; the numbers themselves are an endpoint's business."""

    list_display = (
        "session_date",
        "kind",
        "observations",
        "condition_number",
        "revision",
        "method",
    )
    list_filter = ("kind",)
    ordering = ("-session_date", "kind")
    exclude = ("matrix",)


@admin.register(RiskMetric)
class RiskMetricAdmin(ReadOnlyAdmin):
    """Runs."""

    list_display = ("session_date", "portfolio", "equity", "coverage", "quality", "reason", "as_of")
    list_filter = ("quality", "session_date")
    list_select_related = ("portfolio",)
    ordering = ("-session_date", "pk")
    inlines = (VarResultInline,)


@admin.register(VarResult)
class VarResultAdmin(ReadOnlyAdmin):
    """Figures per method."""

    list_display = ("metric", "method", "confidence", "horizon_days", "var", "expected_shortfall")
    list_filter = ("method",)
    list_select_related = ("metric",)
    ordering = ("-pk",)


@admin.register(PositionRisk)
class PositionRiskAdmin(ReadOnlyAdmin):
    """Parts per position."""

    list_display = (
        "metric", "instrument", "exposure", "delta_exposure", "component", "share", "reason",
    )  # fmt: skip
    list_select_related = ("metric", "instrument")
    ordering = ("-pk",)


@admin.register(RiskLimit)
class RiskLimitAdmin(ReadOnlyAdmin):
    """Dated rows; a limit is changed on the portfolio's limits page, with its reason."""

    list_display = ("portfolio", "measure", "value", "unit", "hard", "valid_from", "closed_at")
    list_filter = ("measure", "hard")
    list_select_related = ("portfolio",)
    search_fields = ("reason", "author_label")
    ordering = ("-valid_from", "pk")


@admin.register(LimitBreach)
class LimitBreachAdmin(ReadOnlyAdmin):
    """Changes of a limit's state."""

    list_display = ("as_of", "portfolio", "measure", "from_state", "to_state", "observed")
    list_filter = ("to_state", "measure", "simulated")
    list_select_related = ("portfolio",)
    ordering = ("-as_of", "-pk")


@admin.register(PreTradeCheck)
class PreTradeCheckAdmin(ReadOnlyAdmin):
    """Every verdict, kept."""

    list_display = ("created_at", "portfolio", "context", "status", "side", "quantity", "symbol")
    list_filter = ("status", "context")
    list_select_related = ("portfolio",)
    search_fields = ("symbol",)
    ordering = ("-created_at", "pk")


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """Alerts; a person acknowledges on the alerts page."""

    list_display = ("last_seen", "portfolio", "severity", "state", "title", "count", "session_date")
    list_filter = ("state", "severity", "kind")
    list_select_related = ("portfolio",)
    search_fields = ("title", "symbol")
    ordering = ("-last_seen", "pk")


@admin.register(StopLossRule)
class StopLossRuleAdmin(ReadOnlyAdmin):
    """How stops work in a portfolio."""

    list_display = ("portfolio", "enabled", "mode", "ratchet", "updated_at")
    list_select_related = ("portfolio",)
    ordering = ("pk",)


@admin.register(StopLossLevel)
class StopLossLevelAdmin(ReadOnlyAdmin):
    """Where stops stand."""

    list_display = (
        "portfolio",
        "instrument",
        "stop_price",
        "close",
        "distance",
        "state",
        "session_date",
    )
    list_filter = ("state",)
    list_select_related = ("portfolio", "instrument")
    ordering = ("distance", "pk")


@admin.register(StopEvent)
class StopEventAdmin(ReadOnlyAdmin):
    """What happened to stops."""

    list_display = ("session_date", "portfolio", "instrument", "kind", "close", "stop_price")
    list_filter = ("kind",)
    list_select_related = ("portfolio", "instrument")
    ordering = ("-session_date", "-pk")
