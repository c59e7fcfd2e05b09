"""The moment a page speaks of: now, or the close its address names, `?as_of=2016-06-20`."""

from dataclasses import dataclass
from datetime import date

from django.http import HttpRequest

from marketdata.selectors import calendar, sessions
from marketdata.selectors.sessions import Moment
from portfolios.models import Portfolio, PortfolioSnapshot
from portfolios.selectors import snapshots

_KEPT, _CLOSE, _ASKED = "_market_moment", "_last_close", "_asked_close"


@dataclass(frozen=True, slots=True)
class Asked:
    """A past close somebody asked for."""

    day: date  # as it was asked for
    session: date  # that day, or the last session before it

    @property
    def moved(self) -> bool:
        """Whether the exchange was closed on the day asked for."""
        return self.day != self.session


def moment_of(request: HttpRequest) -> Moment:
    """The market clock as this request saw it first: a page and its frame speak of one moment."""
    known: Moment | None = getattr(request, _KEPT, None)
    if known is None:
        known = sessions.moment()
        setattr(request, _KEPT, known)
    return known


def asked(request: HttpRequest) -> Asked | None:
    """The past close a page was asked for; None is now: no day, none that is a day, none past."""
    if not hasattr(request, _ASKED):
        setattr(request, _ASKED, _read(request))
    found: Asked | None = getattr(request, _ASKED)
    return found


def not_shown(request: HttpRequest, *, remembers: bool) -> str:
    """Why a page shows the present though a day was asked for; empty where it need not say so."""
    text = request.GET.get("as_of", "")
    if not text or (remembers and asked(request)):
        return ""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return "The address asks for a day that is none. Write it like 2016-06-20."
    if day > moment_of(request).current:
        return f"{day:%-d %b %Y} has not come yet."
    if day == moment_of(request).current:
        return ""
    if not remembers:
        return "This page has no past: it shows and changes the present."
    return f"No session of {day:%-d %b %Y} is known: the calendar begins later."


def past_session(request: HttpRequest) -> date | None:
    """The session of the past close a page was asked for; None is now."""
    found = asked(request)
    return found.session if found else None


def shown_moment(request: HttpRequest) -> Moment:
    """The moment a page speaks of: now, or the past close it was asked for."""
    past = past_session(request)
    return moment_of(request) if past is None else sessions.at_close(past)


def kept(request: HttpRequest) -> dict[str, str]:
    """What an address keeps so that it speaks of the same close; nothing of now."""
    past = past_session(request)
    return {"as_of": past.isoformat()} if past else {}


def keep_close(request: HttpRequest, snapshot: PortfolioSnapshot | None) -> None:
    """Hand the snapshot of the last close, once read, to the frame around the page."""
    setattr(request, _CLOSE, snapshot)


def last_close(request: HttpRequest, portfolio: Portfolio, until: date) -> PortfolioSnapshot | None:
    """The newest snapshot up to a session: the one the page has read, else read now."""
    known: PortfolioSnapshot | None = getattr(request, _CLOSE, None)
    if known is not None and known.portfolio_id == portfolio.pk and known.session_date <= until:
        return known
    return snapshots.latest(portfolio_id=portfolio.pk, until=until)


def _read(request: HttpRequest) -> Asked | None:
    try:
        day = date.fromisoformat(request.GET.get("as_of", ""))
    except ValueError:
        return None
    if day >= moment_of(request).current:  # the close before a session that runs is past
        return None
    try:
        return Asked(day, calendar.on_or_before(day))
    except calendar.NotASession:  # before the calendar begins
        return None
