"""Addresses of the pages of accounts."""

from django.urls import path

from portfolios.views import account_pages, accounts, invitations, settings

account_urls = [
    path("login/", accounts.SignIn.as_view(), name="login"),
    path("logout/", accounts.SignOut.as_view(), name="logout"),
    path("password_change/", accounts.PasswordChange.as_view(), name="password_change"),
    path("accounts/", account_pages.AccountsPage.as_view(), name="accounts"),
    path("accounts/<uuid:account_id>/", account_pages.AccountPage.as_view(), name="account"),
    *(
        path(
            f"accounts/<uuid:account_id>/{act}/",
            account_pages.AccountStatusPage.as_view(),
            {"act": act},
            name=f"account_{act}",
        )
        for act in ("close", "reopen")
    ),
    path("settings/", settings.Settings.as_view(), name="settings"),
    path("settings/tokens/", settings.Tokens.as_view(), name="tokens"),
    path(
        "settings/tokens/<uuid:token_id>/revoke/",
        settings.RevokeToken.as_view(),
        name="token-revoke",
    ),
    path("settings/sessions/", settings.Sessions.as_view(), name="sessions"),
    path(
        "settings/sessions/<uuid:sign_in_id>/end/",
        settings.EndSession.as_view(),
        name="session-end",
    ),
    path("invitations/open/<str:token>/", invitations.OpenLink.as_view(), name="invitation_open"),
    path(
        "invitations/<uuid:invitation_id>/",
        invitations.InvitationPage.as_view(),
        name="invitation",
    ),
]
