"""What tests change: cheap password hashing, plain static files."""

from etftrader.settings.base import STORAGES as _STORAGES

__all__ = ["AXES_ENABLED", "PASSWORD_HASHERS", "STORAGES", "WHITENOISE_AUTOREFRESH"]

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AXES_ENABLED = False
WHITENOISE_AUTOREFRESH = True  # nothing was collected; files are looked up when asked
STORAGES = _STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
