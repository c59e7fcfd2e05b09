"""Addresses of the pages of people and books."""

from django.urls import include, path

from portfolios.account_urls import account_urls
from portfolios.views import (
    cash,
    compare,
    greeks,
    import_edits,
    imports,
    performance,
    portfolios,
    position,
    sharing,
    tags,
    tags_on_positions,
    watchlists,
)

book_urls = [
    path("portfolios/", portfolios.PortfoliosPage.as_view(), name="portfolios"),
    path("portfolios/compare/", compare.ComparePage.as_view(), name="portfolio_compare"),
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
        "portfolios/<uuid:portfolio_id>/performance/",
        performance.PerformancePage.as_view(),
        name="performance",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/performance/benchmarks/",
        performance.BenchmarksPage.as_view(),
        name="performance_benchmarks",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/cash/",
        cash.CashPage.as_view(),
        name="portfolio_cash",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/cash/<int:seq>/reverse/",
        cash.ReversePage.as_view(),
        name="cash_reverse",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/transfer/",
        cash.TransferPage.as_view(),
        name="portfolio_transfer",
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
    path(
        "portfolios/<uuid:portfolio_id>/reopen/",
        portfolios.ReopenPortfolio.as_view(),
        name="portfolio_reopen",
    ),
    path("import/", imports.ImportsPage.as_view(), name="imports"),
    path("import/template.csv", imports.TemplateFile.as_view(), name="import_template"),
    path("import/<uuid:import_id>/", imports.ImportPage.as_view(), name="import_detail"),
    path("import/<uuid:import_id>/map/", import_edits.MapPage.as_view(), name="import_map"),
    path(
        "import/<uuid:import_id>/rows/<int:row>/",
        import_edits.FixPage.as_view(),
        name="import_fix",
    ),
    path(
        "import/<uuid:import_id>/rows/<int:row>/lookup/",
        import_edits.LookUpPage.as_view(),
        name="import_look_up",
    ),
    path(
        "import/<uuid:import_id>/duplicates/",
        import_edits.DuplicatesPage.as_view(),
        name="import_duplicates",
    ),
    path("import/<uuid:import_id>/undo/", imports.UndoPage.as_view(), name="import_undo"),
    path("import/<uuid:import_id>/commit/", imports.CommitPage.as_view(), name="import_commit"),
    path("import/<uuid:import_id>/discard/", imports.DiscardPage.as_view(), name="import_discard"),
    path("import/<uuid:import_id>/errors.csv", imports.ErrorsFile.as_view(), name="import_errors"),
]

sharing_urls = [
    path("<uuid:portfolio_id>/sharing/", sharing.SharingPage.as_view(), name="sharing"),
    path(
        "<uuid:portfolio_id>/sharing/hand-over/",
        sharing.HandOver.as_view(),
        name="sharing_hand_over",
    ),
    path("<uuid:portfolio_id>/sharing/leave/", sharing.Leave.as_view(), name="sharing_leave"),
    path(
        "<uuid:portfolio_id>/sharing/members/<uuid:member_id>/",
        sharing.ChangeMember.as_view(),
        name="sharing_change",
    ),
    path(
        "<uuid:portfolio_id>/sharing/members/<uuid:member_id>/end/",
        sharing.EndMember.as_view(),
        name="sharing_end",
    ),
    path(
        "<uuid:portfolio_id>/sharing/invitations/<uuid:invitation_id>/withdraw/",
        sharing.Withdraw.as_view(),
        name="sharing_withdraw",
    ),
    path(
        "<uuid:portfolio_id>/sharing/invitations/<uuid:invitation_id>/send-again/",
        sharing.SendAgain.as_view(),
        name="sharing_send_again",
    ),
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

tag_urls = [
    path("tags/", tags.TagsPage.as_view(), name="tags"),
    *(
        path(f"tags/<uuid:tag_id>/{act}/", tags.OneTag.as_view(), {"act": act}, name=f"tag_{act}")
        for act in ("save", "archive", "restore")
    ),
    path("positions/<uuid:position_id>/", position.PositionHere.as_view(), name="position_here"),
    path(
        "positions/<uuid:position_id>/tags/",
        tags_on_positions.PositionTags.as_view(),
        name="position_tags",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/positions/tag/",
        tags_on_positions.PositionsTag.as_view(),
        name="positions_tag",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/positions/view/",
        tags_on_positions.SaveView.as_view(),
        name="view_save",
    ),
    path(
        "portfolios/<uuid:portfolio_id>/positions/<uuid:position_id>/",
        position.PositionPage.as_view(),
        name="position",
    ),
]

urlpatterns = [
    *account_urls,
    *book_urls,
    path("portfolios/", include(sharing_urls)),
    *watchlist_urls,
    *tag_urls,
]
