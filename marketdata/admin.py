"""The admin of market data. Bulk price tables are listed inside their instrument."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from etftrader.core.admin import AuditedAdmin, ReadOnlyAdmin
from etftrader.core.errors import DomainError
from marketdata.models import (
    Bond,
    CorporateAction,
    DataRefresh,
    Fundamental,
    Instrument,
    InstrumentAlias,
    OptionContract,
    OptionGreeks,
    OptionQuote,
    PriceSeries,
    QuarantinedPrice,
    Quote,
    ReplayClock,
    SessionOverride,
    Universe,
    UniverseMember,
    Valuation,
)
from marketdata.selectors import prices, rates, sessions
from marketdata.services import instrument_edits, session_overrides

STAMPS = ("version", "created_at", "updated_at")
TABLES = ("last_bars", "last_minutes", "last_ticks", "last_yields")
SHOWN = 20
# ledger and valuation rest on these
FIXED = ("symbol", "owner_id", "kind", "multiplier", "pricing", "currency", "price_basis")


class AliasInline(admin.TabularInline):
    """Other spellings."""

    model = InstrumentAlias
    extra = 0


class InstrumentForm(forms.ModelForm):
    """Reference data; what somebody holds stays in use."""

    def clean_active(self) -> bool:
        """Retiring asks the books first."""
        active = bool(self.cleaned_data["active"])
        if not active and self.initial.get("active"):
            try:
                instrument_edits.require_unused(self.instance)
            except DomainError as refusal:
                raise ValidationError(refusal.detail) from refusal
        return active


@admin.register(Instrument)
class InstrumentAdmin(AuditedAdmin):
    """Reference data; bars, ticks and yields are shown, never typed."""

    form = InstrumentForm
    list_display = ("symbol", "name", "kind", "sector", "segment", "price_basis", "active")
    list_filter = ("kind", "asset_class", "sector", "active", "pricing")
    search_fields = ("symbol", "name")
    ordering = ("symbol",)
    save_on_top = True
    inlines = (AliasInline,)
    readonly_fields = (*STAMPS, *TABLES)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What bookings and names of others rest on is not typed over; a new one has no tables."""
        if obj is None:
            return STAMPS
        # yields stand with the indices they are quoted beside
        tables = TABLES if obj.symbol.startswith("^") else TABLES[:-1]
        return (*STAMPS, *FIXED, *tables)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Instruments are deactivated, not deleted: history refers to them."""
        return False

    @admin.display(description="Last daily bars")
    def last_bars(self, instrument: Instrument) -> str:
        """The newest twenty bars, newest first."""
        rows = prices.history(instrument=instrument, until=sessions.latest(), limit=SHOWN)
        names = ("session_date", "close", "adj_close", "volume", "source")
        return _table(("Session", "Close", "Adjusted", "Volume", "Source"), names, rows)

    @admin.display(description="Last minutes")
    def last_minutes(self, instrument: Instrument) -> str:
        """The newest twenty minutes, newest first."""
        rows = instrument.minutes.order_by("-ts")[:SHOWN]
        names = ("ts", "open", "high", "low", "close", "volume", "source")
        head = ("Ends (UTC)", "Open", "High", "Low", "Close", "Volume", "Source")
        return _table(head, names, rows)

    @admin.display(description="Last ticks")
    def last_ticks(self, instrument: Instrument) -> str:
        """The newest twenty ticks, newest first."""
        rows = instrument.ticks.order_by("-ts")[:SHOWN]
        names = ("ts", "price", "volume", "source")
        return _table(("Heard (UTC)", "Price", "Volume", "Source"), names, rows)

    @admin.display(description="Last Treasury yields")
    def last_yields(self, instrument: Instrument) -> str:
        """The newest curve the market clock knows."""
        curve = rates.curve(session_date=sessions.latest())
        if curve is None:
            return "—"
        rows = [
            {"day": curve.session_date, "tenor": name, "percent": percent, "source": curve.source}
            for name, percent in curve.percent.items()
        ]
        head = ("Session", "Tenor", "Percent", "Source")
        return _table(head, ("day", "tenor", "percent", "source"), rows)


def _table(head: Sequence[str], names: Sequence[str], rows: Iterable[Any]) -> str:
    """Rows or dicts as a table, escaped."""
    lines = format_html_join(
        "",
        "<tr>{}</tr>",
        (
            [format_html_join("", "<td>{}</td>", ([_cell(row, name)] for name in names))]
            for row in rows
        ),
    )
    heads = format_html_join("", "<th>{}</th>", ([word] for word in head))
    return format_html("<table><tr>{}</tr>{}</table>", heads, lines)


def _cell(row: Any, name: str) -> Any:
    value = row[name] if isinstance(row, dict) else getattr(row, name)
    return "—" if value is None else value


@admin.register(InstrumentAlias)
class InstrumentAliasAdmin(AuditedAdmin):
    """Other spellings of symbols."""

    list_display = ("alias", "instrument")
    search_fields = ("alias", "instrument__symbol")
    autocomplete_fields = ("instrument",)
    list_select_related = ("instrument",)
    ordering = ("alias",)


@admin.register(PriceSeries)
class PriceSeriesAdmin(ReadOnlyAdmin):
    """Packed series: rebuilt from the bars."""

    list_display = ("instrument", "first_session", "last_session", "revision")
    search_fields = ("instrument__symbol",)
    list_select_related = ("instrument",)
    exclude = ("sessions", "close", "total_return", "volume")
    ordering = ("instrument__symbol",)


@admin.register(Quote)
class QuoteAdmin(ReadOnlyAdmin):
    """The newest quotes."""

    list_display = ("instrument", "price", "previous_close", "session_date", "as_of", "source")
    search_fields = ("instrument__symbol",)
    list_select_related = ("instrument",)
    ordering = ("instrument__symbol",)


@admin.register(DataRefresh)
class DataRefreshAdmin(ReadOnlyAdmin):
    """What was fetched."""

    list_display = (
        "dataset",
        "source",
        "session_date",
        "status",
        "received",
        "expected",
        "written",
        "finished_at",
    )
    list_filter = ("dataset", "status", "source")
    date_hierarchy = "session_date"
    ordering = ("-finished_at",)


@admin.register(ReplayClock)
class ReplayClockAdmin(ReadOnlyAdmin):
    """The market clock; it is moved by Update data and the live stream."""

    list_display = ("session_date", "as_of", "playing", "bar", "round", "moved_by", "moved_at")


@admin.register(OptionContract)
class OptionContractAdmin(ReadOnlyAdmin):
    """Terms of options."""

    list_display = ("instrument", "underlying", "expiry", "strike", "right", "style", "adjusted")
    list_filter = ("right", "style", "adjusted")
    search_fields = ("instrument__symbol", "underlying__symbol")
    list_select_related = ("instrument", "underlying")
    date_hierarchy = "expiry"
    ordering = ("root", "expiry", "strike")


@admin.register(OptionQuote)
class OptionQuoteAdmin(ReadOnlyAdmin):
    """Quotes of options."""

    list_display = ("contract", "session_date", "bid", "ask", "iv", "vol_source", "source")
    list_filter = ("source", "vol_source")
    search_fields = ("contract__instrument__symbol",)
    list_select_related = ("contract",)
    date_hierarchy = "session_date"
    ordering = ("-session_date", "contract")


@admin.register(OptionGreeks)
class OptionGreeksAdmin(ReadOnlyAdmin):
    """Sensitivities of contracts."""

    list_display = ("contract", "session_date", "price", "delta", "iv", "model", "reason")
    list_filter = ("model", "vol_source", "reason")
    search_fields = ("contract__instrument__symbol",)
    list_select_related = ("contract",)
    date_hierarchy = "session_date"
    ordering = ("-session_date", "contract")


@admin.register(Bond)
class BondAdmin(ReadOnlyAdmin):
    """Terms of bonds."""

    list_display = ("instrument", "coupon_rate", "frequency", "basis", "maturity", "face_value")
    search_fields = ("instrument__symbol",)
    list_select_related = ("instrument",)
    ordering = ("maturity",)


@admin.register(CorporateAction)
class CorporateActionAdmin(ReadOnlyAdmin):
    """Splits, dividends, new symbols."""

    list_display = ("instrument", "kind", "ex_date", "ratio", "amount", "new_symbol", "status")
    list_filter = ("kind", "status", "source")
    search_fields = ("instrument__symbol",)
    list_select_related = ("instrument",)
    date_hierarchy = "ex_date"
    ordering = ("-ex_date",)


@admin.register(QuarantinedPrice)
class QuarantinedPriceAdmin(ReadOnlyAdmin):
    """Prices held back; they are decided on the data page."""

    list_display = ("symbol", "dataset", "session_date", "value", "reason", "state", "times_seen")
    list_filter = ("state", "reason", "dataset", "source")
    search_fields = ("symbol",)
    date_hierarchy = "session_date"
    ordering = ("-created_at",)


class MemberInline(admin.TabularInline):
    """Members with their dates."""

    model = UniverseMember
    extra = 0
    autocomplete_fields = ("instrument",)


@admin.register(Universe)
class UniverseAdmin(AuditedAdmin):
    """Named lists of instruments."""

    list_display = ("name", "kind", "updated_at")
    list_filter = ("kind",)
    search_fields = ("name",)
    ordering = ("name",)
    inlines = (MemberInline,)


@admin.register(UniverseMember)
class UniverseMemberAdmin(ReadOnlyAdmin):
    """Who was on a list when."""

    list_display = ("universe", "instrument", "valid_from", "valid_to")
    list_filter = ("universe",)
    search_fields = ("instrument__symbol",)
    list_select_related = ("universe", "instrument")
    ordering = ("universe", "instrument__symbol")


@admin.register(Fundamental)
class FundamentalAdmin(ReadOnlyAdmin):
    """Fund and company data."""

    list_display = ("instrument", "as_of", "source", "expense_ratio", "dividend_yield", "pe")
    list_filter = ("source",)
    search_fields = ("instrument__symbol",)
    list_select_related = ("instrument",)
    ordering = ("-as_of", "instrument__symbol")


@admin.register(Valuation)
class ValuationAdmin(ReadOnlyAdmin):
    """What somebody thinks an instrument is worth."""

    list_display = ("instrument", "as_of_date", "method", "target_price", "equity_value")
    list_filter = ("method",)
    search_fields = ("instrument__symbol",)
    list_select_related = ("instrument",)
    ordering = ("-as_of_date",)


class SessionOverrideForm(forms.ModelForm):
    """A closure or a short day; one that has passed says that it is a correction."""

    correction = forms.BooleanField(
        required=False,
        help_text="The session has passed, and this is what it really was.",
    )

    class Meta:
        model = SessionOverride
        fields = ("date", "exchange", "closed", "closes_at", "reason")

    def clean(self) -> dict[str, Any]:
        """What the exchange can do, on a day it may still be said of."""
        given = super().clean() or {}
        if self.errors or not set(self.changed_data) - {"reason", "correction"}:
            return given
        names = ("closed", "closes_at", "exchange", "correction")
        wish = session_overrides.Wish(day=given["date"], **{name: given[name] for name in names})
        moment = sessions.moment()
        try:
            self._check_former(moment, given["correction"])
            session_overrides.check(wish, moment=moment)
        except DomainError as refusal:
            attr = refusal.figures.get("attr")
            raise ValidationError({attr: refusal.detail}) from refusal  # type: ignore[dict-item]
        return given

    def _check_former(self, moment: sessions.Moment, correction: bool) -> None:
        """Moving an override takes it from the day it stood on."""
        former = self.initial.get("date")
        past = former and session_overrides.is_past(former, moment=moment)
        if past and "date" in self.changed_data:
            raise DomainError("An override of a past session stays on its day.", attr="date")
        if past and not correction:
            raise DomainError("The session has passed: say correction.", attr="correction")


@admin.register(SessionOverride)
class SessionOverrideAdmin(AuditedAdmin):
    """Days on which the exchange differs from the shipped calendar; every process takes them up."""

    form = SessionOverrideForm
    list_display = ("date", "exchange", "closed", "closes_at", "reason")
    ordering = ("-date",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What a past session was stays on record; it is corrected, not forgotten."""
        if obj is not None and session_overrides.is_past(obj.date, moment=sessions.moment()):
            return False
        return super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, and tell everybody."""
        super().save_model(request, obj, form, change)
        session_overrides.announce()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete, and tell everybody."""
        super().delete_model(request, obj)
        session_overrides.announce()
