"""Daily bars, never later than the market clock, and what operators correct of them."""

from datetime import date, datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.actor import Actor
from etftrader.core.api import batch, versions
from etftrader.core.api.fields import EstimateField, MoneyField, StrictSerializer, WholeField
from etftrader.core.api.fields import moment as told
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import TAGGED, Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from marketdata.api import as_of, asked
from marketdata.api.asked import Words
from marketdata.api.instruments import named
from marketdata.models import DailyBar
from marketdata.selectors import bar_rows, calendar, instruments, keeping, sessions
from marketdata.services import price_edits as write
from marketdata.services.price_edits import Held, Touched

SPAN = asked.SPAN
KEPT = "Operators keep prices of public instruments, you of your private funds; others get 403."
MAX_VOLUME = 10**15
OF = {
    "symbol": "Only bars of this instrument; of all you may see without it.",
    "source": "Only bars of this source: bundled, csv, yfinance, manual.",
}
Written = dict[str, Any] | tuple[dict[str, Any], int]


class BarDocument(serializers.Serializer):
    """One session of one instrument from one source."""

    def to_representation(self, row: DailyBar) -> dict[str, Any]:
        """Prices as text; the change is in percent of the close before."""
        return document(row)


class PriceFigures(StrictSerializer):
    """The figures of a session. The change is computed here and answered with a warning."""

    open = MoneyField(positive=True, required=False, allow_null=True)
    high = MoneyField(positive=True, required=False, allow_null=True)
    low = MoneyField(positive=True, required=False, allow_null=True)
    close = MoneyField(positive=True, required=False)
    adj_close = MoneyField(positive=True, required=False, allow_null=True)
    volume = WholeField(max_value=MAX_VOLUME, required=False, allow_null=True)
    change_pct = EstimateField(required=False, allow_null=True)


class NewPrice(PriceFigures):
    """A session's price of an instrument (symbol or id); the day as a date or as a moment."""

    instrument = Words(max_length=40)
    session_date = serializers.DateField(required=False)
    timestamp = serializers.DateTimeField(required=False)
    close = MoneyField(positive=True)


class FullPrice(PriceFigures):
    """Every figure of a price that stands; what is left out is emptied."""

    close = MoneyField(positive=True)


class PriceChange(batch.Keyed, PriceFigures):
    """A correction of one of many."""


class BarList(ApiView):
    """What the lists of bars share."""

    serializer_class = BarDocument
    queryset = DailyBar.objects.none()
    ordering_fields = ("session_date", "instrument__symbol", "close", "volume")

    def bars(self, **where: Any) -> Any:
        """Bars of what the actor may see, newest first, up to the last known close."""
        start, end = asked.span(self.request)
        rows = bar_rows.visible(actor=self.actor, until=end).filter(**where)
        if start:
            rows = rows.filter(session_date__gte=start)
        return rows.order_by("-session_date", "instrument__symbol", "source")


@operation(
    get=Op("signed_in", summary="Daily bars", lists=True, query=OF | SPAN),
    post=Op("signed_in:trade", summary="Store a session's price", operators=KEPT),
)
class Prices(BarList):
    """GET, POST /prices (also /market-data): of all instruments you may see, or of one `symbol`."""

    def get(self, request: Any) -> Response:
        """Newest first; an `end` after the market clock is cut to it."""
        where: dict[str, Any] = {}
        symbol = request.query_params.get("symbol")
        if symbol:
            where = {"instrument": instruments.find(symbol, self.actor)}
        source = request.query_params.get("source")
        if source:
            where["source"] = source
        return self.listing(self.bars(**where), BarDocument)

    @extend_schema(request=NewPrice, responses={201: dict, 202: dict})
    def post(self, request: Any) -> Response:
        """201 with the price; 202 where the gate holds it back for a person."""
        item = self.checked(NewPrice)

        def effect() -> Response:
            done = create(item, self.actor)
            return Response(*done) if isinstance(done, tuple) else Response(done, 201)

        return once(request, effect)


