"""Who may open a socket, and which channels they may hear."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from etftrader import heads
from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError
from marketdata import live
from marketdata.selectors import quotes, sessions
from portfolios.constants import Action
from portfolios.models import Portfolio, User
from portfolios.selectors import access
from portfolios.services import browser_sessions, tokens

PUBLIC = ("market", "quotes", "data", "greeks")
KINDS = ("value", "risk", "limits", "orders", "alerts", "analytics")
OF_A_PERSON = ("jobs", "notices")
MAX_WORDS = 300


@dataclass(frozen=True, slots=True)
class Entry:
    """An accepted person, the session version that was valid then, and what was shown."""

    actor: Actor
    session_version: int
    proof: UUID | None = None  # the sign-in or personal token that must go on counting
    expires_at: datetime | None = None


def of_session(scope: dict[str, Any]) -> Entry | None:
    """The person of a browser session that has not ended, here or elsewhere."""
    user = User.objects.filter(pk=scope["user"].pk, is_active=True).first()
    session = scope["session"]
    if user is None or browser_sessions.is_over(session=session, user=user, moment=clock.now()):
        return None
    family = browser_sessions.family_of(session)
    return _entry(user, proof=UUID(family) if family else None)


def of_token(token: str) -> Entry | None:
    """The person of an access token or a personal token."""
    found = tokens.user_of_token(token=token)
    if found is None:
        return None
    proof = found.token.pk if found.token else found.family_id
    return _entry(found.user, found.scopes, proof, found.expires_at)


def of_ticket(ticket: str) -> Entry | None:
    """The person of a single-use ticket."""
    user_id = tokens.redeem_ticket(ticket=ticket)
    user = User.objects.filter(pk=user_id, is_active=True).first() if user_id else None
    return _entry(user)


def _entry(
    user: User | None,
    scopes: frozenset[str] | None = None,
    proof: UUID | None = None,
    expires_at: datetime | None = None,
) -> Entry | None:
    if user is None:
        return None
    actor = Actor.of_user(user) if scopes is None else Actor.of_user(user, scopes=scopes)
    return Entry(actor, user.session_version, proof, expires_at)


def still_counts(entry: Entry, standing: heads.Standing) -> bool:
    """Whether what opened a socket would open it now."""
    user_id = entry.actor.user_id
    if user_id is None or standing.versions.get(user_id) != entry.session_version:
        return False
    if entry.expires_at is not None and entry.expires_at <= clock.now():
        return False
    return entry.proof is None or entry.proof in standing.proofs


def ticket_of(scope: dict[str, Any]) -> str:
    """The ticket of a connection's query, if it has one."""
    return parse_qs(scope.get("query_string", b"").decode("latin-1")).get("ticket", [""])[0]


def implied_channels(path: str, arguments: dict[str, Any], actor: Actor) -> list[str]:
    """What the short paths subscribe to by themselves."""
    if path == "quotes":
        return ["quotes"]
    if path == "portfolio":
        return [f"portfolio.{arguments['portfolio_id']}.{kind}" for kind in KINDS]
    if path == "alerts":
        visible = Portfolio.objects.for_actor(actor).open().values_list("pk", flat=True)
        return [f"portfolio.{portfolio_id}.alerts" for portfolio_id in visible]
    return []


def sort_channels(wanted: list[str], actor: Actor) -> tuple[list[str], list[dict[str, str]]]:
    """Which channels the actor may hear; a foreign portfolio's look like missing ones."""
    granted: list[str] = []
    rejected: list[dict[str, str]] = []
    seen: dict[UUID, bool] = {}
    own = {f"user.{actor.user_id}.{kind}" for kind in OF_A_PERSON}
    for channel in dict.fromkeys(wanted):
        if channel in PUBLIC or channel in own:
            granted.append(channel)
            continue
        parsed = heads.parse(channel)
        if parsed and parsed[1] in KINDS and _may_see(parsed[0], actor, seen):
            granted.append(channel)
        else:
            rejected.append({"channel": channel, "code": "not_found"})
    return granted, rejected


def _may_see(portfolio_id: UUID, actor: Actor, seen: dict[UUID, bool]) -> bool:
    if portfolio_id not in seen:
        try:
            access.portfolio_for(actor, portfolio_id, Action.VIEW)
            seen[portfolio_id] = True
        except DomainError:
            seen[portfolio_id] = False
    return seen[portfolio_id]


def words(value: Any) -> list[str]:
    """The strings of a list, bounded; nothing for anything else."""
    if not isinstance(value, list):
        return []
    return [each[:100] for each in value[:MAX_WORDS] if isinstance(each, str)]


def cut_quotes(text: str, symbols: set[str], channel: str) -> str:
    """A quotes message with the socket's own symbols only; others as they are."""
    if channel != "quotes" or not symbols:
        return text
    message = json.loads(text)
    data = message.get("data") or {}
    message["data"] = message["quotes"] = {s: data[s] for s in sorted(symbols) if s in data}
    return json.dumps(message)


def quotes_now(symbols: set[str], actor: Actor) -> dict[str, Any]:
    """Quotes as GET /quotes answers them: closes while nothing is played, reasons for the rest."""
    moment = sessions.moment()
    found = quotes.latest(wanted=sorted(symbols), actor=actor, moment=moment)
    return {symbol: live.quote(each, now=moment.as_of) for symbol, each in found.items()}
