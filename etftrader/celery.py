"""The Celery application: workers and Beat start here."""

import os

from celery import Celery
from celery.signals import beat_init, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etftrader.settings")

app = Celery("etftrader")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.imports = ("etftrader.core.jobs", "etftrader.core.job_sweep")
app.autodiscover_tasks(["etftrader", "trading", "risk", "portfolios", "marketdata"])


@worker_init.connect
@beat_init.connect
def _refuse(**sent: object) -> None:
    """A worker and Beat start with safe settings or not at all."""
    from etftrader import checks  # settings must be named first

    checks.end_unsafe_start()
