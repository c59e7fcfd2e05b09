"""People and books in the admin: what the ledger writes is read-only, for superusers too."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from etftrader.core import jobs
from etftrader.core.actor import Actor
from etftrader.core.admin import AuditedAdmin, ReadOnlyAdmin
from etftrader.core.errors import DomainError
from marketdata.selectors import sessions
from portfolios.constants import Action
from portfolios.import_admin import ImportAliasAdmin as ImportAliasAdmin
from portfolios.models import (
    Account,
    ApiToken,
    CashTransaction,
    Customer,
    Invitation,
    LedgerEntry,
    Membership,
    Portfolio,
    PortfolioBenchmark,
    PortfolioSnapshot,
    Position,
    PositionSnapshot,
    PositionTag,
    SavedView,
    Tag,
    TokenFamily,
    Transfer,
    User,
    UserPreference,
    Watchlist,
    WatchlistItem,
)
from portfolios.selectors import access
from portfolios.services import accounts, portfolios, verification


@admin.register(User)
class UserAdmin(AuditedAdmin, BaseUserAdmin):
    """People; nobody is deleted, whoever leaves is made inactive."""

    ordering = ("email",)
    list_display = ("email", "name", "is_active", "is_staff", "is_demo", "created_at")
    list_filter = ("is_active", "is_staff", "is_demo", "groups")
    search_fields = ("email", "name")
    readonly_fields = ("last_login", "session_version", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("email", "password", "name")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("Kept", {"fields": ("is_demo", "session_version", "last_login", "created_at")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "password1", "password2")}),)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What a person did stays theirs."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers are changed, and their passwords set, by superusers."""
        above = obj is not None and obj.is_superuser and not request.user.is_superuser
        return not above and super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nobody makes a superuser who is none."""
        known = super().get_readonly_fields(request, obj)
        return known if request.user.is_superuser else (*known, "is_superuser")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Who is made inactive is signed out everywhere, and stays so if made active again."""
        super().save_model(request, obj, form, change)
        if not change:
            accounts.complete(user=obj)
        if change and "is_active" in form.changed_data:
            accounts.end_everywhere(user_id=obj.pk, by=Actor.of(request))

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        """A password set here ends what was signed in with the old one, programs too."""
        if getattr(request.resolver_match, "url_name", "") == "auth_user_password_change":
            accounts.end_everywhere(user_id=obj.pk, by=Actor.of(request))
        return super().log_change(request, obj, message)


@admin.register(UserPreference)
class UserPreferenceAdmin(AuditedAdmin):
    """How people like it."""

    list_display = ("user", "theme", "density", "palette")
    search_fields = ("user__email",)
    readonly_fields = ("user", "default_portfolio")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Made with the user."""
        return False


@admin.register(Customer)
class CustomerAdmin(AuditedAdmin):
    """Whose accounts they are."""

    list_display = ("name", "email", "kyc_status", "created_at")
    search_fields = ("name", "email")
    readonly_fields = ("user", "identity_score", "version", "created_at", "updated_at")


@admin.register(Account)
class AccountAdmin(AuditedAdmin):
    """Places where portfolios are kept."""

    list_display = ("name", "customer", "account_type", "currency", "status")
    list_filter = ("account_type", "status")
    search_fields = ("name", "customer__name")
    autocomplete_fields = ("customer",)
    readonly_fields = ("version", "opened_at", "created_at", "updated_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """An account stays with its customer and in its currency."""
        return (*self.readonly_fields, "customer", "currency") if obj else self.readonly_fields


def _each(request: HttpRequest, queryset: QuerySet[Portfolio], act: Any, done: str) -> None:
    """One service call per chosen row; refusals are told by name."""
    count = 0
    for row in queryset:
        try:
            act(row)
            count += 1
        except DomainError as error:
            messages.error(request, f"{row.name}: {error.detail}")
    messages.success(request, f"{count} portfolios: {done}.")


@admin.action(description="Halt trading")
def halt(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Portfolio]) -> None:
    """Stop trading in the chosen portfolios."""
    by = Actor.of(request)
    _each(
        request,
        queryset,
        lambda row: portfolios.halt(portfolio_id=row.pk, reason="halted in the admin", by=by),
        "halted",
    )


@admin.action(description="Resume trading")
def resume(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Portfolio]) -> None:
    """Let the chosen portfolios trade again."""
    by = Actor.of(request)
    _each(
        request,
        queryset,
        lambda row: portfolios.resume(portfolio_id=row.pk, reason="resumed in the admin", by=by),
        "active",
    )


@admin.action(description="Check the books against the ledger")
def check_books(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Portfolio]) -> None:
    """Verify the chosen portfolios; unsound ones are halted."""
    unsound = verification.check_books(
        portfolio_ids=[row.pk for row in queryset], session_date=sessions.latest()
    )
    for row in queryset:
        for problem in unsound.get(row.pk, []):
            messages.error(request, f"{row.name}: {problem}")
    messages.info(request, f"{len(queryset) - len(unsound)} of {len(queryset)} are sound.")


@admin.action(description="Take the latest snapshot again")
def take_snapshots(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Portfolio]) -> None:
    """Request one job for the chosen portfolios."""
    by = Actor.of(request)
    jobs.request(
        "portfolios.take_snapshots",
        as_of=sessions.latest(),
        portfolio_ids=[row.pk for row in queryset],
        requested_by=by.user_id,
        request_id=by.request_id,
    )
    messages.success(request, "The job was requested.")


ACTS = {
    "halt": Action.HALT,
    "resume": Action.HALT,
    "check_books": Action.CALCULATE,
    "take_snapshots": Action.CALCULATE,
}


@admin.register(Portfolio)
class PortfolioAdmin(ReadOnlyAdmin):
    """Books; their running totals belong to the ledger, their rules to the services."""

    list_display = ("name", "account", "cash", "ledger_seq", "state", "status", "opened_on")
    list_filter = ("state", "status", "is_paper")
    search_fields = ("name", "account__customer__name")
    list_select_related = ("account",)
    actions = (halt, resume, check_books, take_snapshots)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """What the groups of this staff include; other staff read."""
        actor = Actor.of(request)
        return {
            name: entry
            for name, entry in super().get_actions(request).items()
            if actor.is_superuser or access.staff_may(actor, ACTS[name])
        }


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """Who belongs to a portfolio; changed by its owner."""

    list_display = ("portfolio", "user", "role", "can_trade", "revoked_at")
    list_filter = ("role",)
    search_fields = ("portfolio__name", "user__email")
    list_select_related = ("portfolio", "user")


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Parts on offer; sent and withdrawn by the owner."""

    list_display = ("portfolio", "email", "role", "can_trade", "state", "sent_at", "expires_at")
    list_filter = ("state", "role")
    search_fields = ("portfolio__name", "email")
    exclude = ("hash",)
    list_select_related = ("portfolio",)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    """The books, leg by leg."""

    list_display = (
        "portfolio", "seq", "leg", "kind", "account", "instrument", "amount", "session_date",
        "source",
    )  # fmt: skip
    list_filter = ("kind", "account")
    search_fields = ("source", "portfolio__name")
    list_select_related = ("portfolio", "instrument")
    ordering = ("-id",)


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    """What went from one book to another."""

    list_display = ("origin", "target", "instrument", "quantity", "amount", "session_date")
    search_fields = ("origin__name", "target__name", "instrument__symbol")
    list_select_related = ("origin", "target", "instrument")


