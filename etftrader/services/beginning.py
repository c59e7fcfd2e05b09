"""A product without the demo: what it needs before anybody keeps books in it."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import transaction

from etftrader import day
from etftrader.core.actor import system
from etftrader.services import acts
from marketdata.selectors import sessions
from marketdata.selectors.sessions import Moment
from marketdata.services import price_sync, replay
from portfolios.models import User
from portfolios.services import accounts, tokens

BY = system("begin")
EMAIL = "admin@example.com"
GROUPS = ("Trader", "Operator", "Risk manager", "Admin")
Say = Callable[[str], object]


def begin(*, say: Say) -> Moment:
    """Set the clock, write the timetable, load what is played from files; twice is once.

    Live the clock stands on the last session that has closed, and its prices come with the first
    minute of the live stream. Where nobody has an account yet, the administrator gets one with
    DEMO_PASSWORD.
    """
    moment = replay.ensure()
    acts.setup_schedules()
    if not User.objects.exists():
        if settings.DEMO_PASSWORD:
            _administrator()
            say(f"made the administrator {EMAIL}")
        else:
            say("nobody can sign in yet: make an administrator with createsuperuser")
    if not sessions.is_live() and not day.status(session_date=moment.session_date):
        say("loading the history of the folder")
        price_sync.load_history(until=moment.session_date)
        day.run(session_date=moment.session_date, by=BY)
    return moment


def login(*, name: str) -> dict[str, Any]:
    """How the first administrator signs in: while the password is the one that was made here.

    The former token of this name ends.
    """
    user = User.objects.filter(email=EMAIL, is_active=True).first()
    if user is None:
        return {"users": [], "token": None}
    known = bool(settings.DEMO_PASSWORD) and user.check_password(settings.DEMO_PASSWORD)
    password = settings.DEMO_PASSWORD if known else None
    token = tokens.replace_personal(user=user, name=name, scopes=["read", "trade"])
    return {"users": [{"username": user.email, "password": password}], "token": token}


@transaction.atomic
def _administrator() -> None:
    user = accounts.create_user(
        email=EMAIL,
        password=settings.DEMO_PASSWORD,
        name="Administrator",
        groups=GROUPS,
        is_staff=True,
        by=BY,
    )
    User.objects.filter(pk=user.pk).update(is_superuser=True)
