"""Accounts over the API: opened, changed, closed; and what each type of them is worth."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import batch, versions
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from etftrader.core.errors import NotAllowed, NotFound
from etftrader.core.money import plain
from marketdata.api import as_of
from portfolios.api import documents
from portfolios.api.owned import OwnedView
from portfolios.api.portfolios import Reason
from portfolios.api.positions import SeveralView, one_currency
from portfolios.api.rows import AccountRow
from portfolios.choices import AccountStatus, AccountType
from portfolios.models import Account
from portfolios.selectors import people
from portfolios.services import account_book

MISSING = "There is no such account."


class AccountFields(StrictSerializer):
    """What may change of an account."""

    name = serializers.CharField(max_length=account_book.MAX_NAME, required=False)
    account_type = serializers.ChoiceField(AccountType.choices, required=False)


class NewAccount(StrictSerializer):
    """An account of one's own; `customer` may name nobody but the caller."""

    name = serializers.CharField(max_length=account_book.MAX_NAME)
    account_type = serializers.ChoiceField(AccountType.choices, default=AccountType.PAPER)
    currency = serializers.CharField(max_length=3, default=account_book.CURRENCY)
    customer = serializers.UUIDField(required=False)


class WholeAccount(StrictSerializer):
    """An account as a whole."""

    name = serializers.CharField(max_length=account_book.MAX_NAME)
    account_type = serializers.ChoiceField(AccountType.choices, default=AccountType.PAPER)


class ChangedAccount(batch.Keyed, AccountFields):
    """One account of a batch."""


class AccountFilters(filters.FilterSet):
    """Filters of accounts."""

    account_type = filters.ChoiceFilter(choices=AccountType.choices)
    status = filters.ChoiceFilter(choices=AccountStatus.choices)
    name__icontains = filters.CharFilter(field_name="name", lookup_expr="icontains")

    class Meta:
        model = Account
        fields = ("account_type",)


