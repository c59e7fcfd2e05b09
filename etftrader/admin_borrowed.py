"""Admins of models that come with libraries, in place of the libraries' own.

Theirs would let a holder of one right run any task, show tokens, revive used ones or change who
may do what without a trace.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat.models import PeriodicTask

from etftrader.core.admin import AuditedAdmin, ReadOnlyAdmin
from etftrader.services.timetable import ENTRIES, entry_of


class SuperuserAdmin(AuditedAdmin):
    """For superusers alone: a right handed out by name is not enough."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether it is on the index."""
        return _is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who sees it."""
        return _is_superuser(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Who adds."""
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who changes."""
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who deletes."""
        return _is_superuser(request)


def _is_superuser(request: HttpRequest) -> bool:
    return request.user.is_active and request.user.is_staff and request.user.is_superuser


class EntryForm(forms.ModelForm):
    """What runs is chosen from the timetable; its arguments come with the choice."""

    entry = forms.ChoiceField(
        label="Runs",
        choices=[("", "---------"), *((name, name) for name in ENTRIES)],
        help_text="A step of the day or a timer of the house.",
    )

    class Meta:
        model = PeriodicTask
        fields = ("name", "entry", "enabled", "interval", "crontab", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["entry"] = entry_of(self.instance)

    def clean(self) -> dict[str, Any]:
        """Task and arguments of the choice, before the row is judged."""
        found = super().clean() or self.cleaned_data
        if entry := found.get("entry"):
            self.instance.task, self.instance.kwargs = ENTRIES[entry]
            self.instance.args = "[]"
        return found


@admin.action(description="Switch on", permissions=["change"])
def switch_on(modeladmin: Any, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
    """Let the chosen entries run."""
    count = modeladmin.set_field(request, queryset, "enabled", True)
    modeladmin.message_user(request, f"{count} switched on.")


@admin.action(description="Switch off", permissions=["change"])
def switch_off(modeladmin: Any, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
    """Let the chosen entries rest."""
    count = modeladmin.set_field(request, queryset, "enabled", False)
    modeladmin.message_user(request, f"{count} switched off.")


class PeriodicTaskAdmin(SuperuserAdmin):
    """When the steps and timers of the house run."""

    form = EntryForm
    fields = (*EntryForm.Meta.fields, "task", "args", "kwargs", "last_run_at", "total_run_count")
    readonly_fields = ("task", "args", "kwargs", "last_run_at", "total_run_count")
    list_display = ("name", "task", "enabled", "interval", "crontab", "last_run_at")
    list_filter = ("enabled",)
    search_fields = ("name", "task")
    list_select_related = ("interval", "crontab")
    ordering = ("name",)
    actions = (switch_on, switch_off)


class GroupAdmin(AuditedAdmin):
    """Site roles and the admin's rights that come with them."""

    search_fields = ("name",)
    ordering = ("name",)
    filter_horizontal = ("permissions",)

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Rights with what they are rights on, in one query."""
        kwargs.setdefault("queryset", db_field.remote_field.model.objects.select_related())
        return super().formfield_for_manytomany(db_field, request, **kwargs)


class OutstandingTokenAdmin(ReadOnlyAdmin):
    """Refresh tokens that were given out; their text is not shown."""

    list_display = ("jti", "user", "created_at", "expires_at")
    search_fields = ("user__email", "jti")
    list_select_related = ("user",)
    exclude = ("token",)
    ordering = ("-pk",)


class BlacklistedTokenAdmin(ReadOnlyAdmin):
    """Refresh tokens that were used or ended; taking one off would revive it."""

    list_display = ("token", "blacklisted_at")
    search_fields = ("token__jti", "token__user__email")
    list_select_related = ("token",)
    ordering = ("-pk",)


class AttemptAdmin(ReadOnlyAdmin):
    """Sign-ins that were tried; what was typed is not shown."""

    list_display = ("attempt_time", "username", "ip_address", "path_info")
    search_fields = ("username", "ip_address")
    exclude = ("get_data", "post_data")
    date_hierarchy = "attempt_time"
    ordering = ("-attempt_time",)


OURS: dict[str, type[admin.ModelAdmin] | None] = {
    "auth.Group": GroupAdmin,
    "axes.AccessAttempt": AttemptAdmin,
    "axes.AccessFailureLog": AttemptAdmin,
    "axes.AccessLog": AttemptAdmin,
    "django_celery_beat.PeriodicTask": PeriodicTaskAdmin,
    "django_celery_beat.CrontabSchedule": SuperuserAdmin,
    "django_celery_beat.IntervalSchedule": SuperuserAdmin,
    # the timetable knows no single dates and no sunsets
    "django_celery_beat.ClockedSchedule": None,
    "django_celery_beat.SolarSchedule": None,
    "token_blacklist.BlacklistedToken": BlacklistedTokenAdmin,
    "token_blacklist.OutstandingToken": OutstandingTokenAdmin,
}
