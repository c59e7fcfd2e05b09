"""The addresses of the roof's endpoints under /api/v1/."""

from etftrader.api import actions, data, house, jobs, market, price_files, raw_data, schedules
from etftrader.core.api.routes import route

roof_urlpatterns = [
    *route("jobs", jobs.Jobs, "api-jobs"),
    *route("jobs/<uuid:job_id>", jobs.OneJob, "api-job"),
    *route("jobs/<uuid:job_id>/items", jobs.JobItems, "api-job-items"),
    *route("jobs/<uuid:job_id>/result", jobs.JobResult, "api-job-result"),
    *route("jobs/<uuid:job_id>/cancel", jobs.CancelJob, "api-job-cancel"),
    *route("jobs/<uuid:job_id>/retry", jobs.RetryJob, "api-job-retry"),
    *route("data/status", data.DataStatus, "api-data-status"),
    *route("data/update", data.DataUpdate, "api-data-update"),
    *route("data/import", price_files.PriceFiles, "api-price-files"),
    *route("data/actions", actions.Actions, "api-actions"),
    *route("data/actions/<uuid:action_id>/reject", actions.RejectAction, "api-action-reject"),
    *route("data/portfolio/<uuid:portfolio_id>/complete", raw_data.Complete, "api-raw-complete"),
    *route(
        "data/portfolio/<uuid:portfolio_id>/data-quality",
        raw_data.PortfolioQuality,
        "api-raw-quality",
    ),
    *route("data/positions/details", raw_data.PositionDetails, "api-raw-positions"),
    *route(
        "data/prices/historical/<uuid:portfolio_id>",
        raw_data.HistoricalPrices,
        "api-raw-history",
    ),
    *route("data/prices/quotes", raw_data.RawQuotes, "api-raw-quotes"),
    *route("data/factors/etf-prices", raw_data.FactorPrices, "api-raw-factors"),
    *route("market/sectors", market.Sectors, "api-market-sectors"),
    *route("market/refresh", market.Refresh, "api-market-refresh"),
    *route(
        "market/options/<str:symbol>/refresh", market.ChainRefresh, "api-market-options-refresh"
    ),
    *route("admin/clock", data.Clock, "api-clock"),
    *route("admin/batch/market-data", data.MarketDataBatch, "api-batch-market-data"),
    *route("admin/batch/greeks", data.GreeksBatch, "api-batch-greeks"),
    *route("admin/batch/risk-metrics", data.RiskBatch, "api-batch-risk-metrics"),
    *route("admin/batch/snapshots", data.SnapshotBatch, "api-batch-snapshots"),
    *route("admin/batch/status", data.BatchStatus, "api-batch-status"),
    *route("schedules", schedules.Schedules, "api-schedules"),
    *route("schedules/<int:schedule_id>", schedules.OneSchedule, "api-schedule"),
    *route("schedules/<int:schedule_id>/run", schedules.RunSchedule, "api-schedule-run"),
    *route("audit", house.Audit, "api-audit"),
    *route("audit/verify", house.AuditVerify, "api-audit-verify"),
    *route("search", house.Search, "api-search"),
    *route("version", house.Version, "api-version"),
    *route("glossary", house.Glossary, "api-glossary"),
    *route("health", house.Health, "api-health"),
]
