"""Pages of risk."""

from django.urls import path

from risk.views import alerts, limits, risk

urlpatterns = [
    path("portfolios/<uuid:portfolio_id>/risk/", risk.RiskPage.as_view(), name="risk"),
    path(
        "portfolios/<uuid:portfolio_id>/risk/limits/",
        limits.LimitsPage.as_view(),
        name="risk_limits",
    ),
    path("alerts/", alerts.AlertsPage.as_view(), name="alerts"),
    path(
        "alerts/<uuid:alert_id>/acknowledge/",
        alerts.AcknowledgeAlert.as_view(),
        name="alert_acknowledge",
    ),
]
