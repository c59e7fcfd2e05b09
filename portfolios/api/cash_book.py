"""Cash transactions of every book one sees: listed, booked, taken back, each and in batches."""

import uuid
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import batch
from etftrader.core.api.fields import MoneyField, StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.lists import CursorPages
from etftrader.core.api.registry import FACT, Op, operation
from etftrader.core.errors import BadInput, NotAllowed, NotFound
from marketdata.api import as_of
from marketdata.selectors import sessions
from portfolios.api import documents
from portfolios.api.cash import Movement, check_both_sides, check_currency
from portfolios.api.owned import OF_PORTFOLIO, OwnedView
from portfolios.api.rows import CashRow
from portfolios.choices import CashType
from portfolios.constants import Action
from portfolios.models import CashTransaction, Portfolio
from portfolios.selectors import access
from portfolios.selectors import cash as read
from portfolios.services import cash

MISSING = "There is no such cash transaction."


class NewMovement(Movement):
    """Cash of a portfolio, or of an account with one open portfolio."""

    portfolio = serializers.UUIDField(required=False)
    account = serializers.UUIDField(required=False)


class Correct(StrictSerializer):
    """What it should have been; what is left out was right."""

    type = serializers.ChoiceField(list(cash.TYPES), required=False)
    amount = MoneyField(positive=True, required=False)
    currency = serializers.CharField(max_length=3, required=False)
    reason = serializers.CharField(max_length=300, default="corrected")


class CorrectWhole(Correct):
    """What it should have been, all of it."""

    type = serializers.ChoiceField(list(cash.TYPES))
    amount = MoneyField(positive=True)


class CorrectOne(batch.Keyed, Correct):
    """Which one of a batch, and what it should have been."""


class Why(StrictSerializer):
    """Why it is taken back."""

    reason = serializers.CharField(max_length=300, default="deleted")


class CashFilters(filters.FilterSet):
    """Filters of cash transactions."""

    type = filters.ChoiceFilter(choices=CashType.choices)
    currency = filters.CharFilter(lookup_expr="iexact")
    external_flow = filters.BooleanFilter()
    session_date__gte = filters.DateFilter(field_name="session_date", lookup_expr="gte")
    session_date__lte = filters.DateFilter(field_name="session_date", lookup_expr="lte")

    class Meta:
        model = CashTransaction
        fields = ("type",)


class Papers(OwnedView):
    """What the cash of several books shares."""

    def book(self, asked: dict[str, Any]) -> Portfolio:
        """The portfolio a body names. Raises BadInput."""
        named = asked.get("portfolio") or self._only_of(asked.get("account"))
        try:
            return access.portfolio_for(self.actor, named, Action.TRADE)
        except NotFound as error:
            raise BadInput(error.detail, attr="portfolio", code="does_not_exist") from error

    def _only_of(self, account_id: UUID | None) -> UUID:
        seen = Portfolio.objects.for_actor(self.actor).open().filter(account_id=account_id)
        found = list(seen.values_list("pk", flat=True)[:2]) if account_id else []
        if len(found) != 1:
            raise BadInput("Name the portfolio.", attr="portfolio", code="portfolio_required")
        return found[0]

    def booked(self, portfolio: Portfolio, asked: dict[str, Any]) -> dict[str, Any]:
        """The document of a new booking."""
        check_currency(portfolio, asked)
        paper = cash.move(
            portfolio_id=portfolio.pk,
            kind=asked["type"],
            amount=asked["amount"],
            session_date=sessions.moment().current,
            source=f"cash:{uuid.uuid4()}",
            reason=asked["reason"],
            by=self.actor,
        )
        return documents.cash_paper(paper)

    def row(self, key: UUID | str) -> CashTransaction:
        """A paper one sees. Raises NotFound."""
        try:
            wanted = UUID(str(key))
        except ValueError as error:
            raise NotFound(MISSING) from error
        row = read.visible(actor=self.actor).filter(pk=wanted).first()
        if row is None:
            raise NotFound(MISSING)
        self.shown([row])
        return row

    def corrected(self, row: CashTransaction, asked: dict[str, Any]) -> dict[str, Any]:
        """The document of the booking that stands for it now."""
        portfolio = access.portfolio_for(self.actor, row.portfolio_id, Action.TRADE)
        check_currency(portfolio, asked)
        paper = cash.correct(
            portfolio_id=row.portfolio_id,
            transaction_id=row.pk,
            kind=asked.get("type"),
            amount=asked.get("amount"),
            session_date=sessions.moment().current,
            reason=asked["reason"],
            by=self.actor,
        )
        return documents.cash_paper(paper)

    def taken_back(self, row: CashTransaction, reason: str) -> dict[str, Any]:
        """The document of the reversing transaction."""
        access.portfolio_for(self.actor, row.portfolio_id, Action.TRADE)
        check_both_sides(self.actor, row)
        made = cash.reverse(
            portfolio_id=row.portfolio_id, transaction_id=row.pk, reason=reason, by=self.actor
        )
        return documents.cash_paper(made)


