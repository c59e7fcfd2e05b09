"""The short addresses under /api/ that answer like their canonical ones under /api/v1/."""

from django.urls import path
from django.views.generic import RedirectView

from etftrader.api import data
from etftrader.core.api.routes import route
from marketdata.api import market
from portfolios.api import performance, portfolios, positions
from risk.api import var
from trading.api import trades


class Moved(RedirectView):
    """The description lives in one place; only reads are sent there."""

    http_method_names = ["get", "head", "options"]


alias_urlpatterns = [
    *route("portfolios", portfolios.Portfolios, "alias-portfolios"),
    *route("portfolios/<uuid:portfolio_id>", portfolios.OnePortfolio, "alias-portfolio"),
    *route("positions/<uuid:portfolio_id>", positions.PortfolioPositions, "alias-positions"),
    *route("trades", trades.Trades, "alias-trades"),
    *route("trades/<uuid:portfolio_id>", trades.PortfolioTrades, "alias-portfolio-trades"),
    *route("performance/<uuid:portfolio_id>", performance.Performance, "alias-performance"),
    *route("risk/vix/history", market.VixHistory, "alias-vix-history"),
    *route("risk/<uuid:portfolio_id>", var.Risk, "alias-risk"),
    *route("data/update", data.DataUpdate, "alias-data-update"),
    *route("data/status", data.DataStatus, "alias-data-status"),
    path("docs", Moved.as_view(pattern_name="api-docs"), name="alias-docs"),
    path("redoc", Moved.as_view(pattern_name="api-redoc"), name="alias-redoc"),
    path("openapi.json", Moved.as_view(pattern_name="api-schema"), name="alias-openapi"),
]
