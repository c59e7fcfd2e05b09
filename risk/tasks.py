"""Tasks of risk: ISO strings to values, one call each."""

from datetime import date
from uuid import UUID

from celery import shared_task

from marketdata.selectors import sessions
from portfolios.models import Portfolio
from risk.services import covariance, limits, monitor, stop_loss, var


@shared_task(name="risk.compute_covariance")
def compute_covariance(
    *, session_date: str, portfolio_ids: list[str] | None = None, run_id: str = "", **later: object
) -> dict:
    """The daily matrix of a session; the stressed one when the universe changed."""
    day = date.fromisoformat(session_date)
    daily = covariance.compute_daily(session_date=day)
    stressed = covariance.ensure_stressed(session_date=day)
    return {
        "counts": {"names": len(daily.labels), "observations": daily.observations},
        "covariance": str(daily.pk),
        "stressed": str(stressed.pk),
        "warnings": list(daily.warnings),
    }


@shared_task(name="risk.compute")
def compute(
    *, session_date: str, portfolio_ids: list[str] | None = None, run_id: str = "", **later: object
) -> dict:
    """VaR and expected shortfall of portfolios at a close."""
    found = var.compute(
        portfolio_ids=_portfolios(portfolio_ids), session_date=date.fromisoformat(session_date)
    )
    missing = [str(pk) for pk, metric in found.items() if metric.reason]
    return {"counts": {"portfolios": len(found), "without_var": len(missing)}}


@shared_task(name="risk.check_limits")
def check_limits(
    *, session_date: str, portfolio_ids: list[str] | None = None, run_id: str = "", **later: object
) -> dict:
    """Limits and stops of portfolios at a close."""
    day, asked = date.fromisoformat(session_date), _portfolios(portfolio_ids)
    found = limits.evaluate(portfolio_ids=asked, session_date=day)
    stops = stop_loss.evaluate(portfolio_ids=asked, session_date=day)
    if day == sessions.latest():
        # what the open pages show becomes the close's figures
        monitor.after_close(portfolio_ids=asked, moment=sessions.moment())
    states = [standing.state for each in found.values() for standing in each]
    counts = {state: states.count(state) for state in sorted(set(states))}
    return {"counts": {**counts, **{f"stops_{name}": n for name, n in stops.items()}}}


@shared_task(name="risk.revalue_portfolio")
def revalue_portfolio(*, portfolio_id: str, **later: object) -> None:
    """The live figures of a portfolio whose positions changed."""
    monitor.revalue_one(portfolio_id=UUID(portfolio_id), moment=sessions.moment())


def _portfolios(portfolio_ids: list[str] | None) -> list[UUID]:
    if portfolio_ids is None:
        return list(Portfolio.objects.open().values_list("pk", flat=True))
    return [UUID(each) for each in portfolio_ids]
