"""AppConfigs of the roof: joins receivers to events, registers the start-up checks, our admin."""

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate  # noqa: TID251  migrate's own, no model's
from django.utils.module_loading import autodiscover_modules


class EtftraderConfig(AppConfig):
    """The roof and the ground floor."""

    name = "etftrader"
    verbose_name = "Operations"

    def ready(self) -> None:
        """Connect what hears events; make the Celery app the current one."""
        from etftrader import celery, checks, roles  # noqa: F401  both register themselves

        celery.app.set_default()
        # sent once an app: when the last one is done, every permission is there
        last = [each for each in apps.get_app_configs() if each.models_module][-1]
        post_migrate.connect(roles.assign, sender=last)
        autodiscover_modules("receivers")


class EtftraderAdminConfig(AdminConfig):
    """Django's admin with our index page."""

    default_site = "etftrader.admin_site.Site"
