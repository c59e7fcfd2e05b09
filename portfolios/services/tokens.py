"""Sign-ins of programs and browsers: pairs, families, personal tokens, socket tickets."""

import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from etftrader.core import audit, clock, livestate
from etftrader.core.actor import ALL_SCOPES, READ, Actor
from etftrader.core.errors import BadInput, Conflict, NotAuthenticated, NotFound, Unavailable
from portfolios.models import ApiToken, TokenFamily, User
from portfolios.services import signing

logger = logging.getLogger(__name__)

PREFIX = "etf_"
FAMILY_LIFE = timedelta(days=30)
MAX_PERSONAL = 50
TICKET_S = 30
SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """What a program receives when it signs in; shown once."""

    access: str
    refresh: str
    expires_in: int
    family_id: UUID


@dataclass(frozen=True, slots=True)
class Found:
    """The person behind a token, and what the token allows of what the person may."""

    user: User
    scopes: frozenset[str]
    token: ApiToken | None = None
    family_id: UUID | None = None
    expires_at: datetime | None = None  # of a signed token; a personal one is asked for its row


def begin(*, user: User, label: str = "", life: timedelta = FAMILY_LIFE) -> TokenFamily:
    """Start a family: one sign-in, which can be ended by itself."""
    return TokenFamily.objects.create(user=user, label=label[:200], expires_at=clock.now() + life)


def issue(*, user: User, label: str = "") -> Pair:
    """Sign a program in."""
    with transaction.atomic():
        return _pair(user, begin(user=user, label=label))


def _pair(user: User, family: TokenFamily) -> Pair:
    access, refresh = signing.make(user, family)
    life = int(access["exp"] - access.current_time.timestamp())
    return Pair(str(access), str(refresh), max(life, 0), family.pk)


def refresh(*, token: str) -> Pair:
    """Trade a refresh token for a new pair; of several that try at once exactly one succeeds.

    Raises NotAuthenticated. A token that had been traded before this call began ends its family:
    somebody else has a copy.
    """
    claims = _read_refresh(token)
    family_id = _uuid(claims["fam"])
    if BlacklistedToken.objects.filter(token__jti=claims["jti"]).exists():
        end_family(family_id=family_id, why="refresh token reused")
        raise NotAuthenticated("This refresh token was used before. Sign in again.")
    try:
        with transaction.atomic():
            row = OutstandingToken.objects.filter(
                jti=claims["jti"], token=signing.hashed(token)
            ).first()
            family = _live_family(family_id, claims)
            if row is None or family is None:
                raise NotAuthenticated("This refresh token has ended. Sign in again.")
            # the unique row decides: a rival waits here and fails when we commit
            BlacklistedToken(token=row).save(force_insert=True)
            return _pair(family.user, family)
    except IntegrityError as error:
        raise NotAuthenticated("This refresh token has just been used.") from error


def _read_refresh(token: str) -> signing.Refresh:
    try:
        return signing.Refresh(token)  # type: ignore[arg-type]
    except TokenError as error:
        raise NotAuthenticated("This is not a valid refresh token.") from error


def _live_family(
    family_id: UUID | None, claims: signing.Refresh | signing.Access
) -> TokenFamily | None:
    """The family with its user, when both still stand; one query."""
    if family_id is None:
        return None
    family = (
        TokenFamily.objects.select_related("user")
        .filter(pk=family_id, revoked_at__isnull=True, user__is_active=True)
        .first()
    )
    if family is None or family.expires_at <= clock.now():
        return None
    same = str(family.user_id) == claims["sub"]
    return family if same and family.user.session_version == claims["sv"] else None


def end_family(*, family_id: UUID | str | None, why: str) -> None:
    """End a sign-in whoever asks; nothing for none and for one that has ended."""
    if family_id is None:
        return
    ended = TokenFamily.objects.filter(pk=family_id, revoked_at__isnull=True).update(
        revoked_at=clock.now()
    )
    if ended:
        logger.warning("sign-in ended", extra={"family": str(family_id), "why": why})


def end_sign_in(*, user_id: UUID, family_id: UUID) -> None:
    """End one sign-in of a user: its refresh and access tokens, or its browser session."""
    mine = TokenFamily.objects.filter(pk=family_id, user_id=user_id)
    if not mine.exists():
        raise NotFound("There is no such sign-in.")
    end_family(family_id=family_id, why="ended by its user")


def end_by_refresh(*, token: str) -> None:
    """Sign a program out; a token that is not valid any more is signed out already."""
    try:
        claims = signing.Refresh(token)  # type: ignore[arg-type]
    except TokenError:
        return
    end_family(family_id=_uuid(claims["fam"]), why="signed out")


def sign_ins(*, user_id: UUID) -> list[TokenFamily]:
    """What is signed in now, newest first."""
    live = TokenFamily.objects.filter(user_id=user_id, revoked_at__isnull=True)
    return list(live.filter(expires_at__gt=clock.now()).order_by("-created_at", "pk")[:200])


def live(*, user_ids: Iterable[UUID]) -> set[UUID]:
    """Ids of the users' sign-ins and personal tokens that have neither ended nor expired."""
    users, now = list(user_ids), clock.now()
    families = TokenFamily.objects.filter(
        user_id__in=users, revoked_at__isnull=True, expires_at__gt=now
    )
    personal = ApiToken.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=now),
        user_id__in=users,
        revoked_at__isnull=True,
    )
    return {*families.values_list("pk", flat=True), *personal.values_list("pk", flat=True)}


