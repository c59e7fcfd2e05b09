"""The web application with rate limits that nobody reaches; what is measured is something else."""

from django.conf import settings

from etftrader.asgi import application

__all__ = ["application"]

settings.RATE_LIMITS = {name: (10_000_000, 1) for name in settings.RATE_LIMITS}
