"""Every prefix: pages, /api/v1, /api (oldest aliases), /admin, /health."""

from django.contrib import admin
from django.urls import include, path

from etftrader.api.aliases import alias_urlpatterns
from etftrader.api.description import description_urlpatterns
from etftrader.api.urls import roof_urlpatterns
from etftrader.core.api.routes import nowhere
from etftrader.views import (
    actions,
    chain_fetch,
    dashboard,
    data,
    health,
    icon,
    jobs,
    overview,
    positions,
    price_files,
    quarantine,
    quote_chain,
    reports,
    schedules,
    update,
    words,
)
from etftrader.views import quote as quotes
from etftrader.views.styleguide import styleguide

pages = [
    path("", dashboard.dashboard, name="dashboard"),
    path("portfolios/<uuid:portfolio_id>/", overview.overview, name="overview"),
    path("portfolios/<uuid:portfolio_id>/positions/", positions.positions, name="positions"),
    path("quotes/", quotes.find, name="quotes"),
    path("quotes/<str:symbol>/", quotes.quote, name="quote"),
    path("quotes/<str:symbol>/options/", quote_chain.options, name="quote_options"),
    path("quotes/<str:symbol>/options/fetch/", chain_fetch.fetch, name="chain_fetch"),
    path("data/", data.data, name="data"),
    path("data/advance/", data.advance, name="advance"),
    path("data/update/", update.data_update, name="data_update"),
    path("data/import/", price_files.page, name="price_files"),
    path("data/quarantine/", quarantine.held, name="quarantine"),
    path("data/quarantine/decide/", quarantine.decide, name="quarantine_decide"),
    path("data/quarantine/<uuid:doubt_id>/", quarantine.doubt, name="doubt"),
    path("data/actions/", actions.actions, name="actions"),
    path("data/actions/new/", actions.enter, name="action_new"),
    path("data/actions/<uuid:action_id>/reject/", actions.reject, name="action_reject"),
    path("schedules/", schedules.schedules, name="schedules"),
    path("schedules/<int:schedule_id>/", schedules.schedule, name="schedule"),
    path("schedules/<int:schedule_id>/run/", schedules.run, name="schedule_run"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/<uuid:job_id>/", jobs.job, name="job_detail"),
    path("jobs/<uuid:job_id>/retry/", jobs.retry, name="job_retry"),
    path("jobs/<uuid:job_id>/retry-failed/", jobs.mend, name="job_mend"),
    path("jobs/<uuid:job_id>/cancel/", jobs.cancel, name="job_cancel"),
    path("reports/", reports.page, name="reports"),
    path("reports/<uuid:report_id>/download/", reports.download, name="report_download"),
    *(
        path(f"reports/<uuid:report_id>/{act}/", reports.act, {"act": act}, name=f"report_{act}")
        for act in ("again", "remove")
    ),
    path("reports/schedules/<uuid:schedule_id>/end/", reports.unschedule, name="report_unschedule"),
    path("glossary/", words.glossary, name="glossary"),
    path("favicon.ico", icon.favicon, name="favicon"),
    path("styleguide/", styleguide, name="styleguide"),
]

urlpatterns = [
    *pages,
    path("", include("portfolios.urls")),
    path("", include("risk.urls")),
    path("", include("trading.urls")),
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
    path("health/deep", health.deep, name="health_deep"),
    path("healthz", health.ready, name="healthz"),
    path("admin/", admin.site.urls),
    path(
        "api/v1/",
        include(
            [
                path("", include("portfolios.api.urls")),
                path("", include("marketdata.api.urls")),
                path("", include("risk.api.urls")),
                path("", include("trading.api.urls")),
                *description_urlpatterns,
                *roof_urlpatterns,
            ]
        ),
    ),
    path("api/", include(alias_urlpatterns)),
    nowhere,
]

handler400 = "etftrader.views.refused.bad_request"
