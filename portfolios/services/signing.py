"""Signed tokens: named keys, pinned claims, hashed rows. No stock class of the library is used."""

import hashlib
from datetime import datetime
from typing import Any

import jwt
from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, Token
from rest_framework_simplejwt.tokens import RefreshToken as StockRefreshToken

from portfolios.models import TokenFamily, User

_REQUIRED = ["exp", "iat", "jti", "sub", "aud", "iss", "typ", "fam", "sv"]


class KeyedBackend(TokenBackend):
    """Signs with the first key, verifies with the one the header names."""

    def encode(self, payload: dict[str, Any]) -> str:
        """The signed text; its header carries the key's id."""
        kid, key = next(iter(settings.JWT_SIGNING_KEYS.items()))
        claims = payload | {"aud": self.audience, "iss": self.issuer}
        return jwt.encode(claims, key, algorithm=self.algorithm, headers={"kid": kid})

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """The claims of a token that is ours in every respect; `verify` cannot be turned off."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = settings.JWT_SIGNING_KEYS.get(kid) if isinstance(kid, str) else None
            if key is None:
                raise TokenBackendError("Token is invalid")
            return jwt.decode(
                token,
                key,
                algorithms=[self.algorithm],
                audience=self.audience,
                issuer=self.issuer,
                leeway=self.get_leeway(),
                options={"require": _REQUIRED},
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenBackendExpiredToken("Token is expired") from error
        except (jwt.InvalidTokenError, ValueError) as error:
            raise TokenBackendError("Token is invalid") from error


BACKEND = KeyedBackend(
    algorithm=api_settings.ALGORITHM,
    audience=api_settings.AUDIENCE,
    issuer=api_settings.ISSUER,
    leeway=api_settings.LEEWAY,
)


class Access(AccessToken):
    """What a program shows for fifteen minutes."""

    _token_backend = BACKEND


class Refresh(StockRefreshToken):
    """What a program trades once for a new pair."""

    _token_backend = BACKEND
    access_token_class = Access

    def verify(self, *args: Any, **kwargs: Any) -> None:
        """Form only; whether it was used already is decided by an insert, not by a look."""
        Token.verify(self)

    def keep(self, user: User) -> OutstandingToken:
        """Write the outstanding row: a hash stands where the library keeps the token."""
        return OutstandingToken.objects.create(
            user=user,
            jti=self["jti"],
            token=hashed(str(self)),
            created_at=self.current_time,
            expires_at=datetime.fromtimestamp(self["exp"], self.current_time.tzinfo),
        )


def make(user: User, family: TokenFamily) -> tuple[Access, Refresh]:
    """A new pair of one family, under the user's present session version."""
    refresh = Refresh()
    refresh["sub"], refresh["fam"] = str(user.pk), str(family.pk)
    refresh["sv"] = user.session_version
    refresh["exp"] = min(refresh["exp"], int(family.expires_at.timestamp()))
    refresh.keep(user)
    access = refresh.access_token
    access["exp"] = min(access["exp"], int(family.expires_at.timestamp()))
    return access, refresh  # type: ignore[return-value]


def hashed(text: str) -> str:
    """What is stored of a secret."""
    return hashlib.sha256(text.encode()).hexdigest()
