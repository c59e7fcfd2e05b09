"""Settings of the signed-in person: profile, personal tokens, sign-ins."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError
from etftrader.core.pages import UNPROCESSABLE, done, render_page, render_refusal
from portfolios.forms.accounts import ProfileForm, TokenForm
from portfolios.models import Portfolio, UserPreference
from portfolios.selectors import people
from portfolios.services import accounts, browser_sessions, tokens

PROFILE = ("default_portfolio", "notifications_enabled", "shortcuts_enabled")
EXAMPLE = "etf_YOUR_TOKEN"
MADE = "made_token"  # in the session, from the POST to the page that shows it
SHOWN_WITHIN_S = 120


def tabs() -> list[dict[str, str]]:
    """The three pages of the settings."""
    names = (("settings", "Profile"), ("tokens", "API tokens"), ("sessions", "Sessions"))
    return [{"key": name, "label": label, "url": reverse(name)} for name, label in names]


def frame(tab: str, **context: Any) -> dict[str, Any]:
    """What all three show."""
    return {"tabs": tabs(), "tab": tab, **context}


class Settings(LoginRequiredMixin, View):
    """GET, POST /settings/."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Profile and looks."""
        actor = Actor.of(request)
        person = people.me(actor)
        habits = UserPreference.objects.for_actor(actor).first() or UserPreference()
        initial = {"name": person.name, **{name: getattr(habits, name) for name in PROFILE}}
        return self._page(request, ProfileForm(initial=initial, portfolios=_portfolios(actor)))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Keep them."""
        actor = Actor.of(request)
        form = ProfileForm(request.POST, portfolios=_portfolios(actor))
        if not form.is_valid():
            return self._page(request, form, UNPROCESSABLE)
        said = form.cleaned_data
        accounts.change_profile(
            user=people.me(actor),
            name=said["name"],
            preference={name: said[name] for name in PROFILE},
        )
        return done(request, reverse("settings"), "Saved.")

    def _page(self, request: HttpRequest, form: ProfileForm, status: int = 200) -> HttpResponse:
        context = frame("settings", form=form)
        return render_page(request, "portfolios/settings.html", context, status=status)


def _portfolios(actor: Actor) -> Any:
    return Portfolio.objects.for_actor(actor).open().order_by("name", "pk")


@method_decorator(never_cache, name="dispatch")
class Tokens(LoginRequiredMixin, View):
    """GET, POST /settings/tokens/: the text of a new token is shown once, after the redirect."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The tokens, the form for another, and one that was made a moment ago."""
        context = _tokens(request, TokenForm()) | _just_made(request)
        return render_page(request, "portfolios/tokens.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make one and lead to where it is shown: a reload makes no second one."""
        form = TokenForm(request.POST)
        template = "portfolios/tokens.html"
        if not form.is_valid():
            return render_page(request, template, _tokens(request, form), status=UNPROCESSABLE)
        said, actor = form.cleaned_data, Actor.of(request)
        life = said["life"]
        try:
            row, text = tokens.create_personal(
                user=people.me(actor),
                name=said["name"],
                scopes=said["scopes"],
                expires_at=clock.now() + timedelta(days=int(life)) if life else None,
                by=actor,
            )
        except DomainError as error:
            return render_refusal(request, template, _tokens(request, form), error, form=form)
        request.session[MADE] = {
            "name": row.name,
            "text": text,
            "at": clock.now().timestamp(),
        }
        return done(request, reverse("tokens"))


def _just_made(request: HttpRequest) -> dict[str, Any]:
    """The token made a moment ago; asking takes it out of the session."""
    made = request.session.pop(MADE, None)
    if made is None or clock.now().timestamp() - made["at"] > SHOWN_WITHIN_S:
        return {}
    text = made["text"]
    return {"created": made, "text": text, "samples": samples(request, text)}


def samples(request: HttpRequest, token: str) -> list[dict[str, str]]:
    """The first call with a token, ready to paste."""
    address = request.build_absolute_uri("/api/v1/auth/me")
    python = (
        "import requests\n\n"
        f'answer = requests.get(\n    "{address}",\n'
        f'    headers={{"Authorization": "Token {token}"}},\n    timeout=10,\n)\n'
        "print(answer.json())"
    )
    script = (
        f'const answer = await fetch("{address}", {{\n'
        f'  headers: {{ Authorization: "Token {token}" }},\n}});\nconsole.log(await answer.json());'
    )
    return [
        {"label": "curl", "code": f'curl -H "Authorization: Token {token}" {address}'},
        {"label": "Python", "code": python},
        {"label": "JavaScript", "code": script},
    ]


def _tokens(request: HttpRequest, form: TokenForm) -> dict[str, Any]:
    found = tokens.personal(user_id=Actor.of(request).user_id)  # type: ignore[arg-type]
    return frame("tokens", rows=found, form=form, samples=samples(request, EXAMPLE))


class RevokeToken(LoginRequiredMixin, View):
    """POST /settings/tokens/<token_id>/revoke/."""

    def post(self, request: HttpRequest, token_id: UUID) -> HttpResponse:
        """It ends at once."""
        tokens.revoke_personal(token_id=token_id, by=Actor.of(request))
        return done(request, reverse("tokens"), "The token has ended.")


class Sessions(LoginRequiredMixin, View):
    """GET, POST /settings/sessions/: what is signed in; POST ends everything."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Browsers and programs."""
        found = tokens.sign_ins(user_id=Actor.of(request).user_id)  # type: ignore[arg-type]
        context = frame("sessions", rows=found, here=browser_sessions.family_of(request.session))
        return render_page(request, "portfolios/sessions.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Sign out everywhere, here too."""
        actor = Actor.of(request)
        accounts.end_everywhere(user_id=actor.user_id, by=actor)  # type: ignore[arg-type]
        return done(request, reverse("login"), "You are signed out everywhere.")


class EndSession(LoginRequiredMixin, View):
    """POST /settings/sessions/<sign_in_id>/end/."""

    def post(self, request: HttpRequest, sign_in_id: UUID) -> HttpResponse:
        """That device is signed out at its next request."""
        user_id = Actor.of(request).user_id
        tokens.end_sign_in(user_id=user_id, family_id=sign_in_id)  # type: ignore[arg-type]
        return done(request, reverse("sessions"), "That sign-in has ended.")
