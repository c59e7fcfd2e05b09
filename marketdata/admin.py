"""The admin of market data. Bulk price tables are listed inside their instrument."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from etftrader.core.admin import ReadOnlyAdmin
from marketdata.models import (
    DataRefresh,
    Instrument,
    InstrumentAlias,
    PriceSeries,
    Quote,
    ReplayClock,
)
from marketdata.selectors import prices, sessions


class AliasInline(admin.TabularInline):
    """Other spellings."""

    model = InstrumentAlias
    extra = 0


@admin.register(Instrument)
class InstrumentAdmin(admin.ModelAdmin):
    """Reference data; its daily bars are shown, never typed."""

    list_display = ("symbol", "name", "kind", "sector", "segment", "price_basis", "active")
    list_filter = ("kind", "asset_class", "sector", "active", "pricing")
    search_fields = ("symbol", "name")
    ordering = ("symbol",)
    list_per_page = 50
    save_on_top = True
    inlines = (AliasInline,)
    readonly_fields = ("version", "created_at", "updated_at", "last_bars")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A symbol is a name others use: it is not typed over."""
        return (*self.readonly_fields, "symbol", "owner_id") if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Instruments are deactivated, not deleted: history refers to them."""
        return False

    @admin.display(description="Last daily bars")
    def last_bars(self, instrument: Instrument) -> str:
        """The newest twenty bars, newest first."""
        rows = prices.history(instrument=instrument, until=sessions.latest(), limit=20)
        lines = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            (
                (bar.session_date, bar.close, bar.adj_close or "—", bar.volume or "—", bar.source)
                for bar in rows
            ),
        )
        head = (
            "<tr><th>Session</th><th>Close</th><th>Adjusted</th>"
            "<th>Volume</th><th>Source</th></tr>"
        )
        return format_html("<table>{}{}</table>", format_html(head), lines)


@admin.register(InstrumentAlias)
class InstrumentAliasAdmin(admin.ModelAdmin):
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
