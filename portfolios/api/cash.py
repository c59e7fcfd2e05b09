"""Cash and snapshots of a portfolio over the API."""

import uuid
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core import jobs
from etftrader.core.api.fields import MoneyField, StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.jobs import document as job_document
from etftrader.core.api.lists import CursorPages
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput, NotFound
from marketdata.selectors import calendar, sessions
from portfolios.api import documents
from portfolios.api.rows import CashRow, SnapshotRow
from portfolios.choices import SnapshotKind
from portfolios.constants import Action
from portfolios.models import CashTransaction, PortfolioSnapshot
from portfolios.selectors import access
from portfolios.selectors import cash as read
from portfolios.services import cash


class Movement(StrictSerializer):
    """Cash in or out; the amount is positive."""

    type = serializers.ChoiceField(["deposit", "withdrawal"])
    amount = MoneyField(positive=True)
    currency = serializers.ChoiceField(["USD"], default="USD")
    reason = serializers.CharField(max_length=300, default="", allow_blank=True)


class Correction(StrictSerializer):
    """Why a booking is taken back."""

    reason = serializers.CharField(max_length=300)


class SnapshotRequest(StrictSerializer):
    """Which session; the last close when absent."""

    session_date = serializers.DateField(required=False)


@operation(
    get=Op(
        "portfolio:view", "List deposits, withdrawals and fees", lists=True, query=documents.AS_OF
    ),
    post=Op("portfolio:trade", "Deposit or withdraw cash", money=True),
)
class Cash(ApiView):
    """GET, POST /api/v1/portfolios/{portfolio_id}/cash."""

    pagination_class = CursorPages
    cursor_ordering = ("-ledger_seq", "-pk")
    serializer_class = CashRow
    queryset = CashTransaction.objects.none()

    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Newest first."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        until = documents.session_asked(request, sessions.moment())
        return self.listing(read.papers(portfolio_id=portfolio.pk, until=until), CashRow)

    @extend_schema(request=Movement, responses={201: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The booked movement."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        asked = self.checked(Movement)

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


@operation(get=Op("portfolio:view", "Read a cash transaction"))
class OneCash(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/cash/{transaction_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID, transaction_id: UUID) -> Response:
        """One paper."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        row = read.papers(portfolio_id=portfolio.pk).filter(pk=transaction_id).first()
        if row is None:
            raise NotFound("There is no such cash transaction.")
        return Response(documents.cash_paper(row))


@operation(post=Op("portfolio:trade", "Take a cash booking back", money=True))
class Reversal(ApiView):
    """POST /api/v1/portfolios/{portfolio_id}/cash/{transaction_id}/reverse."""

    @extend_schema(request=Correction, responses={201: dict})
    def post(self, request: Any, portfolio_id: UUID, transaction_id: UUID) -> Response:
        """The reversing transaction."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        asked = self.checked(Correction)

        def effect() -> Response:
            paper = cash.reverse(
                portfolio_id=portfolio.pk,
                transaction_id=transaction_id,
                reason=asked["reason"],
                by=self.actor,
            )
            return Response(documents.cash_paper(paper), 201)

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

    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """Newest first."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        moment = sessions.moment()
        until = documents.session_asked(request, moment) or moment.current
        start = documents.session_asked(request, moment, "start")
        rows = PortfolioSnapshot.objects.for_actor(self.actor).filter(
            portfolio=portfolio, kind=SnapshotKind.ACTUAL, session_date__lte=until
        )
        if start is not None:
            rows = rows.filter(session_date__gte=start)
        return self.listing(rows.order_by("-session_date", "-pk"), SnapshotRow)

    @extend_schema(request=SnapshotRequest, responses={202: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The job that takes it."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.CALCULATE)
        latest = sessions.latest()
        day = self.checked(SnapshotRequest).get("session_date", latest)
        if day > latest or not calendar.is_session(day):
            raise BadInput(f"A session not after {latest}.", attr="session_date")

        def effect() -> Response:
            run = jobs.request(
                "portfolios.take_snapshots",
                as_of=day,
                portfolio_ids=[portfolio.pk],
                requested_by=self.actor.user_id,
                request_id=self.actor.request_id,
            )
            return Response(job_document(run), 202)

        return once(request, effect)
