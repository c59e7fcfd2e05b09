"""Addresses of the pages of people and books."""

from django.urls import path

from portfolios.account_urls import account_urls
from portfolios.views import imports, portfolios

book_urls = [
    path("portfolios/", portfolios.PortfoliosPage.as_view(), name="portfolios"),
    path("portfolios/new/", portfolios.NewPortfolio.as_view(), name="portfolio_create"),
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

urlpatterns = [*account_urls, *book_urls]
