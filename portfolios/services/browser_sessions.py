"""What a browser's session remembers of its sign-in, and when it is over."""

from collections.abc import MutableMapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from portfolios.models import User
from portfolios.services import tokens

_VERSION, _BEGAN, _SEEN, _FAMILY = "sv", "began", "seen", "fam"
_SEEN_EVERY_S = 300


def begin(*, session: MutableMapping[str, Any], user: User, label: str, moment: datetime) -> None:
    """Mark a fresh session and enter it in the list of sign-ins."""
    life = timedelta(seconds=settings.SESSION_ABSOLUTE_AGE)
    family = tokens.begin(user=user, label=label, life=life)
    _mark(session, user, moment)
    session[_FAMILY] = str(family.pk)


def is_over(*, session: MutableMapping[str, Any], user: User, moment: datetime) -> bool:
    """Whether it is too old, was ended elsewhere, or outlived a password; notes that it is used."""
    now = moment.timestamp()
    if _VERSION not in session:
        # commands make plain sessions
        _mark(session, user, moment)
        return False
    too_old = now - session[_BEGAN] > settings.SESSION_ABSOLUTE_AGE
    if too_old or session[_VERSION] != user.session_version or not user.is_active:
        return True
    if _FAMILY in session and not tokens.is_live(family_id=session[_FAMILY]):
        return True
    if now - session[_SEEN] > _SEEN_EVERY_S:
        session[_SEEN] = now  # a changed session is saved, and its idle time starts again
    return False


def family_of(session: MutableMapping[str, Any]) -> str:
    """The sign-in this session belongs to; empty for a plain one."""
    return str(session.get(_FAMILY, ""))


def end(*, session: MutableMapping[str, Any]) -> None:
    """Take the sign-in off the list."""
    tokens.end_family(family_id=session.get(_FAMILY), why="signed out")


def _mark(session: MutableMapping[str, Any], user: User, moment: datetime) -> None:
    session[_VERSION] = user.session_version
    session[_BEGAN] = session[_SEEN] = moment.timestamp()
