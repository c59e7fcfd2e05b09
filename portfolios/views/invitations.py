"""An invitation as the one who is invited meets it: by its link, or on their own pages."""

from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError
from etftrader.core.pages import done, render_page, render_refusal
from portfolios.models import Invitation
from portfolios.selectors import invitations
from portfolios.services import invitations as write
from portfolios.services import signing
from portfolios.views.sharing import PARTS, choice_of

PAGE = "portfolios/sharing_invitation.html"
LINKS = "opened_links"  # in the session: the links this browser came by
MAX_LINKS = 10


def offers(actor: Actor) -> list[dict[str, Any]]:
    """What is offered to the actor, for the pages that lead there."""
    return [
        {"row": each, "part": PARTS[choice_of(each.role, each.can_trade)]}
        for each in invitations.to_me(actor)[:20]
    ]


@method_decorator(never_cache, name="dispatch")
class OpenLink(LoginRequiredMixin, View):
    """GET /invitations/open/<token>/: to the page without the token in its address."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Remember that this browser came by the link."""
        row = invitations.by_link(actor=Actor.of(request), link=signing.hashed(token))
        known = request.session.get(LINKS, {})
        kept = dict(list(known.items())[-MAX_LINKS + 1 :])
        request.session[LINKS] = kept | {str(row.pk): token}
        return done(request, reverse("invitation", args=[row.pk]))


@method_decorator(never_cache, name="dispatch")
class InvitationPage(LoginRequiredMixin, View):
    """GET, POST /invitations/<id>/."""

    def get(self, request: HttpRequest, invitation_id: UUID) -> HttpResponse:
        """Who offers what."""
        actor = Actor.of(request)
        row = invitations.offered(actor=actor, invitation_id=invitation_id)
        return render_page(request, PAGE, _context(request, actor, row))

    def post(self, request: HttpRequest, invitation_id: UUID) -> HttpResponse:
        """Accept, or decline."""
        actor = Actor.of(request)
        row = invitations.offered(actor=actor, invitation_id=invitation_id)
        try:
            if request.POST.get("answer") == "decline":
                write.decline(invitation_id=row.pk, by=actor)
                return done(request, reverse("portfolios"), "You have declined.")
            write.accept(invitation_id=row.pk, token=_link(request, row), by=actor)
        except DomainError as error:
            return render_refusal(request, PAGE, _context(request, actor, row), error)
        url = reverse("overview", args=[row.portfolio_id])
        return done(request, url, f"{row.portfolio.name} is on your list.")


def _link(request: HttpRequest, row: Invitation) -> str:
    return str(request.session.get(LINKS, {}).get(str(row.pk), ""))


def _context(request: HttpRequest, actor: Actor, row: Invitation) -> dict[str, Any]:
    asks = not _link(request, row) and invitations.asks_for_link(actor=actor, row=row)
    return {
        "row": row,
        "part": PARTS[choice_of(row.role, row.can_trade)],
        "asks_for_link": asks,
    }
