"""The REST framework: deny by default, one error shape, bounded pages, our own limits."""

from datetime import timedelta

__all__ = [
    "DRF_STANDARDIZED_ERRORS",
    "RATE_LIMITS",
    "REST_FRAMEWORK",
    "SIMPLE_JWT",
    "SPECTACULAR_SETTINGS",
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "portfolios.api.authentication.SessionAuth",
        "portfolios.api.authentication.AccessTokenAuth",
        "portfolios.api.authentication.PersonalTokenAuth",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["etftrader.core.api.registry.Registered"],
    "DEFAULT_THROTTLE_CLASSES": ["etftrader.core.api.limits.SharedLimit"],
    "DEFAULT_PARSER_CLASSES": ["etftrader.core.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["etftrader.core.api.renderers.FiniteJSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "etftrader.core.api.lists.Pages",
    "DEFAULT_FILTER_BACKENDS": ["etftrader.core.api.lists.StrictFilters"],
    "DEFAULT_SCHEMA_CLASS": "etftrader.core.api.schema.Schema",
    "EXCEPTION_HANDLER": "etftrader.core.api.problems.handle",
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
    "PAGE_SIZE": 100,
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

RATE_LIMITS = {  # scope: (requests, seconds)
    "default": (100, 60),
    "burst": (10, 1),
    "login": (5, 60),
    "orders": (60, 60),
    "jobs": (10, 60),
    "export": (10, 60),
    "files": (20, 86_400),  # of prices and yields
}

DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "etftrader.core.api.problems.ProblemHandler",
    "EXCEPTION_FORMATTER_CLASS": "etftrader.core.api.problems.ProblemFormatter",
    "ENABLE_IN_DEBUG_FOR_UNHANDLED_EXCEPTIONS": True,
}

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "ALGORITHM": "HS256",
    "AUDIENCE": "etftrader-api",
    "ISSUER": "etftrader",
    "LEEWAY": 10,
    "USER_ID_FIELD": "id",
    "USER_ID_CLAIM": "sub",
    "TOKEN_TYPE_CLAIM": "typ",
    "CHECK_REVOKE_TOKEN": False,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "ETFTrader API",
    "VERSION": "1.0",
    "DESCRIPTION": "Books, risk, pre-trade checks and jobs of ETFTrader.",
    "OAS_VERSION": "3.1.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SERVE_AUTHENTICATION": [
        "portfolios.api.authentication.SessionAuth",
        "portfolios.api.authentication.AccessTokenAuth",
        "portfolios.api.authentication.PersonalTokenAuth",
    ],
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVE_INCLUDE_SCHEMA": False,
    # our own test looks at the description; the library would warn at every start
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["etftrader.core.api.schema.only_canonical"],
    "POSTPROCESSING_HOOKS": [
        "etftrader.core.api.schema.without_engine",
        "etftrader.core.api.schema.with_problem",
    ],
}
