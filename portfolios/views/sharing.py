"""Sharing of one portfolio: members, invitations, what each role can do."""

import uuid
from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from etftrader.core import clock, idempotency
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, DomainError, VersionMismatch
from etftrader.core.idempotency import Answer
from etftrader.core.pages import UNPROCESSABLE, done, render_page, render_refusal
from portfolios.choices import Role
from portfolios.constants import Action
from portfolios.forms.sharing import (
    ChangeForm,
    EndForm,
    HandOverForm,
    InviteForm,
    choice_of,
    part_of,
)
from portfolios.models import Invitation, Membership, Portfolio
from portfolios.selectors import access, invitations, permissions
from portfolios.services import invitation_mail, memberships
from portfolios.services import invitations as write

PAGE = "portfolios/sharing.html"
LINK = "invitation_link"  # in the session, from the POST to the page that shows it
SHOWN_WITHIN_S = 120
PARTS = {"viewer": "Viewer", "editor": "Editor", "trader": "Editor, may trade", "owner": "Owner"}
MOVED = "It was changed meanwhile. Look at it again."
Made = tuple[Invitation, str]


@method_decorator(never_cache, name="dispatch")
class SharingPage(LoginRequiredMixin, View):
    """GET, POST /portfolios/<id>/sharing/: POST invites an address."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Who has a part, who is invited, and what each role can do."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id)
        context = _context(actor, portfolio) | _just_made(request, portfolio)
        wanted = request.GET.get("member")
        changed = (each for each in context.get("members", ()) if str(each["row"].pk) == wanted)
        return render_page(request, PAGE, context | {"chosen": next(changed, None)})

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Invite, and lead to where the link is shown: a reload sends no second one."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.SHARE)
        form = InviteForm(request.POST)
        if not form.is_valid():
            return _refused(request, actor, portfolio, {"invite_form": form})
        said = form.cleaned_data
        offer = {"email": said["email"], "message": said["message"], **part_of(said["part"])}
        try:
            return _send(request, actor, portfolio, offer, said["idempotency_key"])
        except DomainError as error:
            context = _context(actor, portfolio, invite_form=form)
            return render_refusal(request, PAGE, context, error, form=form)


class HandOver(LoginRequiredMixin, View):
    """POST /portfolios/<id>/sharing/hand-over/."""

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Offer the ownership; nothing changes until it is accepted."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.SHARE)
        form = HandOverForm(request.POST, name=portfolio.name)
        if not form.is_valid():
            return _refused(request, actor, portfolio, {"over_form": form})
        said = form.cleaned_data
        offer = {"email": said["email"], "role": Role.OWNER.value}
        try:
            return _send(request, actor, portfolio, offer, said["idempotency_key"])
        except DomainError as error:
            context = _context(actor, portfolio, over_form=form)
            return render_refusal(request, PAGE, context, error, form=form)


class ChangeMember(LoginRequiredMixin, View):
    """POST /portfolios/<id>/sharing/members/<member_id>/."""

    def post(self, request: HttpRequest, portfolio_id: UUID, member_id: UUID) -> HttpResponse:
        """Give another part, unless somebody else was faster."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.SHARE)
        form = ChangeForm(request.POST)

        def act(said: dict[str, Any]) -> None:
            memberships.change(
                portfolio_id=portfolio.pk,
                member_id=member_id,
                if_match_version=said["version"],
                by=actor,
                **part_of(said["part"]),
            )

        return _act(request, actor, portfolio, form, act, "The part is changed.")


class EndMember(LoginRequiredMixin, View):
    """POST /portfolios/<id>/sharing/members/<member_id>/end/."""

    def post(self, request: HttpRequest, portfolio_id: UUID, member_id: UUID) -> HttpResponse:
        """The member sees the portfolio no more."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.REVOKE)
        form = EndForm(request.POST)

        def act(said: dict[str, Any]) -> None:
            memberships.revoke(
                portfolio_id=portfolio.pk,
                member_id=member_id,
                reason=said["reason"],
                if_match_version=said["version"],
                by=actor,
            )

        return _act(request, actor, portfolio, form, act, "The part has ended.")


class Withdraw(LoginRequiredMixin, View):
    """POST /portfolios/<id>/sharing/invitations/<invitation_id>/withdraw/."""

    def post(self, request: HttpRequest, portfolio_id: UUID, invitation_id: UUID) -> HttpResponse:
        """Its link ends."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.SHARE)
        form = EndForm(request.POST)

        def act(said: dict[str, Any]) -> None:
            write.withdraw(
                portfolio_id=portfolio.pk,
                invitation_id=invitation_id,
                if_match_version=said["version"],
                by=actor,
            )

        return _act(request, actor, portfolio, form, act, "The invitation is withdrawn.")


class SendAgain(LoginRequiredMixin, View):
    """POST /portfolios/<id>/sharing/invitations/<invitation_id>/send-again/."""

    def post(self, request: HttpRequest, portfolio_id: UUID, invitation_id: UUID) -> HttpResponse:
        """A new link and seven more days."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.SHARE)
        try:
            made = write.send_again(
                portfolio_id=portfolio.pk, invitation_id=invitation_id, by=actor
            )
        except DomainError as error:
            return render_refusal(request, PAGE, _context(actor, portfolio), error)
        return _told(request, actor, portfolio, made)


class Leave(LoginRequiredMixin, View):
    """POST /portfolios/<id>/sharing/leave/."""

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """End one's own part."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.LEAVE)
        try:
            memberships.leave(portfolio_id=portfolio.pk, by=actor)
        except DomainError as error:
            return render_refusal(request, PAGE, _context(actor, portfolio), error)
        return done(request, reverse("portfolios"), f"You have left {portfolio.name}.")


