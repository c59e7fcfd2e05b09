"""What the site's groups may do in the admin; written after every migration."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

from etftrader.core.admin import ReadOnlyAdmin

READERS = ("Risk manager", "Operator", "Admin", "Auditor")
# what operators keep in order; administrators edit whatever the admin lets anybody edit
OPERATED = (
    "marketdata.Instrument",
    "marketdata.InstrumentAlias",
    "marketdata.SessionOverride",
    "marketdata.Universe",
    "marketdata.UniverseMember",
    "portfolios.ImportAlias",
    "trading.CostModel",
)
WRITES = ("add", "change", "delete")


def assign(**signal: Any) -> None:
    """Give each group its permissions; groups and permissions that are there stay."""
    admin.autodiscover()
    known = {group.name: group for group in Group.objects.filter(name__in=READERS)}
    models = [model for model in apps.get_models() if admin.site.is_registered(model)]
    reading = _permissions(models, ("view",))
    for group in known.values():
        group.permissions.add(*reading)
    if "Operator" in known:
        known["Operator"].permissions.add(
            *_permissions([apps.get_model(name) for name in OPERATED], WRITES)
        )
    if "Admin" in known:
        known["Admin"].permissions.add(*_permissions(_editable(models), WRITES))


def _editable(models: list[Any]) -> list[Any]:
    shown = [(model, admin.site.get_model_admin(model)) for model in models]
    return [model for model, page in shown if not isinstance(page, ReadOnlyAdmin)]


def _permissions(models: list[Any], acts: tuple[str, ...]) -> list[Permission]:
    kinds = ContentType.objects.get_for_models(*models, for_concrete_models=False)
    wanted = {
        (kind.pk, f"{act}_{model._meta.model_name}")
        for model, kind in kinds.items()
        for act in acts
    }
    rows = Permission.objects.filter(content_type__in=kinds.values())
    return [each for each in rows if (each.content_type_id, each.codename) in wanted]
