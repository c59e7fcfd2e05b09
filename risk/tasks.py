"""Tasks of risk: ISO strings to values, one call each."""

from datetime import date
from uuid import UUID

from celery import shared_task

from etftrader.core.errors import NotEnoughData
from etftrader.core.jobs import InParts
from marketdata.selectors import sessions
from portfolios.models import Portfolio
from portfolios.selectors import holdings
from risk.services import covariance, limits, monitor, revaluations, stop_loss, var


@shared_task(name="risk.compute_covariance")
def compute_covariance(
    *, session_date: str, portfolio_ids: list[str] | None = None, run_id: str = "", **later: object
) -> dict:
    """The daily matrix of a session; the stressed one when the universe changed.

    Before anything is held and has a history there is none, and nobody has to see to it.
    """
    day = date.fromisoformat(session_date)
    try:
        daily = covariance.compute_daily(session_date=day)
    except NotEnoughData as reason:
        if holdings.anything_held():
            raise
        return {"counts": {"names": 0}, "covariance": None, "reason": reason.code}
    stressed = covariance.ensure_stressed(session_date=day)
    return {
        "counts": {"names": len(daily.labels), "observations": daily.observations},
        "covariance": str(daily.pk),
        "stressed": str(stressed.pk),
        "warnings": list(daily.warnings),
    }


@shared_task(name="risk.compute", base=InParts)
def compute(
    *,
    session_date: str,
    portfolio_ids: list[str] | None = None,
    run_id: str = "",
    start: str = "",
    **later: object,
) -> dict:
    """VaR and expected shortfall at a close; with `start`, of the closes since that lack them."""
    day, asked = date.fromisoformat(session_date), _portfolios(portfolio_ids)
    if start:
        since = date.fromisoformat(start)
        return {"counts": var.compute_lacking(portfolio_ids=asked, start=since, until=day)}
    found = var.compute(portfolio_ids=asked, session_date=day)
    missing = [str(pk) for pk, metric in found.items() if metric.reason]
    return {"counts": {"portfolios": len(found), "without_var": len(missing)}}


@shared_task(name="risk.check_limits", base=InParts)
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
    """The live figures of a portfolio whose positions changed; and of revised closes, later."""
    key, moment = UUID(portfolio_id), sessions.moment()
    monitor.revalue_one(portfolio_id=key, moment=moment)
    var.measure_later(portfolio_ids=[key], until=moment.session_date)


@shared_task(name="risk.revalue_holders")
def revalue_holders(
    *, instrument_ids: str, since: str = "", newest: str = "yes", **later: object
) -> None:
    """The figures of the books that hold names, or options on them, whose price is another one.

    The live ones at once, where it is the newest price; the stored closes are requested: those
    since a session in which a price was in doubt, else those that had no price.
    """
    revaluations.begin(
        instrument_ids=[UUID(each) for each in instrument_ids.split(",")],
        since=date.fromisoformat(since) if since else None,
        newest=bool(newest),
    )


@shared_task(name=revaluations.JOB)
def retake_closes(
    *,
    session_date: str,
    doubted: dict[str, str],
    arrived: list[str],
    books: dict[str, str],
    live: list[str],
    failed: dict[str, int] | None = None,
    only: list[str] | None = None,
    run_id: str = "",
    **later: object,
) -> dict:
    """Stored closes of books whose names are in doubt, or no more, or have a price at last."""
    return revaluations.retake(
        doubted=_days(doubted),
        arrived=[UUID(each) for each in arrived],
        books=_days(books),
        live=[UUID(each) for each in live],
        failed={UUID(key): runs for key, runs in (failed or {}).items()},
        only=only or (),
    )


def _days(told: dict[str, str]) -> dict[UUID, date]:
    return {UUID(key): date.fromisoformat(day) for key, day in told.items()}


def _portfolios(portfolio_ids: list[str] | None) -> list[UUID]:
    if portfolio_ids is None:
        return list(Portfolio.objects.open().values_list("pk", flat=True))
    return [UUID(each) for each in portfolio_ids]
