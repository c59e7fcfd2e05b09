"""Addresses of the books under /api/v1; those of people and access stand in auth_urls."""

from etftrader.core.api.routes import route
from portfolios.api import cash, greeks, imports, portfolios, positions, reports, watchlists
from portfolios.api.auth_urls import auth_urlpatterns

ONE = "portfolios/<uuid:portfolio_id>"

book_urlpatterns = [
    *route("portfolios", portfolios.Portfolios, "api-portfolios"),
    *route(ONE, portfolios.OnePortfolio, "api-portfolio"),
    *route(f"{ONE}/summary", reports.Summary, "api-portfolio-summary"),
    *route(f"{ONE}/exposures", reports.Exposures, "api-portfolio-exposures"),
    *route(f"{ONE}/performance", reports.Performance, "api-portfolio-performance"),
    *route(f"{ONE}/history", reports.History, "api-portfolio-history"),
    *route(f"{ONE}/data-quality", reports.DataQuality, "api-portfolio-data-quality"),
    *route(f"{ONE}/greeks", greeks.Greeks, "api-portfolio-greeks"),
    *route(f"{ONE}/greeks/calculate", greeks.CalculateGreeks, "api-portfolio-greeks-calculate"),
    *route(f"{ONE}/greeks/<str:underlying>", greeks.UnderlyingGreeks, "api-portfolio-greeks-one"),
    *route(f"{ONE}/positions", positions.PortfolioPositions, "api-portfolio-positions"),
    *route(f"{ONE}/cash", cash.Cash, "api-portfolio-cash"),
    *route(f"{ONE}/cash/<uuid:transaction_id>", cash.OneCash, "api-portfolio-cash-one"),
    *route(
        f"{ONE}/cash/<uuid:transaction_id>/reverse", cash.Reversal, "api-portfolio-cash-reverse"
    ),
    *route(f"{ONE}/snapshots", cash.Snapshots, "api-portfolio-snapshots"),
    *route(f"{ONE}/upload", imports.Upload, "api-portfolio-upload"),
    *route(f"{ONE}/imports", imports.PortfolioImports, "api-portfolio-imports"),
    *route(f"{ONE}/halt", portfolios.Halt, "api-portfolio-halt"),
    *route(f"{ONE}/resume", portfolios.Resume, "api-portfolio-resume"),
    *route("imports", imports.Imports, "api-imports"),
    *route("imports/<uuid:import_id>", imports.OneImport, "api-import"),
    *route("imports/<uuid:import_id>/rows", imports.ImportRows, "api-import-rows"),
    *route("imports/<uuid:import_id>/errors.csv", imports.ImportErrors, "api-import-errors"),
    *route("imports/<uuid:import_id>/commit", imports.CommitImport, "api-import-commit"),
    *route("positions", positions.Positions, "api-positions"),
    *route("positions/<uuid:position_id>", positions.OnePosition, "api-position"),
    *route("accounts", positions.Accounts, "api-accounts"),
    *route("accounts/<uuid:account_id>", positions.OneAccount, "api-account"),
    *route("watchlists", watchlists.Watchlists, "api-watchlists"),
    *route("watchlists/batch", watchlists.WatchlistBatch, "api-watchlists-batch"),
    *route("watchlists/<uuid:watchlist_id>", watchlists.OneWatchlist, "api-watchlist"),
    *route("watchlist-items", watchlists.WatchlistItems, "api-watchlist-items"),
    *route("watchlist-items/batch", watchlists.WatchlistItemBatch, "api-watchlist-items-batch"),
    *route("watchlist-items/<uuid:item_id>", watchlists.OneWatchlistItem, "api-watchlist-item"),
    *route("portfolio", positions.Default, "api-default-portfolio"),
    *route("portfolio/exposures", positions.DefaultExposures, "api-default-exposures"),
    *route("portfolio/performance", positions.DefaultPerformance, "api-default-performance"),
    *route("portfolio/upload", imports.DefaultUpload, "api-default-upload"),
]

urlpatterns = [*auth_urlpatterns, *book_urlpatterns]
