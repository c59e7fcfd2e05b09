"""Positions over the API, and the caller's default portfolio by its short address."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from etftrader.core.api import batch, tags
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotEnoughData, NotFound
from marketdata.api import as_of
from portfolios.api import documents, group_documents, performance, reports
from portfolios.api.group_documents import FILTERS, GROUP_BY
from portfolios.api.owned import OF_PORTFOLIO, OwnedView
from portfolios.api.position_acts import (
    OUT,
    AdjustedOne,
    Adjustment,
    NewHolding,
    NewPosition,
    Removal,
    Stated,
    document,
)
from portfolios.api.rows import PositionRow
from portfolios.constants import Action
from portfolios.models import Portfolio, Position
from portfolios.selectors import access, groups, position_filters
from portfolios.selectors import positions as read
from portfolios.selectors.groups import HeldRow
from portfolios.selectors.positions import Worth

OF_SYMBOL = (
    as_of.AS_OF
    | {"symbol": "Only the position in this symbol."}
    | FILTERS
    | {"group_by": GROUP_BY["group_by"]}
)


def chosen(request: Any, rows: Sequence[HeldRow]) -> list[HeldRow]:
    """The positions the question asks for; with `group_by` those of one group side by side."""
    query = request.query_params
    wish = position_filters.strict(query)
    symbol = query.get("symbol", "").upper()
    found = [
        row for row in rows if wish.keeps(row) and (not symbol or row.each.line.symbol == symbol)
    ]
    by = group_documents.groupings(query.get("group_by", ""))
    return sorted(found, key=lambda row: [_label(row, each) for each in by])


def _label(row: HeldRow, by: str) -> str:
    return groups.keys_of(row, by)[0].label.lower()


def written(worth: Worth) -> list[dict[str, Any]]:
    """The positions of a valued portfolio by symbol."""
    return [documents.position(row) for row in groups.held([worth])]


class SeveralView(OwnedView):
    """What reads the positions of every portfolio the caller sees, or of one."""

    def worths(self, request: Any) -> list[Worth]:
        """Each portfolio valued now, or at a past close; without those that began later."""
        asked = as_of.asked(request)
        one = self.asked_portfolio("portfolio")
        seen = Portfolio.objects.for_actor(self.actor).open().select_related("account")
        found = list((seen.filter(pk=one.pk) if one else seen).order_by("name", "pk"))
        self.shown(found)
        if asked.past is None:
            return [read.now(portfolio=each, moment=asked.now) for each in found]
        past = [read.at(portfolio=each, session_date=asked.past) for each in found]
        return [each for each in past if each is not None]


def one_currency(worths: Iterable[Worth]) -> str | None:
    """What portfolios that are added up are all kept in; None for no portfolio.

    Raises NotEnoughData (`several_currencies`) where they differ.
    """
    currencies = sorted({each.portfolio.base_currency for each in worths})
    if len(currencies) > 1:
        raise NotEnoughData(
            f"The portfolios are in {', '.join(currencies)}: name one with portfolio=.",
            reason="several_currencies",
        )
    return currencies[0] if currencies else None


@operation(
    get=Op(
        "portfolio:view",
        "List a portfolio's positions",
        lists=True,
        query=OF_SYMBOL,
        refuses=(422,),
    ),
    post=Op("portfolio:trade", "Bring in a holding at its cost", money=True),
)
class PortfolioPositions(Stated):
    """GET, POST /api/v1/portfolios/{portfolio_id}/positions."""

    serializer_class = PositionRow
    queryset = Position.objects.none()

    def get(self, request: Any, portfolio_id: UUID) -> Response | HttpResponse:
        """Valued now, or at a past close; by symbol."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        rows = chosen(request, groups.held([reports.worth_of(request, portfolio)]))
        self.noted = True  # the door wrote the line
        return self.listing(rows, PositionRow)

    @extend_schema(request=NewHolding, responses={201: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The new position; 409 `already_held` where there is one."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.TRADE)
        asked = self.checked(NewHolding)
        return once(request, lambda: Response(self.brought_in(portfolio, asked), 201))


@operation(
    get=Op(
        "signed_in",
        "List the positions of every portfolio you see",
        lists=True,
        query=OF_SYMBOL | OF_PORTFOLIO,
    ),
    post=Op("signed_in:trade", "Bring a holding into one of your portfolios", money=True),
)
class Positions(Stated, SeveralView):
    """GET, POST /api/v1/positions."""

    serializer_class = PositionRow
    queryset = Position.objects.none()

    def get(self, request: Any) -> Response | HttpResponse:
        """By portfolio and symbol, valued now or at a past close."""
        return self.listing(chosen(request, groups.held(self.worths(request))), PositionRow)

    @extend_schema(request=NewPosition, responses={201: dict})
    def post(self, request: Any) -> Response:
        """The new position; 409 `already_held` where there is one."""
        asked = self.checked(NewPosition)
        portfolio = self.portfolio_named(asked["portfolio"])
        return once(request, lambda: Response(self.brought_in(portfolio, asked), 201))


@operation(
    get=Op(
        "portfolio:view",
        "Positions added up by group",
        query=as_of.AS_OF | FILTERS | GROUP_BY,
        needs=("group_by",),
        refuses=(422,),
    )
)
class GroupedPortfolioPositions(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/positions/grouped."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """The groups with the total of what the filters leave, now or at a past close."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        worth = reports.worth_of(request, portfolio)
        by = group_documents.groupings(request.query_params.get("group_by", ""), needed=True)
        wish = position_filters.strict(request.query_params)
        rows = [row for row in groups.held([worth]) if wish.keeps(row)]
        data = group_documents.grouped(rows, by, worth.nav)
        found = documents.valued(worth, data, group_documents.METHOD)
        tagged = bool(wish.tags or wish.strategy)
        said = group_documents.warnings(by, [worth], tagged=tagged)
        found["meta"]["warnings"] = [*found["meta"]["warnings"], *said]
        return Response(found)


@operation(
    get=Op(
        "signed_in",
        "The positions of every portfolio you see, added up by group",
        query=as_of.AS_OF | FILTERS | GROUP_BY | OF_PORTFOLIO,
        needs=("group_by",),
        refuses=(422,),
    )
)
class GroupedPositions(SeveralView):
    """GET /api/v1/positions/grouped."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Over portfolios in one currency; 422 `several_currencies` where they differ."""
        by = group_documents.groupings(request.query_params.get("group_by", ""), needed=True)
        wish = position_filters.strict(request.query_params)
        worths = self.worths(request)
        currency = one_currency(worths)
        rows = [row for row in groups.held(worths) if wish.keeps(row)]
        nav = sum((each.nav for each in worths), groups.ZERO)
        data = group_documents.grouped(rows, by, nav)
        names = {"portfolios": [str(each.portfolio.pk) for each in worths]}
        tagged = bool(wish.tags or wish.strategy)
        said = group_documents.warnings(by, worths, tagged=tagged)
        return Response(
            group_documents.of_several(
                names | data,
                as_of=max((each.as_of for each in worths), default=None),
                currency=currency,
                coverage=data["total"]["coverage"],
                warnings=said,
                excluded=data["total"]["excluded"],
            )
        )


@operation(
    post=Op("signed_in:trade", "Bring in several holdings", money=True, query=batch.PARTIAL),
    patch=Op("signed_in:trade", "Correct the units of several positions", query=batch.PARTIAL),
    delete=Op("signed_in:trade", "Take several positions out", query=batch.PARTIAL),
)
class PositionBatch(Stated):
    """POST, PATCH, DELETE /api/v1/positions/batch: all, or with `partial=true` the good ones."""

    @extend_schema(request=NewPosition(many=True), responses={201: dict, 207: dict})
    def post(self, request: Any) -> Response:
        """The new positions in the order of the question."""

        def make(item: dict[str, Any]) -> dict[str, Any]:
            return self.brought_in(self.portfolio_named(item["portfolio"]), item)

        return once(request, lambda: batch.create(request, serializer=NewPosition, make=make))

    @extend_schema(request=AdjustedOne(many=True), responses={200: dict, 207: dict})
    def patch(self, request: Any) -> Response:
        """The positions afterwards."""
        return batch.change(request, serializer=AdjustedOne, alter=self.altered)

    @extend_schema(request=batch.Keyed(many=True), responses={200: dict, 207: dict})
    def delete(self, request: Any) -> Response:
        """The positions afterwards, empty."""

        def drop(key: str, version: int | None) -> dict[str, Any]:
            return self.altered(key, version, OUT)

        return batch.remove(request, drop=drop)


@operation(
    get=Op("signed_in", "Read a position", query=as_of.AS_OF, refuses=(422,)),
    put=Op("signed_in:trade", "Correct the units of a position by a booking"),
    patch=Op("signed_in:trade", "Correct the units of a position by a booking"),
    delete=Op("signed_in:trade", "Take a position out of its portfolio by a booking"),
)
class OnePosition(Stated):
    """GET, PUT, PATCH, DELETE /api/v1/positions/{position_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, position_id: UUID) -> Response:
        """With its value, realised gain and fees, and its entity tag."""
        row = self.row(position_id)
        if as_of.past(request) is not None:
            return Response(_at_close(request, row))
        return tags.read(request, row, document(row, as_of.shown(request)))

    @extend_schema(request=Adjustment, responses={200: dict})
    def put(self, request: Any, position_id: UUID) -> Response:
        """The position afterwards; what is between is booked, with the reason."""
        return self.changed(position_id, Adjustment)

    @extend_schema(request=Adjustment, responses={200: dict})
    def patch(self, request: Any, position_id: UUID) -> Response:
        """The position afterwards; what is between is booked, with the reason."""
        return self.changed(position_id, Adjustment)

    @extend_schema(request=Removal, responses={200: dict})
    def delete(self, request: Any, position_id: UUID) -> Response:
        """The empty position; its history stays."""
        return self.changed(position_id, Removal)


def _at_close(request: Any, row: Position) -> dict[str, Any]:
    """A position in the snapshot of a past close. Raises NotFound where it was not held then."""
    worth = reports.worth_of(request, row.portfolio)
    held = next((each for each in written(worth) if each["id"] == str(row.pk)), None)
    if held is None:
        raise NotFound(f"This position was not held at the close of {worth.session_date}.")
    gone = ("realized_pnl", "fees", "opened_on", "closed_on")
    why = dict.fromkeys(gone, as_of.NOT_KEPT)
    return held | dict.fromkeys(gone) | {"version": row.version, "reasons": why}


@operation(
    get=Op(
        "signed_in",
        "Summary and positions of your default portfolio",
        query=as_of.AS_OF,
        refuses=(422,),
    )
)
class Default(ApiView):
    """GET /api/v1/portfolio."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """The default portfolio, now or at a past close."""
        portfolio = access.default_portfolio(self.actor)
        worth = reports.worth_of(request, portfolio)
        found = reports.summary(portfolio, worth)
        found["data"]["holdings"] = written(worth)
        return Response(found)


@operation(
    get=Op(
        "signed_in",
        "Exposures of your default portfolio",
        query=as_of.AS_OF | GROUP_BY,
        refuses=(422,),
    )
)
class DefaultExposures(ApiView):
    """GET /api/v1/portfolio/exposures."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """The default portfolio's exposures."""
        return Response(reports.exposures_asked(request, access.default_portfolio(self.actor)))


@operation(get=Op("signed_in", "Performance of your default portfolio", query=performance.QUERY))
class DefaultPerformance(ApiView):
    """GET /api/v1/portfolio/performance."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """The default portfolio's performance."""
        return Response(performance.document(request, access.default_portfolio(self.actor)))
