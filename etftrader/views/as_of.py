"""The moment a page speaks of: now, or a past session its address names, `?as_of=2016-06-20`."""

from datetime import date

from django.http import HttpRequest

from marketdata.selectors import sessions
from marketdata.selectors.sessions import Moment
from portfolios.models import Portfolio, PortfolioSnapshot
from portfolios.selectors import snapshots

_KEPT, _CLOSE = "_market_moment", "_last_close"


def moment_of(request: HttpRequest) -> Moment:
    """The market clock as this request saw it first: a page and its frame speak of one moment."""
    known: Moment | None = getattr(request, _KEPT, None)
    if known is None:
        known = sessions.moment()
        setattr(request, _KEPT, known)
    return known


def keep_close(request: HttpRequest, snapshot: PortfolioSnapshot | None) -> None:
    """Hand the snapshot of the last close, once read, to the frame around the page."""
    setattr(request, _CLOSE, snapshot)


def last_close(
    request: HttpRequest, portfolio: Portfolio, moment: Moment
) -> PortfolioSnapshot | None:
    """The newest snapshot up to a moment: the one the page has read, else read now."""
    known: PortfolioSnapshot | None = getattr(request, _CLOSE, None)
    if known is not None and known.portfolio_id == portfolio.pk:
        return known
    return snapshots.latest(portfolio_id=portfolio.pk, until=moment.session_date)


def past_session(request: HttpRequest, moment: Moment) -> date | None:
    """The day asked for, when it lies before the last close; else None, which is now."""
    try:
        wanted = date.fromisoformat(request.GET.get("as_of", ""))
    except ValueError:
        return None
    return wanted if wanted < moment.session_date else None
