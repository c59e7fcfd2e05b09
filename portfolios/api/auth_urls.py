"""Addresses of people and access under /api/v1."""

from etftrader.core.api.routes import route
from portfolios.api import auth, invitations, members, tokens, users

ONE = "portfolios/<uuid:portfolio_id>"

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
    *route(f"{ONE}/members", members.Members, "api-members"),
    *route(f"{ONE}/members/<uuid:member_id>", members.Member, "api-member"),
    *route(f"{ONE}/leave", members.Leave, "api-leave"),
    *route(f"{ONE}/permissions", members.Permissions, "api-permissions"),
    *route(f"{ONE}/invitations", invitations.PortfolioInvitations, "api-portfolio-invitations"),
    *route(
        f"{ONE}/invitations/<uuid:invitation_id>",
        invitations.PortfolioInvitation,
        "api-portfolio-invitation",
    ),
    *route(
        f"{ONE}/invitations/<uuid:invitation_id>/resend",
        invitations.SendAgain,
        "api-portfolio-invitation-resend",
    ),
    *route("invitations", invitations.Invitations, "api-invitations"),
    *route("invitations/<uuid:invitation_id>/accept", invitations.Accept, "api-invitation-accept"),
    *route(
        "invitations/<uuid:invitation_id>/decline", invitations.Decline, "api-invitation-decline"
    ),
]
