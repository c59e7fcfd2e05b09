"""Two admins: one shows and never writes, one leaves an audit line for every edit."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db import models, transaction
from django.db.models import F
from django.http import HttpRequest

from etftrader.core import audit
from etftrader.core.actor import Actor

SECRET = ("password", "token", "secret", "hash")
HIDDEN = "(not shown)"


class WatchedAdmin(admin.ModelAdmin):
    """Looking at rows that belong to people leaves one line a request."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """The list, and the line."""
        return self._seen(request, "list", super().changelist_view(request, extra_context))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """One row, and the line."""
        answer = super().changeform_view(request, object_id, form_url, extra_context)
        return self._seen(request, object_id, answer) if object_id else answer

    def _seen(self, request: HttpRequest, what: str, answer: Any) -> Any:
        rows = self.model._default_manager.none()
        belongs = hasattr(rows, "portfolio_path") or hasattr(rows, "user_path")
        if belongs and request.method == "GET" and answer.status_code == 200:
            with transaction.atomic():
                audit.record(
                    by=Actor.of(request),
                    action="staff.read",
                    object_type=str(self.model._meta.model_name),
                    object_id=what[:64],
                )
        return answer


class ReadOnlyAdmin(WatchedAdmin):
    """No adding, no changing, no deleting, for nobody."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes."""
        return False


class AuditedAdmin(WatchedAdmin):
    """Every edit leaves one line with what changed, in the transaction that changes it."""

    list_per_page = 50

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save; who read the version before is told that it has moved on."""
        if change and form.has_changed() and hasattr(obj, "version"):
            obj.version = F("version") + 1
        super().save_model(request, obj, form, change)
        if change and hasattr(obj, "version"):
            obj.refresh_from_db(fields=["version"])

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """After the rows that hang on it: the line."""
        super().save_related(request, form, formsets, change)
        before, after = _of_form(form)
        for formset in formsets:
            rows = _of_formset(formset)
            if rows:
                after[formset.model._meta.model_name] = rows
        if not change:
            self.note(request, form.instance, "added", after=after)
        elif after:
            self.note(request, form.instance, "changed", before=before, after=after)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete, and keep what it said."""
        with transaction.atomic():
            self.note(request, obj, "deleted", before=_told(obj))
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """One line a row, all or nothing."""
        with transaction.atomic():
            for row in queryset:
                self.delete_model(request, row)

    def set_field(self, request: HttpRequest, queryset: Any, name: str, value: Any) -> int:
        """Set one field of chosen rows, for actions; the answer counts the changed ones."""
        with transaction.atomic():
            rows = [each for each in queryset if getattr(each, name) != value]
            for row in rows:
                before = {name: getattr(row, name)}
                setattr(row, name, value)
                row.save()
                self.note(request, row, "changed", before=before, after={name: value})
        return len(rows)

    def note(self, request: HttpRequest, obj: Any, did: str, **sides: Any) -> None:
        """Write the line, in the chain of the portfolio where the row has one."""
        audit.record(
            by=Actor.of(request),
            action=f"admin.{did}",
            object_type=obj._meta.model_name,
            object_id=obj.pk,
            chain=getattr(obj, "portfolio_id", None) or audit.SITE,
            **sides,
        )


def _of_form(form: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the changed fields said before and say now."""
    before, after = {}, {}
    for name in form.changed_data:
        if name not in form.cleaned_data:
            continue
        was, now = form.initial.get(name), form.cleaned_data[name]
        # some fields of libraries call a value changed that only came back as text
        if audit.canonical(was) != audit.canonical(now):
            before[name], after[name] = _plain(name, was), _plain(name, now)
    return before, after


def _of_formset(formset: Any) -> list[dict[str, Any]]:
    """Rows of an inline that were added, changed or deleted."""
    added = [{"added": _told(row)} for row in formset.new_objects]
    changed = [
        {"changed": str(row.pk), **{name: _plain(name, getattr(row, name)) for name in names}}
        for row, names in formset.changed_objects
    ]
    return added + changed + [{"deleted": _told(row)} for row in formset.deleted_objects]


def _told(row: models.Model) -> dict[str, Any]:
    return {
        field.attname: _plain(field.name, getattr(row, field.attname))
        for field in row._meta.concrete_fields
    }


def _plain(name: str, value: Any) -> Any:
    """A value as it may stand in a line: no secrets, rows by their name or id."""
    if any(word in name.lower() for word in SECRET):
        return HIDDEN if value else value
    if isinstance(value, models.Model):
        return str(value.pk)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | dict):
        return sorted(str(each) for each in value)
    return value
