"""Cash and snapshots of a portfolio over the API."""

import uuid
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core import jobs
from etftrader.core.actor import Actor
from etftrader.core.api.fields import MoneyField, StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.jobs import document as job_document
from etftrader.core.api.lists import CursorPages
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput, NotFound
from marketdata.api import as_of
from marketdata.api.asked import bound
from marketdata.selectors import calendar, sessions
from portfolios.api import documents
from portfolios.api.rows import CashRow, SnapshotRow
from portfolios.choices import SnapshotKind
from portfolios.constants import Action
from portfolios.models import CashTransaction, Portfolio, PortfolioSnapshot
from portfolios.selectors import access
from portfolios.selectors import cash as read
from portfolios.services import asking, cash

SNAPSHOTS = "portfolios.take_snapshots"


class Movement(StrictSerializer):
    """Cash in or out, in the book's currency; the amount is positive, the type says which way."""

    type = serializers.ChoiceField(list(cash.TYPES))
    amount = MoneyField(positive=True)
    currency = serializers.CharField(max_length=3, required=False)
    reason = serializers.CharField(max_length=300, default="", allow_blank=True)


class Correction(StrictSerializer):
    """Why a booking is taken back."""

    reason = serializers.CharField(max_length=300)


class SnapshotRequest(StrictSerializer):
    """Which session; the last close when absent."""

    session_date = serializers.DateField(required=False)


def check_currency(portfolio: Portfolio, asked: Mapping[str, Any]) -> None:
    """Raise BadInput (`other_currency`) for cash of another currency than the book's."""
    named = asked.get("currency")
    if named and named.upper() != portfolio.base_currency:
        raise BadInput(
            f"{portfolio.name} keeps cash in {portfolio.base_currency} alone.",
            attr="currency",
            code="other_currency",
        )


def check_both_sides(actor: Actor, paper: CashTransaction) -> None:
    """Taking a transfer back moves the other book too. Raises NotFound and NotAllowed."""
    for other in read.other_sides(
        portfolio_id=paper.portfolio_id, seqs=[paper.ledger_seq]
    ).values():
        access.portfolio_for(actor, other, Action.TRADE)


@operation(
    get=Op(
        "portfolio:view",
        "List deposits, withdrawals, fees and the like",
        lists=True,
        query=as_of.AS_OF,
    ),
    post=Op("portfolio:trade", "Book cash: a deposit, a fee, interest ...", money=True),
)
class Cash(ApiView):
    """GET, POST /api/v1/portfolios/{portfolio_id}/cash."""

    pagination_class = CursorPages
    cursor_ordering = ("-ledger_seq", "-pk")
    serializer_class = CashRow
    queryset = CashTransaction.objects.none()

    def get(self, request: Any, portfolio_id: UUID) -> Response | HttpResponse:
        """Newest first."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        until = as_of.past(request)
        rows = read.papers(portfolio_id=portfolio.pk, until=until)
        return self.listing(rows, CashRow, past=until)

    @extend_schema(request=Movement, responses={201: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The booked movement."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        asked = self.checked(Movement)
        check_currency(portfolio, asked)

        def effect() -> Response:
            paper = cash.move(
                portfolio_id=portfolio.pk,
                kind=asked["type"],
                amount=asked["amount"],
                session_date=sessions.moment().current,
                source=f"cash:{uuid.uuid4()}",
                reason=asked["reason"],
                by=self.actor,
            )
            return Response(documents.cash_paper(paper), 201)

        return once(request, effect)


@operation(get=Op("portfolio:view", "Read a cash transaction", query=as_of.AS_OF))
class OneCash(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/cash/{transaction_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID, transaction_id: UUID) -> Response:
        """One paper; one booked after `as_of` is missing."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        past = as_of.past(request)
        rows = read.papers(portfolio_id=portfolio.pk, until=past)
        row = rows.filter(pk=transaction_id).first()
        if row is None:
            raise NotFound("There is no such cash transaction.")
        return Response(documents.cash_paper(row, past))


@operation(post=Op("portfolio:trade", "Take a cash booking back", money=True))
class Reversal(ApiView):
    """POST /api/v1/portfolios/{portfolio_id}/cash/{transaction_id}/reverse."""

    @extend_schema(request=Correction, responses={201: dict})
    def post(self, request: Any, portfolio_id: UUID, transaction_id: UUID) -> Response:
        """The reversing transaction."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        asked = self.checked(Correction)
        paper = read.papers(portfolio_id=portfolio.pk).filter(pk=transaction_id).first()
        if paper is None:
            raise NotFound("There is no such cash transaction.")
        check_both_sides(self.actor, paper)

        def effect() -> Response:
            made = cash.reverse(
                portfolio_id=portfolio.pk,
                transaction_id=transaction_id,
                reason=asked["reason"],
                by=self.actor,
            )
            return Response(documents.cash_paper(made), 201)

        return once(request, effect)


@operation(
    get=Op("portfolio:view", "List daily snapshots", lists=True, query=documents.STRETCH),
    post=Op("portfolio:calculate", "Take a snapshot again, by a job", limit="jobs"),
)
class Snapshots(ApiView):
    """GET, POST /api/v1/portfolios/{portfolio_id}/snapshots."""

    pagination_class = CursorPages
    cursor_ordering = ("-session_date", "-pk")
    serializer_class = SnapshotRow
    queryset = PortfolioSnapshot.objects.none()

    def get(self, request: Any, portfolio_id: UUID) -> Response | HttpResponse:
        """Newest first."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        asked = as_of.asked(request)
        until = asked.past or asked.now.current
        start = bound(request, "start", asked.now)
        rows = PortfolioSnapshot.objects.for_actor(self.actor).filter(
            portfolio=portfolio, kind=SnapshotKind.ACTUAL, session_date__lte=until
        )
        if start is not None:
            rows = rows.filter(session_date__gte=start)
        return self.listing(rows.order_by("-session_date", "-pk"), SnapshotRow)

    @extend_schema(request=SnapshotRequest, responses={202: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The job that takes it. 409 `asked_recently` within five minutes of an owner's last."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.CALCULATE)
        latest = sessions.latest()
        day = self.checked(SnapshotRequest).get("session_date", latest)
        if day > latest or not calendar.is_session(day):
            raise BadInput(f"A session not after {latest}.", attr="session_date")

        def effect() -> Response:
            asking.require_pause(job=SNAPSHOTS, portfolio=portfolio, by=self.actor)
            run = jobs.request(
                SNAPSHOTS,
                as_of=day,
                portfolio_ids=[portfolio.pk],
                requested_by=self.actor.user_id,
                request_id=self.actor.request_id,
            )
            return Response(job_document(run), 202)

        return once(request, effect)
