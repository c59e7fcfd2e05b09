"""Yields, the VIX and the exchange's calendar."""

from datetime import date, timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from etftrader.core.api import parameters
from etftrader.core.api.fields import moment as told
from etftrader.core.api.lists import bounded
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput, NotEnoughData
from marketdata.api import as_of, asked
from marketdata.selectors import calendar, rates, sessions, vix

MAX_SPAN = timedelta(days=1100)
MONTH = timedelta(days=30)
CLOSES = as_of.AS_OF | {
    "limit": parameters.Parameter(
        "How many closes, 1 to 1,000; 250 without it.",
        type="integer",
        minimum=1,
        maximum=1000,
        default=250,
    )
}
STRETCH = {
    "start": parameters.day("The first day, YYYY-MM-DD; the market clock's session without it."),
    "end": parameters.day("The last day, YYYY-MM-DD, at most 1,100 later; thirty without it."),
}
DAY = {"date": parameters.day("The day, YYYY-MM-DD; the market clock's session without it.")}


@operation(
    get=Op("signed_in", summary="Treasury curve as it was known", query=as_of.AS_OF, refuses=(422,))
)
class Rates(ApiView):
    """GET /rates: par yields in percent by tenor."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """The newest curve not after the session asked for."""
        wanted = as_of.asked(request).until
        curve = rates.curve(session_date=wanted)
        if curve is None:
            raise NotEnoughData("There are no yields yet.", missing=["yields"])
        return Response(
            {
                "session_date": curve.session_date,
                "age_days": curve.age_days,
                "unit": "percent",
                "percent": curve.percent,
                "source": curve.source,
            }
        )


@operation(get=Op("signed_in", summary="The VIX at a close", query=as_of.AS_OF))
class Vix(ApiView):
    """GET /market/vix."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """The level and its age; null when it is older than three sessions."""
        level = vix.level(session_date=as_of.asked(request).until)
        return Response(
            {
                "level": level.level,
                "session_date": level.session_date,
                "age_sessions": level.age_sessions,
                "reason": None if level.level is not None else "no_current_level",
            }
        )


@operation(get=Op("signed_in", summary="Past VIX closes", query=CLOSES))
class VixHistory(ApiView):
    """GET /market/vix/history: newest first."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """At most 1,000 closes up to the session asked for."""
        until = as_of.asked(request).until
        limit = bounded(request, "limit", 250, low=1, high=1000)
        closes = [
            {"session_date": bar.session_date, "level": float(bar.close), "source": bar.source}
            for bar in vix.history(until=until, limit=limit)
        ]
        return Response({"count": len(closes), "results": closes})


@operation(get=Op("signed_in", summary="Sessions of the exchange", query=STRETCH))
class Calendar(ApiView):
    """GET /calendar: known ahead of the market clock; without dates, the next thirty days."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Each session with its hours in UTC."""
        now = sessions.moment()  # whoever reads the clock has the calendar in force
        start = asked.day(request, "start") or now.current
        end = asked.day(request, "end") or min(start + MONTH, calendar.LAST)
        if start > end:
            raise BadInput("start lies after end.", attr="start")
        if end - start > MAX_SPAN:
            raise BadInput(f"At most {MAX_SPAN.days} days at once.", attr="end")
        found = [session(each) for each in calendar.between(start, end)]
        return Response({"start": start, "end": end, "count": len(found), "results": found})


@operation(get=Op("signed_in", summary="Is it a trading day?", query=DAY))
class IsTradingDay(ApiView):
    """GET /calendar/is-trading-day?date=2016-06-24; without a date, the clock's session."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Yes or no, with its hours, the sessions before and after, and what staff said of it."""
        now = sessions.moment()
        wanted = asked.day(request, "date") or now.current
        return Response(
            {
                "date": wanted,
                "is_trading_day": calendar.is_session(wanted),
                "early_close": calendar.is_early_close(wanted),
                **_hours(wanted),
                "note": sessions.why_different(wanted),
                "previous": _near(calendar.previous, wanted),
                "next": _near(calendar.next, wanted),
            }
        )


def session(day: date) -> dict[str, Any]:
    """One session on the wire."""
    return {
        "session_date": day,
        **_hours(day),
        "early_close": calendar.is_early_close(day),
    }


def _hours(day: date) -> dict[str, str | None]:
    """When the exchange opens and closes, UTC; null on a day without a session."""
    if not calendar.is_session(day):
        return {"open": None, "close": None}
    return {"open": told(calendar.open_time(day)), "close": told(calendar.close_time(day))}


def _near(find: Any, day: date) -> date | None:
    # the calendar has a first and a last day
    try:
        return find(day)
    except calendar.NotASession:
        return None
