"""The HTTP application."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etftrader.settings")

application = get_wsgi_application()

from etftrader import checks  # noqa: E402  the apps must be loaded

checks.refuse_unsafe_start()
