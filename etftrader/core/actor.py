"""Who is asking: a person, a program with a token, or the house itself."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

READ, TRADE, ADMIN = "read", "trade", "admin"
ALL_SCOPES = frozenset({READ, TRADE, ADMIN})
# site groups whose staff may look at what belongs to others
READERS = frozenset({"Viewer", "Risk manager", "Operator", "Admin", "Auditor"})


@dataclass(frozen=True, slots=True)
class Actor:
    """One asker, with what kind of acts the groups and the token allow."""

    user_id: UUID | None
    label: str
    is_staff: bool = False
    is_superuser: bool = False
    groups: frozenset[str] = field(default_factory=frozenset)
    scopes: frozenset[str] = ALL_SCOPES  # a token may narrow what its owner may do
    request_id: str = ""

    @property
    def is_authenticated(self) -> bool:
        """Whether a known, active user stands behind the request."""
        return self.user_id is not None

    @property
    def reads_all(self) -> bool:
        """Whether this is staff with the permission to read, or the house itself."""
        if not self.is_staff:
            return False
        return self.user_id is None or self.is_superuser or bool(self.groups & READERS)

    @classmethod
    def of(cls, request: Any) -> "Actor":
        """The actor of a request; groups are read once per request."""
        known = getattr(request, "etf_actor", None)
        if known is not None:
            return known
        scopes = getattr(getattr(request, "auth", None), "scopes", None)
        actor = cls.of_user(
            request.user,
            scopes=ALL_SCOPES if scopes is None else frozenset(scopes),
            request_id=getattr(request, "request_id", ""),
        )
        request.etf_actor = actor
        return actor

    @classmethod
    def of_user(
        cls, user: Any, *, scopes: frozenset[str] = ALL_SCOPES, request_id: str = ""
    ) -> "Actor":
        """The actor a user is, outside a request too (sockets, commands)."""
        if not user.is_authenticated or not user.is_active:
            return NOBODY
        return cls(
            user_id=user.pk,
            label=user.get_username(),
            is_staff=user.is_staff,
            is_superuser=user.is_superuser,
            groups=frozenset(user.groups.values_list("name", flat=True)),
            scopes=scopes,
            request_id=request_id,
        )


NOBODY = Actor(user_id=None, label="anonymous", scopes=frozenset())


def system(label: str) -> Actor:
    """The house acting by itself: a job, a command, the live stream."""
    return Actor(user_id=None, label=f"system:{label}", is_staff=True)
