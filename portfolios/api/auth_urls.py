"""Addresses of people and access under /api/v1."""

from etftrader.core.api.routes import route
from portfolios.api import auth, members, tokens, users

auth_urlpatterns = [
    *route("auth/register", users.Register, "api-register"),
    *route("auth/login", auth.Login, "api-login"),
    *route("auth/refresh", auth.Refresh, "api-refresh"),
    *route("auth/logout", auth.Logout, "api-logout"),
    *route("auth/change-password", auth.ChangePassword, "api-change-password"),
    *route("auth/me", users.Me, "api-me"),
    *route("auth/tokens", tokens.Tokens, "api-tokens"),
    *route("auth/tokens/<uuid:token_id>", tokens.Token, "api-token"),
    *route("auth/sessions", auth.Sessions, "api-sessions"),
    *route("auth/sessions/<uuid:sign_in_id>", auth.Session, "api-session"),
    *route("ws-tickets", auth.Tickets, "api-ws-tickets"),
    *route("users/me/activity", users.Activity, "api-activity"),
    *route("portfolios/<uuid:portfolio_id>/members", members.Members, "api-members"),
    *route("portfolios/<uuid:portfolio_id>/members/<uuid:member_id>", members.Member, "api-member"),
]
