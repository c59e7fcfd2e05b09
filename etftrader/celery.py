"""The Celery application: workers and Beat start here."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etftrader.settings")

app = Celery("etftrader")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.imports = ("etftrader.core.jobs",)
app.autodiscover_tasks(["etftrader", "trading", "risk", "portfolios", "marketdata"])