class Rows(OwnedView):
    """What one account and several share."""

    def row(self, key: UUID | str) -> Account:
        """One's own account. Raises NotFound, and NotAllowed where it is only seen."""
        try:
            wanted = UUID(str(key))
        except ValueError as error:
            raise NotFound(MISSING) from error
        found = people.account_of(actor=self.actor, account_id=wanted)
        if found is None and Account.objects.for_actor(self.actor).filter(pk=wanted).exists():
            raise NotAllowed("Staff may read this account, not change it.")
        if found is None:
            raise NotFound(MISSING)
        return found

    def made(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The document of a new account. Raises BadInput for a customer who is not the caller."""
        user = people.me(self.actor)
        people.check_customer(user, asked.pop("customer", None))
        return documents.account(account_book.open_account(user=user, by=self.actor, **asked))

    def changed(self, row: Account, fields: dict[str, Any], version: int | None) -> Account:
        """The account afterwards."""
        return account_book.update(
            account_id=row.pk, changes=fields, if_match_version=version, by=self.actor
        )

    def closed(self, row: Account, version: int | None) -> Account:
        """The closed account."""
        return account_book.close(account_id=row.pk, if_match_version=version, by=self.actor)


@operation(
    get=Op("signed_in", "List your accounts", lists=True),
    post=Op("signed_in:trade", "Open an account"),
)
class Accounts(Rows):
    """GET, POST /api/v1/accounts."""

    serializer_class = AccountRow
    queryset = Account.objects.none()
    filterset_class = AccountFilters

    def get(self, request: Any) -> Response | HttpResponse:
        """In the order they were made."""
        rows = Account.objects.for_actor(self.actor).order_by("created_at", "pk")
        return self.listing(rows, AccountRow)

    @extend_schema(request=NewAccount, responses={201: dict})
    def post(self, request: Any) -> Response:
        """The new account."""
        asked = self.checked(NewAccount)
        return once(request, lambda: Response(self.made(asked), 201))


@operation(
    post=Op("signed_in:trade", "Open several accounts", query=batch.PARTIAL),
    patch=Op("signed_in:trade", "Change several accounts", query=batch.PARTIAL),
    delete=Op("signed_in:trade", "Close several accounts", query=batch.PARTIAL),
)
class AccountBatch(Rows):
    """POST, PATCH, DELETE /api/v1/accounts/batch: all or nothing, unless `partial=true`."""

    @extend_schema(request=NewAccount(many=True), responses={201: dict, 207: dict})
    def post(self, request: Any) -> Response:
        """The accounts in the order of the question."""
        return once(request, lambda: batch.create(request, serializer=NewAccount, make=self.made))

    @extend_schema(request=ChangedAccount(many=True), responses={200: dict, 207: dict})
    def patch(self, request: Any) -> Response:
        """The changed accounts."""

        def alter(key: str, version: int | None, fields: dict[str, Any]) -> dict[str, Any]:
            return documents.account(self.changed(self.row(key), fields, version))

        return batch.change(request, serializer=ChangedAccount, alter=alter)

    @extend_schema(request=batch.Keyed(many=True), responses={200: dict, 207: dict})
    def delete(self, request: Any) -> Response:
        """The closed accounts."""

        def drop(key: str, version: int | None) -> dict[str, Any]:
            return documents.account(self.closed(self.row(key), version))

        return batch.remove(request, drop=drop)


@operation(
    get=Op("signed_in", "Read an account"),
    put=Op("signed_in:trade", "Replace an account's name and type"),
    patch=Op("signed_in:trade", "Change an account's name or type"),
    delete=Op("signed_in:trade", "Close an account; nothing is deleted"),
)
class OneAccount(Rows):
    """GET, PUT, PATCH, DELETE /api/v1/accounts/{account_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, account_id: UUID) -> Response:
        """One account, with its entity tag."""
        row = Account.objects.for_actor(self.actor).filter(pk=account_id).first()
        if row is None:
            raise NotFound(MISSING)
        self.shown([row])
        if versions.is_unchanged(request, row):
            return versions.tagged(Response(status=304), row)
        return versions.tagged(Response(documents.account(row)), row)

    @extend_schema(request=WholeAccount, responses={200: dict})
    def put(self, request: Any, account_id: UUID) -> Response:
        """The replaced account."""
        return self._answer(request, account_id, WholeAccount)

    @extend_schema(request=AccountFields, responses={200: dict})
    def patch(self, request: Any, account_id: UUID) -> Response:
        """The changed account."""
        return self._answer(request, account_id, AccountFields)

    @extend_schema(responses={200: dict})
    def delete(self, request: Any, account_id: UUID) -> Response:
        """The closed account; 409 `portfolios_open` while one is open in it."""
        row = self.row(account_id)
        now = self.closed(row, versions.check(request, row))
        return versions.tagged(Response(documents.account(now)), now)

    def _answer(self, request: Any, account_id: UUID, body: type[StrictSerializer]) -> Response:
        row = self.row(account_id)
        version = versions.check(request, row)
        now = self.changed(row, self.checked(body), version)
        return versions.tagged(Response(documents.account(now)), now)


@operation(post=Op("signed_in:trade", "Open a closed account again"))
class ReopenAccount(Rows):
    """POST /api/v1/accounts/{account_id}/reopen."""

    @extend_schema(request=Reason, responses={200: dict})
    def post(self, request: Any, account_id: UUID) -> Response:
        """The open account."""
        row = self.row(account_id)
        asked = self.checked(Reason)

        def effect() -> Response:
            now = account_book.reopen(account_id=row.pk, by=self.actor, **asked)
            return Response(documents.account(now))

        return once(request, effect)


@operation(
    get=Op("signed_in", "What your portfolios are worth, by type of account", query=as_of.AS_OF)
)
class AllocationByAccountType(SeveralView):
    """GET /api/v1/portfolio/asset-allocation-by-account-type."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Net asset value and share of each type; no share of a total that is not above zero."""
        worths = self.worths(request)
        currency = one_currency(worths) or account_book.CURRENCY
        found: dict[str, list[Decimal]] = {kind: [] for kind in AccountType.values}
        for each in worths:
            found[each.portfolio.account.account_type].append(each.valuation.nav)
        sums = {kind: sum(navs, Decimal(0)) for kind, navs in found.items() if navs}
        total = sum(sums.values(), Decimal(0))
        return Response(
            {
                "total": plain(total),
                "currency": currency,
                "reasons": {} if total > 0 else {"share": "non_positive_equity"},
                "results": [
                    {
                        "account_type": kind,
                        "nav": plain(nav),
                        "share": float(nav / total) if total > 0 else None,
                        "portfolios": len(found[kind]),
                    }
                    for kind, nav in sums.items()
                ],
            }
        )
