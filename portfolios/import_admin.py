"""Imports in the admin: files and rows to look at, the spellings of fields to edit."""

from django.contrib import admin

from etftrader.core.admin import AuditedAdmin, ReadOnlyAdmin
from portfolios.forms.imports import AliasForm
from portfolios.models import ImportAlias, ImportBatch, ImportMapping, ImportRow


@admin.register(ImportBatch)
class ImportBatchAdmin(ReadOnlyAdmin):
    """Files people brought."""

    list_display = ("file_name", "portfolio", "user", "status", "session_date", "committed_at")
    list_filter = ("status", "kind")
    search_fields = ("file_name", "file_hash", "portfolio__name")
    list_select_related = ("portfolio", "user")


@admin.register(ImportRow)
class ImportRowAdmin(ReadOnlyAdmin):
    """Every row with its verdict."""

    list_display = ("batch", "ordinal", "verdict", "source")
    list_filter = ("verdict",)
    list_select_related = ("batch",)


@admin.register(ImportMapping)
class ImportMappingAdmin(ReadOnlyAdmin):
    """Columns people chose for files with a header."""

    list_display = ("user", "kind", "header_hash", "updated_at")
    list_filter = ("kind",)
    search_fields = ("user__email",)
    list_select_related = ("user",)


@admin.register(ImportAlias)
class ImportAliasAdmin(AuditedAdmin):
    """Other names of a file's fields; a wrong one would put figures into the wrong place."""

    form = AliasForm
    list_display = ("alias", "kind", "field")
    list_filter = ("kind",)
    search_fields = ("alias", "field")
    ordering = ("kind", "alias")
