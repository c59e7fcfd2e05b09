"""Sign-in, sign-out and password."""

from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.api import limits, problems
from etftrader.core.errors import BadInput
from etftrader.core.pages import UNPROCESSABLE, done
from portfolios.forms.accounts import PasswordForm, SignInForm
from portfolios.selectors import people
from portfolios.services import accounts, browser_sessions

WRONG = "Address or password is wrong."
TOO_OFTEN = "Too many tries. Wait a minute and try again."
LOCKED = "Too many wrong passwords from here. Wait 15 minutes, or sign in from another place."
TOO_MANY = 429


def device(request: HttpRequest) -> str:
    """A word for the list of sign-ins."""
    return request.headers.get("User-Agent", "browser")[:200]


@method_decorator([never_cache, sensitive_post_parameters("password")], name="dispatch")
class SignIn(View):
    """GET, POST /login/: one answer for unknown users and wrong passwords."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form; who is signed in already goes on."""
        if request.user.is_authenticated:
            return redirect(_target(request))
        return _form_page(request, SignInForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Sign in, counted before the password is looked at."""
        form = SignInForm(request.POST)
        standing = limits.count(f"address:{limits.client_address(request)}", limits.LOGIN)
        if not standing.allowed:
            form.add_error(None, TOO_OFTEN)
            refused = _form_page(request, form, TOO_MANY)
            refused["Retry-After"] = standing.headers()["Retry-After"]
            return refused
        if not form.is_valid():
            return _form_page(request, form, UNPROCESSABLE)
        user: Any = authenticate(
            request,
            username=form.cleaned_data["username"].strip().lower(),
            password=form.cleaned_data["password"],
        )
        if user is None:
            form.add_error(None, WRONG)
            return _form_page(request, form, UNPROCESSABLE)
        login(request, user)
        browser_sessions.begin(
            session=request.session, user=user, label=device(request), moment=clock.now()
        )
        return redirect(_target(request))


def _target(request: HttpRequest) -> str:
    """Where the visitor was going, if that is one of our pages."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if ours else resolve_url(settings.LOGIN_REDIRECT_URL)


def _form_page(request: HttpRequest, form: SignInForm, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "next": request.POST.get("next") or request.GET.get("next", ""),
        "demo_logins": _demo_logins(),
    }
    return render(request, "registration/login.html", context, status=status)


def _demo_logins() -> list[dict[str, str]]:
    """Only the loopback demo tells its passwords, and only those of demo users."""
    if not settings.DEMO_URL_NOTE:
        return []
    return [
        {"username": email, "password": settings.DEMO_PASSWORD} for email in people.demo_emails()
    ]


def locked_out(
    request: HttpRequest, original: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    """The answer while an address and a name are locked together; programs get a problem."""
    if request.path.startswith("/api/"):
        answer: HttpResponse = problems.response(request, status=TOO_MANY, detail=LOCKED)
    else:
        form = SignInForm(request.POST)
        form.add_error(None, LOCKED)
        answer = _form_page(request, form, TOO_MANY)
    answer["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME.total_seconds()))
    return answer


class SignOut(View):
    """POST /logout/."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """The session ends, here."""
        browser_sessions.end(session=request.session)
        logout(request)
        return redirect(settings.LOGOUT_REDIRECT_URL)


@method_decorator(sensitive_post_parameters(), name="dispatch")
class PasswordChange(LoginRequiredMixin, View):
    """GET, POST /password_change/."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form."""
        return _password_page(request, PasswordForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Change it; this browser stays signed in, everything else ends."""
        form = PasswordForm(request.POST)
        standing = limits.count(f"address:{limits.client_address(request)}", limits.LOGIN)
        if not standing.allowed:
            form.add_error(None, TOO_OFTEN)
            return _password_page(request, form, TOO_MANY)
        if not form.is_valid():
            return _password_page(request, form, UNPROCESSABLE)
        said, actor = form.cleaned_data, Actor.of(request)
        person = people.me(actor)
        try:
            user = accounts.change_password(
                user=person, old=said["old_password"], new=said["new_password"], by=actor
            )
        except BadInput as error:
            form.add_error(str(error.figures.get("attr") or "new_password"), error.detail)
            return _password_page(request, form, UNPROCESSABLE)
        update_session_auth_hash(request, user)
        browser_sessions.begin(
            session=request.session, user=user, label=device(request), moment=clock.now()
        )
        return done(request, reverse("settings"), "The password has changed.")


def _password_page(request: HttpRequest, form: PasswordForm, status: int = 200) -> HttpResponse:
    return render(request, "registration/password_change_form.html", {"form": form}, status=status)