@operation(
    post=Op("signed_in:trade", summary="Store many prices", query=batch.PARTIAL, operators=KEPT),
    patch=Op("signed_in:trade", summary="Correct many prices", query=batch.PARTIAL, operators=KEPT),
    delete=Op(
        "signed_in:trade", summary="Withdraw many prices", query=batch.PARTIAL, operators=KEPT
    ),
)
class PriceBatch(ApiView):
    """POST, PATCH, DELETE /prices/batch: a price that is held back refuses an undivided batch."""

    @extend_schema(request=NewPrice(many=True), responses={201: dict, 207: dict})
    def post(self, request: Any) -> Response:
        """The new prices in order."""

        def effect() -> Response:
            with write.together() as touched:
                return batch.create(
                    request,
                    serializer=NewPrice,
                    make=lambda item: self._whole(create(item, self.actor, touched)),
                )

        return once(request, effect)

    @extend_schema(request=PriceChange(many=True), responses={200: dict, 207: dict})
    def patch(self, request: Any) -> Response:
        """The corrected prices in order."""
        with write.together() as touched:

            def alter(key: str, version: int | None, fields: dict[str, Any]) -> Written:
                bar = kept(key, self.actor)
                return self._whole(correct(bar, fields, version, self.actor, touched))

            return batch.change(request, serializer=PriceChange, alter=alter)

    @extend_schema(responses={200: dict, 207: dict})
    def delete(self, request: Any) -> Response:
        """The withdrawn prices in order."""
        with write.together() as touched:

            def drop(key: str, version: int | None) -> dict[str, Any]:
                bar = kept(key, self.actor)
                revision = bar.revision if version is None else version - 1
                gone = write.withdraw(bar=bar, revision=revision, by=self.actor, touched=touched)
                return document(gone)

            return batch.remove(request, drop=drop)

    def _whole(self, done: Written) -> Written:
        """In an undivided batch a price that waits for a person is a bad item."""
        if isinstance(done, tuple) and not batch.is_partial(self.request):
            raise BadInput(
                f"{done[0]['detail']} Send it alone or with partial=true to have it kept for a "
                "person.",
                attr="close",
                code="price_held_back",
            )
        return done


@operation(
    get=Op("signed_in", summary="One price", query=as_of.AS_OF, versions=TAGGED),
    put=Op("signed_in:trade", summary="Replace the figures of a price", operators=KEPT),
    patch=Op(
        "signed_in:trade", summary="Correct a price; the former figure is kept", operators=KEPT
    ),
    delete=Op(
        "signed_in:trade", summary="Withdraw a price; it is kept as rejected", operators=KEPT
    ),
)
class OnePrice(ApiView):
    """GET, PUT, PATCH, DELETE /prices/{price_id}: instrument, session and source of a bar."""

    path_words = {"price_id": "Id of the price, as lists tell it: instrument:session:source."}

    @extend_schema(responses={200: dict})
    def get(self, request: Any, price_id: str) -> Response:
        """The bar, with its revision as entity tag."""
        until = as_of.asked(request).until
        bar = bar_rows.find(price_id=price_id, actor=self.actor, until=until)
        return versions.tagged(Response(document(bar)), bar_rows.revision(bar))

    @extend_schema(request=FullPrice, responses={200: dict, 202: dict})
    def put(self, request: Any, price_id: str) -> Response:
        """The bar afterwards; 202 where the gate holds the figure back for a person."""
        return self._corrected(price_id, FullPrice, dict.fromkeys(write.FIGURES))

    @extend_schema(request=PriceFigures, responses={200: dict, 202: dict})
    def patch(self, request: Any, price_id: str) -> Response:
        """The bar afterwards; 202 where the gate holds the figure back for a person."""
        return self._corrected(price_id, PriceFigures, {})

    @extend_schema(responses={204: None})
    def delete(self, request: Any, price_id: str) -> Response:
        """204; the series goes on without it, and no source brings the same figure back."""
        bar = kept(price_id, self.actor)
        versions.check(request, bar_rows.revision(bar))
        write.withdraw(bar=bar, revision=bar.revision, by=self.actor)
        return Response(status=204)

    def _corrected(self, price_id: str, body: Any, before: dict[str, Any]) -> Response:
        bar = kept(price_id, self.actor)
        version = versions.check(self.request, bar_rows.revision(bar))
        done = correct(bar, before | self.checked(body), version, self.actor)
        if isinstance(done, tuple):
            return Response(*done)
        after = bar_rows.find(price_id=price_id, actor=self.actor, until=sessions.latest())
        return versions.tagged(Response(done), bar_rows.revision(after))


