"""Addresses of risk below /api/v1/."""

from etftrader.core.api.routes import route
from risk.api import alerts, covariance, limits, stop_loss, var

urlpatterns = [
    *route("portfolios/<uuid:portfolio_id>/risk", var.Risk, "api-risk"),
    *route("portfolios/<uuid:portfolio_id>/risk/var", var.Var, "api-risk-var"),
    *route("portfolios/<uuid:portfolio_id>/risk/components", var.Components, "api-risk-components"),
    *route("portfolios/<uuid:portfolio_id>/risk/limits", limits.Limits, "api-risk-limits"),
    *route(
        "portfolios/<uuid:portfolio_id>/risk/limits/<uuid:limit_id>", limits.Limit, "api-risk-limit"
    ),
    *route("portfolios/<uuid:portfolio_id>/stop-loss", stop_loss.StopLoss, "api-stop-loss"),
    *route(
        "portfolios/<uuid:portfolio_id>/stop-loss/events",
        stop_loss.PortfolioStopEvents,
        "api-portfolio-stop-events",
    ),
    *route(
        "portfolios/<uuid:portfolio_id>/pre-trade-checks",
        var.PreTradeChecks,
        "api-pre-trade-checks",
    ),
    *route("alerts", alerts.Alerts, "api-alerts"),
    *route("alerts/<uuid:alert_id>", alerts.OneAlert, "api-alert"),
    *route("alerts/<uuid:alert_id>/acknowledge", alerts.Acknowledge, "api-alert-acknowledge"),
    *route("covariance", covariance.Covariance, "api-covariance"),
    *route("covariance/stressed", covariance.StressedCovariance, "api-covariance-stressed"),
    *route("risk/limits", limits.AllLimits, "api-all-limits"),
    *route("risk/breaches", limits.Breaches, "api-breaches"),
    *route("stop-loss/events", stop_loss.StopEvents, "api-stop-events"),
]
