"""The address of a page may name a past session: `?as_of=2016-06-20`."""

from datetime import date

from django.http import HttpRequest

from marketdata.selectors.sessions import Moment


def past_session(request: HttpRequest, moment: Moment) -> date | None:
    """The day asked for, when it lies before the last close; else None, which is now."""
    try:
        wanted = date.fromisoformat(request.GET.get("as_of", ""))
    except ValueError:
        return None
    return wanted if wanted < moment.session_date else None
