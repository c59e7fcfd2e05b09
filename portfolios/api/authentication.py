"""The three ways to be known: a browser's session, a signed access token, a personal token."""

from typing import Any

from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.exceptions import AuthenticationFailed

from portfolios.models import ApiToken, User
from portfolios.services import tokens

CHALLENGE = 'Bearer realm="api", Token realm="api"'


class Access:
    """What `request.auth` is for a signed token: all scopes of its user."""

    scopes = None

    def __init__(self, family_id: Any) -> None:
        self.family_id = family_id


class SessionAuth(SessionAuthentication):
    """A signed-in browser, with the CSRF check; a request that shows a token is judged by that."""

    def authenticate(self, request: Any) -> Any:
        """The session's user."""
        if get_authorization_header(request):
            return None
        return super().authenticate(request)

    def authenticate_header(self, request: Any) -> str:
        """Without it the framework would answer 403 to the unknown."""
        return CHALLENGE


class _HeaderAuth(BaseAuthentication):
    """A secret in the Authorization header behind one word."""

    keyword = b""

    def authenticate(self, request: Any) -> Any:
        """The person of the token; AuthenticationFailed when it is not valid."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != self.keyword:
            return None
        if len(parts) != 2 or not parts[1].isascii():
            raise AuthenticationFailed("The Authorization header has a word and a token.")
        found = self.find(parts[1].decode("ascii"))
        if found is None:
            raise AuthenticationFailed("The token is not valid, or not any more.")
        return found

    def find(self, token: str) -> tuple[User, Access | ApiToken] | None:
        """The person and what `request.auth` becomes."""
        raise NotImplementedError

    def authenticate_header(self, request: Any) -> str:
        """For the WWW-Authenticate of a 401."""
        return CHALLENGE


class AccessTokenAuth(_HeaderAuth):
    """`Authorization: Bearer <access token>`."""

    keyword = b"bearer"

    def find(self, token: str) -> tuple[User, Access | ApiToken] | None:
        """The person of a signed token."""
        found = tokens.of_access(token=token)
        return (found.user, Access(found.family_id)) if found else None


class PersonalTokenAuth(_HeaderAuth):
    """`Authorization: Token etf_…`."""

    keyword = b"token"

    def find(self, token: str) -> tuple[User, Access | ApiToken] | None:
        """The person of a personal token; its scopes narrow what the person may."""
        found = tokens.of_personal(token=token)
        return (found.user, found.token) if found and found.token else None
