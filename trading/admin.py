"""Trading in the admin: orders, events and trades read-only; costs; the kill switch."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse

from etftrader.core.actor import Actor
from etftrader.core.admin import AuditedAdmin, ReadOnlyAdmin
from etftrader.core.api.registry import OPERATORS
from etftrader.core.errors import DomainError
from trading.models import Basket, CostModel, Order, OrderEvent, Trade, TradingHalt
from trading.services import halts


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """Every order, refused ones too."""

    list_display = (
        "placed_as_of",
        "portfolio",
        "instrument",
        "side",
        "quantity",
        "filled_quantity",
        "state",
        "placed_by",
    )
    list_filter = ("state", "side", "source")
    search_fields = ("client_order_id", "instrument__symbol", "portfolio__name")
    list_select_related = ("portfolio", "instrument", "placed_by")
    date_hierarchy = "session_date"
    ordering = ("-created_at", "-pk")


@admin.register(Basket)
class BasketAdmin(ReadOnlyAdmin):
    """Every basket and spread; its orders say where it stands."""

    list_display = ("placed_as_of", "portfolio", "kind", "spread_name", "placed_by")
    list_filter = ("kind", "spread_name")
    search_fields = ("client_basket_id", "portfolio__name")
    list_select_related = ("portfolio", "placed_by")
    date_hierarchy = "session_date"
    ordering = ("-created_at", "-pk")


@admin.register(OrderEvent)
class OrderEventAdmin(ReadOnlyAdmin):
    """Every change of an order's state."""

    list_display = ("as_of", "portfolio", "number", "order", "from_state", "to_state", "by_label")
    list_filter = ("to_state",)
    search_fields = ("order__client_order_id", "by_label")
    list_select_related = ("portfolio", "order")
    ordering = ("-pk",)


@admin.register(Trade)
class TradeAdmin(ReadOnlyAdmin):
    """Every fill; a correction is a reversing trade."""

    list_display = (
        "executed_at",
        "portfolio",
        "instrument",
        "side",
        "quantity",
        "price",
        "price_source",
        "commission",
        "realized_pnl",
    )
    list_filter = ("side", "price_source")
    search_fields = ("instrument__symbol", "portfolio__name", "order__client_order_id")
    list_select_related = ("portfolio", "instrument")
    date_hierarchy = "session_date"
    ordering = ("-executed_at", "-pk")


@admin.register(CostModel)
class CostModelAdmin(AuditedAdmin):
    """A portfolio's own costs."""

    list_display = ("portfolio", "preset", "commission_per_trade", "half_spread_bp", "impact_y")
    search_fields = ("portfolio__name", "preset")
    list_select_related = ("portfolio",)
    autocomplete_fields = ("portfolio",)
    save_on_top = True
    ordering = ("portfolio__name", "pk")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Costs stay with their portfolio."""
        return ("portfolio",) if obj else ()


@admin.register(TradingHalt)
class TradingHaltAdmin(ReadOnlyAdmin):
    """The kill switch: each halt with its reason; one page starts and ends it."""

    list_display = ("created_at", "reason", "started_by", "ended_at", "ended_by")
    search_fields = ("reason", "started_by", "ended_by")
    ordering = ("-created_at", "-pk")
    change_list_template = "admin/trading/tradinghalt/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        """The switch's page beside the list."""
        switch = self.admin_site.admin_view(self.switch)
        return [path("switch/", switch, name="trading_tradinghalt_switch"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with the switch for those who may press it."""
        told = {**(extra_context or {}), "may_switch": _may_switch(request)}
        return super().changelist_view(request, told)

    def switch(self, request: HttpRequest) -> HttpResponse:
        """Ask for a reason, then stop trading or allow it again; the service audits it."""
        back = redirect(reverse("admin:trading_tradinghalt_changelist"))
        if not _may_switch(request):
            messages.error(request, "Operators and administrators may press the kill switch.")
            return back
        halt = TradingHalt.objects.for_actor(Actor.of(request)).filter(ended_at=None).first()
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "title": "Allow trading again" if halt else "Stop trading for everybody",
                "halt": halt,
                "opts": self.model._meta,
            }
            return render(request, "admin/trading/tradinghalt/switch.html", context)
        act = halts.end if request.POST.get("act") == "end" else halts.start
        try:
            act(reason=request.POST.get("reason", ""), by=Actor.of(request))
        except DomainError as error:
            messages.error(request, error.detail)
        else:
            messages.success(
                request, "Trading is stopped." if act is halts.start else "Trading goes on."
            )
        return back


def _may_switch(request: HttpRequest) -> bool:
    actor = Actor.of(request)
    return actor.is_staff and (actor.is_superuser or bool(actor.groups & OPERATORS))
