"""Logs: JSON lines in production, readable lines in the embedded start."""

from typing import Any

import structlog

from etftrader.settings.env import DEBUG, EMBEDDED, env

__all__ = ["LOGGING", "LOG_LEVEL"]

LOG_LEVEL = env.str("LOG_LEVEL", "INFO")

_shared: list[Any] = [
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]
_renderer = (
    structlog.dev.ConsoleRenderer(colors=False)
    if EMBEDDED or DEBUG
    else structlog.processors.JSONRenderer()
)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer,
            ],
            "foreign_pre_chain": _shared,
        }
    },
    "filters": {"request_id": {"()": "etftrader.logs.RequestIdFilter"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "lines",
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django.db.backends": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "fontTools": {"level": "WARNING"},  # forty lines a font of each report
        "celery.worker.strategy": {"level": "WARNING"},  # one line a task says nothing new
        "celery.app.trace": {"level": "WARNING"},
        "django_celery_beat": {"level": "WARNING"},
    },
}
