"""The mail server, where there is one; without it nothing is sent and pages show links instead."""

from etftrader.settings.env import env

__all__ = [
    "DEFAULT_FROM_EMAIL",
    "EMAIL_BACKEND",
    "EMAIL_HOST",
    "EMAIL_HOST_PASSWORD",
    "EMAIL_HOST_USER",
    "EMAIL_PORT",
    "EMAIL_TIMEOUT",
    "EMAIL_URL",
    "EMAIL_USE_SSL",
    "EMAIL_USE_TLS",
]

EMAIL_URL = env.str("EMAIL_URL", "")  # smtp+tls://user:password@host:587
_known = env.email_url("EMAIL_URL", default="dummymail://")
EMAIL_BACKEND = _known["EMAIL_BACKEND"]
EMAIL_HOST = _known.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _known.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _known.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _known.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = bool(_known.get("EMAIL_USE_TLS", False))
EMAIL_USE_SSL = bool(_known.get("EMAIL_USE_SSL", False))
EMAIL_TIMEOUT = 5  # seconds somebody waits for a server that does not answer
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", "etftrader@localhost")