def is_live(*, family_id: UUID | str) -> bool:
    """Whether a sign-in has not been ended."""
    return TokenFamily.objects.filter(
        pk=family_id, revoked_at__isnull=True, expires_at__gt=clock.now()
    ).exists()


def user_of_token(*, token: str) -> Found | None:
    """The active person of an access token or a personal token."""
    return of_personal(token=token) if token.startswith(PREFIX) else of_access(token=token)


def of_access(*, token: str) -> Found | None:
    """The person of a signed access token."""
    try:
        claims = signing.Access(token)  # type: ignore[arg-type]
    except TokenError:
        return None
    family = _live_family(_uuid(claims["fam"]), claims)
    if family is None:
        return None
    until = datetime.fromtimestamp(claims["exp"], UTC)
    return Found(family.user, ALL_SCOPES, family_id=family.pk, expires_at=until)


def of_personal(*, token: str) -> Found | None:
    """The person of a personal token; notes once a minute that it is in use."""
    row = (
        ApiToken.objects.select_related("user")
        .filter(hash=signing.hashed(token), revoked_at__isnull=True, user__is_active=True)
        .first()
    )
    now = clock.now()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        return None
    if row.last_used_at is None or row.last_used_at < now - SEEN_EVERY:
        _note_use(row, now)
    return Found(row.user, frozenset(row.scopes), token=row)


def _note_use(row: ApiToken, now: datetime) -> None:
    unseen = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - SEEN_EVERY)
    try:
        with transaction.atomic():
            ApiToken.objects.filter(unseen, pk=row.pk).update(last_used_at=now)
    except OperationalError:
        # a busy database must not turn a read away for a note
        logger.info("use of a token not noted", extra={"token": row.prefix})


def create_personal(
    *,
    user: User,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    by: Actor,
) -> tuple[ApiToken, str]:
    """Make a personal token; the text is in the answer and nowhere else.

    Raises BadInput for an unknown scope and Conflict beyond `MAX_PERSONAL` tokens.
    """
    wanted = set(scopes) | {READ}
    if wanted - ALL_SCOPES:
        raise BadInput("Scopes are read, trade and admin.", attr="scopes")
    if not wanted <= by.scopes:
        raise BadInput("A token cannot give more than the one that asks has.", attr="scopes")
    if expires_at is not None and expires_at <= clock.now():
        raise BadInput("The expiry is in the past.", attr="expires_at")
    text = f"{PREFIX}{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        if _live_personal(user.pk).count() >= MAX_PERSONAL:
            raise Conflict(f"You have {MAX_PERSONAL} tokens. Revoke one first.")
        row = ApiToken.objects.create(
            user=user,
            name=name,
            prefix=text[:12],
            hash=signing.hashed(text),
            scopes=sorted(wanted),
            expires_at=expires_at,
        )
        audit.record(
            by=by,
            action="token.created",
            object_type="token",
            object_id=row.pk,
            after={"name": name, "prefix": row.prefix, "scopes": row.scopes},
        )
    return row, text


def replace_personal(*, user: User, name: str, scopes: Iterable[str]) -> str:
    """Revoke the tokens of this name and make a new one; for the launcher and commands."""
    by = Actor.of_user(user)
    with transaction.atomic():
        _live_personal(user.pk).filter(name=name).update(revoked_at=clock.now())
        return create_personal(user=user, name=name, scopes=scopes, by=by)[1]


def revoke_personal(*, token_id: UUID, by: Actor) -> None:
    """End one of the actor's personal tokens. Raises NotFound."""
    with transaction.atomic():
        ended = ApiToken.objects.for_actor(by).filter(pk=token_id, revoked_at__isnull=True)
        if not ended.update(revoked_at=clock.now()):
            raise NotFound("There is no such token.")
        audit.record(by=by, action="token.revoked", object_type="token", object_id=token_id)


def personal(*, user_id: UUID) -> list[ApiToken]:
    """The tokens that are not revoked, newest first."""
    return list(_live_personal(user_id).order_by("-created_at", "pk"))


def _live_personal(user_id: UUID):  # type: ignore[no-untyped-def]
    return ApiToken.objects.filter(user_id=user_id, revoked_at__isnull=True)


def make_ticket(*, user_id: UUID) -> str:
    """A ticket that opens one socket within thirty seconds. Raises Unavailable."""
    ticket = secrets.token_urlsafe(24)
    try:
        livestate.client().set(_ticket_key(ticket), str(user_id), ex=TICKET_S)
    except livestate.LiveError as error:
        raise Unavailable("Live updates are away.", code="upstream_unavailable") from error
    return ticket


def redeem_ticket(*, ticket: str) -> UUID | None:
    """The user of a ticket, once; None for a used, old or invented one."""
    try:
        text = livestate.client().getdel(_ticket_key(ticket))
    except livestate.LiveError:
        return None
    return _uuid(text.decode()) if text else None  # type: ignore[union-attr]


def _ticket_key(ticket: str) -> str:
    return f"ws-ticket:{signing.hashed(ticket)}"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