@admin.register(CashTransaction)
class CashTransactionAdmin(ReadOnlyAdmin):
    """Papers behind cash bookings."""

    list_display = ("portfolio", "type", "amount", "currency", "session_date", "reason")
    list_filter = ("type",)
    search_fields = ("portfolio__name", "reason")
    list_select_related = ("portfolio",)


@admin.register(Position)
class PositionAdmin(ReadOnlyAdmin):
    """Running totals of the ledger."""

    list_display = ("portfolio", "instrument", "quantity", "cost_basis", "realized_pnl", "fees")
    search_fields = ("portfolio__name", "instrument__symbol")
    list_select_related = ("portfolio", "instrument")


@admin.register(PortfolioSnapshot)
class PortfolioSnapshotAdmin(ReadOnlyAdmin):
    """What portfolios were worth."""

    list_display = (
        "portfolio", "session_date", "nav", "daily_pnl", "net_delta_exposure", "var_95_1d",
        "quality", "revision",
    )  # fmt: skip
    list_filter = ("quality",)
    date_hierarchy = "session_date"
    list_select_related = ("portfolio",)


@admin.register(PositionSnapshot)
class PositionSnapshotAdmin(ReadOnlyAdmin):
    """Each position in a snapshot."""

    list_display = (
        "snapshot", "instrument", "quantity", "price", "exposure", "delta_exposure", "delta",
        "reason",
    )  # fmt: skip
    list_select_related = ("snapshot", "instrument")


@admin.register(Tag)
class TagAdmin(AuditedAdmin):
    """Words people put on positions."""

    list_display = ("name", "kind", "user", "colour", "archived_at")
    list_filter = ("kind",)
    search_fields = ("name", "user__email")
    readonly_fields = (
        "user", "last_used_at", "archived_at", "version", "created_at", "updated_at",
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People make their own."""
        return False


@admin.register(PositionTag)
class PositionTagAdmin(ReadOnlyAdmin):
    """Which tag is on which position."""

    list_display = ("tag", "position")
    list_select_related = ("tag", "position")


@admin.register(PortfolioBenchmark)
class PortfolioBenchmarkAdmin(ReadOnlyAdmin):
    """What portfolios are compared with; their owners set it."""

    list_display = ("portfolio", "place", "instrument")
    list_select_related = ("portfolio", "instrument")


@admin.register(SavedView)
class SavedViewAdmin(ReadOnlyAdmin):
    """Ways of looking at positions that people keep."""

    list_display = ("name", "user", "is_default", "updated_at")
    search_fields = ("name", "user__email")
    list_select_related = ("user",)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Tokens of programs; only their beginning is known."""

    list_display = ("name", "user", "prefix", "expires_at", "last_used_at", "revoked_at")
    search_fields = ("name", "user__email", "prefix")
    exclude = ("hash",)
    list_select_related = ("user",)


@admin.register(TokenFamily)
class TokenFamilyAdmin(ReadOnlyAdmin):
    """Sign-ins of programs."""

    list_display = ("label", "user", "created_at", "expires_at", "revoked_at")
    search_fields = ("label", "user__email")
    list_select_related = ("user",)


class ItemInline(admin.TabularInline):
    """What a list follows."""

    model = WatchlistItem
    extra = 0
    autocomplete_fields = ("instrument",)


@admin.register(Watchlist)
class WatchlistAdmin(AuditedAdmin):
    """Lists of symbols people follow."""

    list_display = ("name", "user", "order", "updated_at")
    search_fields = ("name", "user__email")
    list_select_related = ("user",)
    autocomplete_fields = ("user",)
    ordering = ("user__email", "order")
    inlines = (ItemInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A list stays with its person."""
        return ("user",) if obj else ()


@admin.register(WatchlistItem)
class WatchlistItemAdmin(ReadOnlyAdmin):
    """Symbols on the lists."""

    list_display = ("symbol", "watchlist", "instrument", "order")
    search_fields = ("symbol", "watchlist__name")
    list_select_related = ("watchlist", "instrument")
    ordering = ("watchlist", "order")
