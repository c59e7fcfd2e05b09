"""Apps, middleware, templates, static files, language and time."""

from etftrader.settings.env import DEBUG, EMBEDDED, PROCESS, ROOT, TESTING, VAR, env

__all__ = [  # every capital name is a setting
    "ASGI_APPLICATION",
    "AUTH_USER_MODEL",
    "BASE_DIR",
    "CODE_VERSION",
    "DEBUG",
    "DEFAULT_AUTO_FIELD",
    "EMBEDDED",
    "INSTALLED_APPS",
    "LANGUAGE_CODE",
    "LOGIN_REDIRECT_URL",
    "LOGIN_URL",
    "LOGOUT_REDIRECT_URL",
    "MIDDLEWARE",
    "PROCESS",
    "ROOT_URLCONF",
    "STATICFILES_DIRS",
    "STATIC_ROOT",
    "STATIC_URL",
    "STORAGES",
    "TEMPLATES",
    "TESTING",
    "TIME_ZONE",
    "USE_I18N",
    "USE_TZ",
    "VAR",
    "WSGI_APPLICATION",
]

BASE_DIR = ROOT
CODE_VERSION = env.str("ETF_VERSION", "1.0")

INSTALLED_APPS = [
    "etftrader.apps.EtftraderConfig",
    "marketdata.apps.MarketdataConfig",
    "portfolios.apps.PortfoliosConfig",
    "risk.apps.RiskConfig",
    "factors.apps.FactorsConfig",
    "trading.apps.TradingConfig",
    "etftrader.apps.EtftraderAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "django_filters",
    "drf_standardized_errors",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_celery_beat",
    "axes",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "etftrader.middleware.RequestIdMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "etftrader.middleware.SessionVersionMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "etftrader.middleware.DomainErrorMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "etftrader.urls"
ASGI_APPLICATION = "etftrader.asgi.application"
WSGI_APPLICATION = "etftrader.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "etftrader.views.shell.shell",
            ],
            "builtins": ["etftrader.templatetags.display", "etftrader.templatetags.charts"],
        },
    }
]

AUTH_USER_MODEL = "portfolios.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"

STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [ROOT / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "etftrader.staticfiles.HashedStorage"},
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