@operation(
    get=Op(
        "signed_in", "Cash transactions of every book", lists=True, query=OF_PORTFOLIO | as_of.AS_OF
    ),
    post=Op("signed_in:trade", "Book cash in one of your portfolios", money=True),
)
class CashTransactions(Papers):
    """GET, POST /api/v1/cash-transactions."""

    pagination_class = CursorPages
    cursor_ordering = ("-created_at", "-pk")
    serializer_class = CashRow
    queryset = CashTransaction.objects.none()
    filterset_class = CashFilters

    def get(self, request: Any) -> Response | HttpResponse:
        """Newest first."""
        past = as_of.past(request)
        rows = read.visible(actor=self.actor, until=past)
        return self.listing(self.of_portfolio(rows), CashRow, past=past)

    @extend_schema(request=NewMovement, responses={201: dict})
    def post(self, request: Any) -> Response:
        """The booked movement."""
        asked = self.checked(NewMovement)
        portfolio = self.book(asked)
        return once(request, lambda: Response(self.booked(portfolio, asked), 201))


@operation(
    post=Op("signed_in:trade", "Book cash several times", money=True, query=batch.PARTIAL),
    patch=Op("signed_in:trade", "Correct several cash bookings", query=batch.PARTIAL),
    delete=Op("signed_in:trade", "Take several cash bookings back", query=batch.PARTIAL),
)
class CashTransactionBatch(Papers):
    """POST, PATCH, DELETE /api/v1/cash-transactions/batch: all, or with `partial=true` the good."""

    @extend_schema(request=NewMovement(many=True), responses={201: dict, 207: dict})
    def post(self, request: Any) -> Response:
        """The booked movements in the order of the question."""

        def make(item: dict[str, Any]) -> dict[str, Any]:
            return self.booked(self.book(item), item)

        return once(request, lambda: batch.create(request, serializer=NewMovement, make=make))

    @extend_schema(request=CorrectOne(many=True), responses={200: dict, 207: dict})
    def patch(self, request: Any) -> Response:
        """The bookings that stand for them now; the old ones are taken back."""

        def alter(key: str, version: int | None, fields: dict[str, Any]) -> dict[str, Any]:
            try:
                return self.corrected(self.row(key), fields)
            except NotAllowed as error:
                raise BadInput(error.detail, code=error.code, attr="id") from error

        return batch.change(request, serializer=CorrectOne, alter=alter)

    @extend_schema(request=batch.Keyed(many=True), responses={200: dict, 207: dict})
    def delete(self, request: Any) -> Response:
        """The reversing transactions; nothing is deleted."""

        def drop(key: str, version: int | None) -> dict[str, Any]:
            try:
                return self.taken_back(self.row(key), "deleted")
            except NotAllowed as error:
                raise BadInput(error.detail, code=error.code, attr="id") from error

        return batch.remove(request, drop=drop)


@operation(
    get=Op("signed_in", "Read a cash transaction", query=as_of.AS_OF, versions=FACT),
    put=Op("signed_in:trade", "Correct a cash booking: taken back, and booked anew", versions=FACT),
    patch=Op("signed_in:trade", "Correct what of a cash booking was wrong", versions=FACT),
    delete=Op("signed_in:trade", "Take a cash booking back by a reversal", versions=FACT),
)
class OneCashTransaction(Papers):
    """GET, PUT, PATCH, DELETE /api/v1/cash-transactions/{transaction_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, transaction_id: UUID) -> Response:
        """One paper; one booked after `as_of` is missing."""
        past = as_of.past(request)
        row = self.row(transaction_id)
        if past is not None and row.session_date > past:
            raise NotFound(MISSING)
        return Response(documents.cash_paper(row, past))

    @extend_schema(request=CorrectWhole, responses={200: dict})
    def put(self, request: Any, transaction_id: UUID) -> Response:
        """The booking that stands for it now; the same correction again answers the same."""
        return Response(self.corrected(self.row(transaction_id), self.checked(CorrectWhole)))

    @extend_schema(request=Correct, responses={200: dict})
    def patch(self, request: Any, transaction_id: UUID) -> Response:
        """The booking that stands for it now; the same correction again answers the same."""
        return Response(self.corrected(self.row(transaction_id), self.checked(Correct)))

    @extend_schema(request=Why, responses={200: dict})
    def delete(self, request: Any, transaction_id: UUID) -> Response:
        """The reversing transaction; a second time the same one."""
        row = self.row(transaction_id)
        return Response(self.taken_back(row, self.checked(Why)["reason"]))