@operation(get=Op("signed_in", summary="Daily bars of one instrument", lists=True, query=SPAN))
class PricesOf(BarList):
    """GET /market/prices/{symbol}."""

    path_words = asked.BY_SYMBOL

    def get(self, request: Any, symbol: str) -> Response:
        """Newest first; an `end` after the market clock is cut to it."""
        return self.listing(self.bars(instrument=named(symbol, self)), BarDocument)


def create(item: dict[str, Any], actor: Actor, touched: Touched | None = None) -> Written:
    """Store the price of a checked body: its document, or 202 where it is held back."""
    instrument = keeping.to_keep(item["instrument"], actor)
    done = write.create(
        instrument=instrument,
        day=_day(item),
        figures=item,
        until=sessions.latest(),
        by=actor,
        touched=touched,
    )
    return _written(done, item, actor)


def correct(
    bar: DailyBar,
    fields: dict[str, Any],
    version: int | None,
    actor: Actor,
    touched: Touched | None = None,
) -> Written:
    """Correct a price: its document, or 202 where the figure is held back."""
    done = write.update(
        bar=bar,
        changes=fields,
        revision=bar.revision if version is None else version - 1,
        until=sessions.latest(),
        by=actor,
        touched=touched,
    )
    return _written(done, fields, actor)


def kept(price_id: str, actor: Actor) -> DailyBar:
    """A price the actor keeps. Raises NotFound, NotAllowed."""
    bar = bar_rows.find(price_id=price_id, actor=actor, until=sessions.latest())
    keeping.require(actor, bar.instrument)
    return bar


def document(bar: DailyBar) -> dict[str, Any]:
    """A bar on the wire; `change_pct` is null for the first one of a series."""
    key = bar_rows.key_of(bar)
    return {
        "id": key,
        "url": f"/api/v1/prices/{key}",
        "instrument": str(bar.instrument_id),
        "symbol": bar.instrument.symbol,
        "session_date": bar.session_date,
        "timestamp": _closed_at(bar.session_date),
        **{name: plain(getattr(bar, name)) for name in write.PRICES},
        "volume": bar.volume,
        "change_pct": bar_rows.change(bar),
        "currency": bar.instrument.currency,
        "price_basis": bar.price_basis,
        "source": bar.source,
        "revision": bar.revision,
        "version": bar_rows.revision(bar).version,
    }


def _closed_at(day: date) -> str | None:
    return told(calendar.close_time(day)) if calendar.is_session(day) else None


def _written(done: DailyBar | Held, item: dict[str, Any], actor: Actor) -> Written:
    if isinstance(done, Held):
        doubt = done.doubt
        against = f" Compared with {doubt.compared_with}." if doubt.compared_with else ""
        return {
            "status": "held_back",
            "reason": doubt.reason,
            "detail": f"{doubt.value} was not believed: {doubt.reason}.{against}",
            "quarantine": str(doubt.pk),
            "url": f"/api/v1/data/quarantine?symbol={doubt.symbol}&state=held",
        }, 202
    fresh = bar_rows.find(price_id=bar_rows.key_of(done), actor=actor, until=sessions.latest())
    warnings = []
    if item.get("change_pct") is not None:
        detail = "change_pct: computed from the close before, not taken from a request"
        warnings.append({"code": "computed_here", "detail": detail})
    return document(fresh) | {"warnings": warnings}


def _day(item: dict[str, Any]) -> date:
    """The session a body names, as a date or by a moment of it in New York."""
    day: date | None = item.get("session_date")
    at: datetime | None = item.get("timestamp")
    if at is not None:
        meant = at.astimezone(calendar.NEW_YORK).date()
        if day is not None and meant != day:
            raise BadInput("session_date and timestamp name different days.", attr="timestamp")
        return meant
    if day is None:
        raise BadInput("Send session_date, or timestamp.", attr="session_date", code="required")
    return day
