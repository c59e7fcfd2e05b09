"""Addresses of the pages of people and books."""

from django.urls import path

from portfolios.account_urls import account_urls
from portfolios.views import greeks, imports, portfolios, watchlists

book_urls = [
    path("portfolios/", portfolios.PortfoliosPage.as_view(), name="portfolios"),
    path("portfolios/new/", portfolios.NewPortfolio.as_view(), name="portfolio_create"),
    path("portfolios/<uuid:portfolio_id>/greeks/", greeks.GreeksPage.as_view(), name="greeks"),
    path(
        "portfolios/<uuid:portfolio_id>/greeks/calculate/",
        greeks.CalculatePage.as_view(),
        name="greeks_calculate",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/greeks/<str:underlying>/",
        greeks.UnderlyingPage.as_view(),
        name="greeks_underlying",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/cash/",
        portfolios.CashPage.as_view(),
        name="portfolio_cash",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/settings/",
        portfolios.SettingsPage.as_view(),
        name="portfolio_settings",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/close/",
        portfolios.ClosePortfolio.as_view(),
        name="portfolio_close",
    ),
    path("import/", imports.ImportsPage.as_view(), name="imports"),
    path("import/template.csv", imports.TemplateFile.as_view(), name="import_template"),
    path("import/<uuid:import_id>/", imports.ImportPage.as_view(), name="import_detail"),
    path("import/<uuid:import_id>/commit/", imports.CommitPage.as_view(), name="import_commit"),
    path("import/<uuid:import_id>/discard/", imports.DiscardPage.as_view(), name="import_discard"),
    path("import/<uuid:import_id>/errors.csv", imports.ErrorsFile.as_view(), name="import_errors"),
]

watchlist_urls = [
    path("watchlists/", watchlists.WatchlistsPage.as_view(), name="watchlists"),
    path("watchlists/new/", watchlists.NewWatchlist.as_view(), name="watchlist_new"),
    path("watchlists/<uuid:watchlist_id>/", watchlists.WatchlistsPage.as_view(), name="watchlist"),
    path(
        "watchlists/<uuid:watchlist_id>/symbols/",
        watchlists.AddSymbols.as_view(),
        name="watchlist_add",
    ),
    path(
        "watchlists/<uuid:watchlist_id>/arrange/",
        watchlists.Arrange.as_view(),
        name="watchlist_arrange",
    ),
    path(
        "watchlists/<uuid:watchlist_id>/rename/",
        watchlists.RenameWatchlist.as_view(),
        name="watchlist_rename",
    ),
    path(
        "watchlists/<uuid:watchlist_id>/delete/",
        watchlists.DeleteWatchlist.as_view(),
        name="watchlist_delete",
    ),
    *(
        path(
            f"watchlists/symbols/<uuid:item_id>/{act}/",
            watchlists.OneSymbol.as_view(),
            {"act": act},
            name=f"watchlist_symbol_{act}",
        )
        for act in ("replace", "retry", "remove")
    ),
]

urlpatterns = [*account_urls, *book_urls, *watchlist_urls]