def _act(
    request: HttpRequest, actor: Actor, portfolio: Portfolio, form: Form, act: Any, words: str
) -> HttpResponse:
    """One act of a row's form; what is refused is said above the page as it stands now."""
    if not form.is_valid():
        error: DomainError = Conflict(
            " ".join(str(each) for errors in form.errors.values() for each in errors)
        )
        return render_refusal(request, PAGE, _context(actor, portfolio), error)
    try:
        act(form.cleaned_data)
    except VersionMismatch:
        return render_refusal(request, PAGE, _context(actor, portfolio), Conflict(MOVED))
    except DomainError as error:
        return render_refusal(request, PAGE, _context(actor, portfolio), error)
    return done(request, reverse("sharing", args=[portfolio.pk]), words)


def _send(
    request: HttpRequest, actor: Actor, portfolio: Portfolio, offer: dict[str, Any], key: str
) -> HttpResponse:
    """Send an invitation once for each form that was shown."""
    made: list[Made] = []

    def effect() -> Answer:
        made.append(write.invite(portfolio_id=portfolio.pk, by=actor, **offer))
        return Answer(201, {"invitation": str(made[-1][0].pk)})

    assert actor.user_id is not None
    answer = idempotency.once(
        user_id=actor.user_id,
        operation="invitations.send",
        key=key,
        print_of=idempotency.fingerprint(request.path, offer),
        effect=effect,
        money=False,
    )
    if answer.replayed:
        url = reverse("sharing", args=[portfolio.pk])
        return done(request, url, "This was sent before; nothing was sent twice.")
    return _told(request, actor, portfolio, made[-1])


def _told(request: HttpRequest, actor: Actor, portfolio: Portfolio, made: Made) -> HttpResponse:
    """Mail the link, or keep it for the one page that shows it."""
    row, text = made
    url = reverse("sharing", args=[portfolio.pk])
    link = request.build_absolute_uri(reverse("invitation_open", args=[text]))
    if invitation_mail.send(row=row, link=link, sender=actor.label):
        return done(request, url, f"An invitation went to {row.email}.")
    request.session[LINK] = {
        "portfolio": str(portfolio.pk),
        "email": row.email,
        "link": link,
        "at": clock.now().timestamp(),
    }
    return done(request, url)


def _just_made(request: HttpRequest, portfolio: Portfolio) -> dict[str, Any]:
    """The link made a moment ago; asking takes it out of the session."""
    made = request.session.pop(LINK, None)
    old = made is None or clock.now().timestamp() - made["at"] > SHOWN_WITHIN_S
    return {} if old or made["portfolio"] != str(portfolio.pk) else {"made": made}


def _refused(
    request: HttpRequest, actor: Actor, portfolio: Portfolio, forms: dict[str, Form]
) -> HttpResponse:
    context = _context(actor, portfolio, **forms)
    return render_page(request, PAGE, context, status=UNPROCESSABLE)


def _context(actor: Actor, portfolio: Portfolio, **forms: Form) -> dict[str, Any]:
    acts = access.actions_of(actor, portfolio)
    part = access.part_of(actor, portfolio)
    told: dict[str, Any] = {
        "portfolio": portfolio,
        "tab": "sharing",
        "part": PARTS[choice_of(part.role, part.can_trade)] if part else "Staff",
        "may_leave": Action.LEAVE in acts and part is not None and part.role != Role.OWNER,
        "may_share": Action.SHARE in acts,
        "may_see": Action.VIEW_AUDIT in acts,
        "table": _table(),
    }
    if told["may_see"]:
        rows = memberships.of_portfolio(portfolio_id=portfolio.pk)
        told["members"] = [_member(each, acts) for each in rows]
        told["waiting"] = [
            {"row": each, "part": PARTS[choice_of(each.role, each.can_trade)]}
            | {"expired": invitations.is_expired(each)}
            for each in invitations.waiting(portfolio_id=portfolio.pk)
        ]
    if told["may_share"]:
        key = {"idempotency_key": uuid.uuid4().hex}
        told["mails"] = invitation_mail.is_configured()
        told["invite_form"] = InviteForm(initial=key)
        told["over_form"] = HandOverForm(initial=key, name=portfolio.name)
    return told | forms


def _member(row: Membership, acts: set[Action]) -> dict[str, Any]:
    """One member, with the forms the asker may send."""
    choice = choice_of(row.role, row.can_trade)
    ours = row.role != Role.OWNER
    initial = {"part": choice, "version": row.version}
    ids = f"m{row.pk.hex[:8]}_%s"
    return {
        "row": row,
        "part": PARTS[choice],
        "change": ChangeForm(initial=initial, auto_id=ids)
        if ours and Action.SHARE in acts
        else None,
        "end": EndForm(initial=initial, auto_id=f"e{ids}")
        if ours and Action.REVOKE in acts
        else None,
    }


def _table() -> dict[str, Any]:
    return {
        "id": "rights",
        "caption": "What each role can do",
        "columns": [
            {"key": "does", "label": "Act", "css": "fold"},
            *({"key": name, "label": name.capitalize()} for name in permissions.COLUMNS[:3]),
            {"key": "staff", "label": "Staff", "priority": "p2"},
        ],
        "rows": [
            {"does": each.does} | {name: getattr(each, name) for name in permissions.COLUMNS}
            for each in permissions.table()
        ],
    }
