"""Start-up checks: settings a production process must not start without (E-codes)."""

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from etftrader.core.outbound.addresses import is_public
from marketdata.providers import sources

MIN_SECRET = 32
MOST_SQLITE_WAIT_S = 20  # jobs; web processes wait 5 s
MOST_WAIT_S = {
    "statement_timeout": 300,
    "lock_timeout": 5,
    "idle_in_transaction_session_timeout": 30,
}
_WAIT = re.compile(r"(\w+_timeout)=(\d+)(ms|s|min|)(?=\s|$)")
_SECONDS = {"": 0.001, "ms": 0.001, "s": 1.0, "min": 60.0}
_AT_HOME = (".local", ".internal", ".localhost", ".lan")
_RULES: list[tuple[str, str, Callable[[Any], bool]]] = []


def _rule(code: str, sentence: str) -> Callable[[Callable[[Any], bool]], Callable[[Any], bool]]:
    """A rule holds when its function says so; the sentence says what to set."""

    def keep(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
        _RULES.append((code, sentence, holds))
        return holds

    return keep


@register(Tags.security)
def settings_gate(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Every rule that is broken; the launcher's own loopback start and tests are exempt.

    The names of the providers are checked at every start: nothing works without them.
    """
    named = [Error(words, id="etftrader.E025") for words in sources.problems()]
    if settings.EMBEDDED or settings.TESTING:
        return [*named]
    return [*named, *broken(settings)]


def broken(given: Any) -> Iterator[CheckMessage]:
    """The broken rules of some settings."""
    for code, sentence, holds in _RULES:
        try:
            fine = holds(given)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError):
            fine = False  # a missing setting is a wrong one
        if not fine:
            yield Error(sentence, id=f"etftrader.{code}")


def refuse_unsafe_start() -> None:
    """For processes that run no checks of their own. Raises ImproperlyConfigured."""
    problems = settings_gate()
    if problems:
        raise ImproperlyConfigured("\n".join(str(each) for each in problems))


def end_unsafe_start(**sent: Any) -> None:
    """The same for Celery's start signals, which swallow what is no SystemExit."""
    try:
        refuse_unsafe_start()
    except ImproperlyConfigured as error:
        sys.exit(f"Refused to start:\n{error}")


@_rule("E001", "DATABASES: PostgreSQL with its time-outs, or SQLite with IMMEDIATE and WAL.")
def _engine(given: Any) -> bool:
    options = given.DATABASES["default"]["OPTIONS"]
    if given.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        start = options["init_command"]
        immediate = options["transaction_mode"] == "IMMEDIATE"
        waits = 0 < options["timeout"] <= MOST_SQLITE_WAIT_S
        return waits and immediate and "journal_mode=WAL" in start and "synchronous=FULL" in start
    written = _WAIT.findall(options["options"])
    waits_s = {name: int(amount) * _SECONDS[unit] for name, amount, unit in written}
    return all(0 < waits_s[name] <= most for name, most in MOST_WAIT_S.items())


@_rule("E002", "CACHES: the JSON serializer; pickles would let Redis run code here.")
def _cache(given: Any) -> bool:
    options = given.CACHES["default"]["OPTIONS"]
    return options["serializer"] == "etftrader.core.livestate.JsonSerializer"


@_rule(
    "E003",
    "CELERY: late acknowledgement, every task ends well before it is redelivered, and a child's "
    "memory is bounded.",
)
def _broker(given: Any) -> bool:
    transport = given.CELERY_BROKER_TRANSPORT_OPTIONS
    late = given.CELERY_TASK_ACKS_LATE and given.CELERY_TASK_REJECT_ON_WORKER_LOST
    visible = transport["visibility_timeout"]
    return bool(
        late
        and given.CELERY_TASK_SOFT_TIME_LIMIT < given.CELERY_TASK_TIME_LIMIT
        and visible >= 2 * given.CELERY_TASK_TIME_LIMIT
        and transport["unacked_restore_interval"] <= 5
        and transport["unacked_restore_throttle"] == 1
        and given.CELERY_WORKER_MAX_MEMORY_PER_CHILD > 0
        and given.CELERY_WORKER_MAX_TASKS_PER_CHILD > 0
    )


@_rule("E004", "CELERY_BEAT_SCHEDULER: the leader-locked one; two plain beats do everything twice.")
def _beat(given: Any) -> bool:
    return given.CELERY_BEAT_SCHEDULER == "etftrader.scheduler:LeaderScheduler"


@_rule(
    "E005", "ALLOWED_HOSTS, SOCKET_ORIGINS, CSRF_TRUSTED_ORIGINS: named hosts, no star, no null."
)
def _origins(given: Any) -> bool:
    origins = [*given.SOCKET_ORIGINS, *given.CSRF_TRUSTED_ORIGINS]
    words = [*given.ALLOWED_HOSTS, *origins, *given.CORS_ORIGINS]
    plain = all("*" not in word and word not in ("null", "") for word in words)
    hosts = all(not host.startswith(".") for host in given.ALLOWED_HOSTS)
    return (
        bool(given.ALLOWED_HOSTS)
        and plain
        and hosts
        and all(urlsplit(origin).scheme == "https" for origin in origins)
    )


@_rule("E006", "NUM_PROXIES: how many stand in front; axes asks the limiter's address function.")
def _address(given: Any) -> bool:
    proxies = given.NUM_PROXIES
    one = given.AXES_CLIENT_IP_CALLABLE == "etftrader.core.api.limits.client_address"
    return isinstance(proxies, int) and 0 <= proxies <= 5 and one


@_rule("E007", "DEFAULT_THROTTLE_CLASSES: the shared limiter, with a bound for every scope.")
def _throttle(given: Any) -> bool:
    classes = given.REST_FRAMEWORK["DEFAULT_THROTTLE_CLASSES"]
    scopes = ("default", "burst", "login", "orders", "jobs", "export")
    bounds = [given.RATE_LIMITS[scope] for scope in scopes]
    bounded = all(0 < limit <= 10_000 and span > 0 for limit, span in bounds)
    return classes == ["etftrader.core.api.limits.SharedLimit"] and bounded


@_rule("E008", "DEFAULT_PERMISSION_CLASSES: default deny by the registry.")
def _permission(given: Any) -> bool:
    classes = given.REST_FRAMEWORK["DEFAULT_PERMISSION_CLASSES"]
    return classes == ["etftrader.core.api.registry.Registered"]


@_rule("E009", "DEFAULT_RENDERER_CLASSES and parsers: strict JSON, no browsable API.")
def _renderers(given: Any) -> bool:
    rest = given.REST_FRAMEWORK
    return rest["DEFAULT_RENDERER_CLASSES"] == [
        "etftrader.core.api.renderers.FiniteJSONRenderer"
    ] and rest["DEFAULT_PARSER_CLASSES"] == ["etftrader.core.api.parsers.StrictJSONParser"]


@_rule("E010", "SPECTACULAR_SETTINGS: the description is for signed-in people.")
def _schema(given: Any) -> bool:
    allowed = given.SPECTACULAR_SETTINGS["SERVE_PERMISSIONS"]
    return bool(allowed) and "rest_framework.permissions.AllowAny" not in allowed


@_rule("E011", "FILE_UPLOAD_HANDLERS: the capped handler first; DATA_UPLOAD_MAX_MEMORY_SIZE 1 MB.")
def _uploads(given: Any) -> bool:
    first = given.FILE_UPLOAD_HANDLERS[0] == "etftrader.uploads.CappedUploadHandler"
    return first and given.DATA_UPLOAD_MAX_MEMORY_SIZE <= 1_000_000


@_rule("E012", "Sessions: 3 hours idle, 12 hours in all.")
def _sessions(given: Any) -> bool:
    return 0 < given.SESSION_COOKIE_AGE <= 3 * 3600 and 0 < given.SESSION_ABSOLUTE_AGE <= 12 * 3600


@_rule("E013", "JWT_SIGNING_KEYS: one or two long keys, none of them SECRET_KEY; HS256.")
def _keys(given: Any) -> bool:
    keys = list(given.JWT_SIGNING_KEYS.values())
    long = all(len(key) >= MIN_SECRET for key in keys)
    apart = len({*keys, given.SECRET_KEY}) == len(keys) + 1
    return 1 <= len(keys) <= 2 and long and apart and given.SIMPLE_JWT["ALGORITHM"] == "HS256"


@_rule("E014", "INSTALLED_APPS: the token blacklist; without it a used refresh token works again.")
def _blacklist(given: Any) -> bool:
    jwt = given.SIMPLE_JWT
    there = "rest_framework_simplejwt.token_blacklist" in given.INSTALLED_APPS
    return there and jwt["ROTATE_REFRESH_TOKENS"] and jwt["BLACKLIST_AFTER_ROTATION"]


@_rule("E015", "AXES: locks name and address together after 5, for a bounded time.")
def _axes(given: Any) -> bool:
    on = getattr(given, "AXES_ENABLED", True) and "axes" in given.INSTALLED_APPS
    first = given.AUTHENTICATION_BACKENDS[0] == "axes.backends.AxesStandaloneBackend"
    keys = given.AXES_LOCKOUT_PARAMETERS == [["username", "ip_address"]]
    bounded = 1 <= given.AXES_FAILURE_LIMIT <= 5 and bool(given.AXES_COOLOFF_TIME)
    return on and first and keys and bounded


@_rule("E016", "BROKER_URL, CACHE_URL and CHANNELS_URL: three different stores.")
def _stores(given: Any) -> bool:
    urls = [given.BROKER_URL, given.CACHE_URL, given.CHANNELS_URL]
    return all(urls) and len({url.rstrip("/") for url in urls}) == 3


@_rule("E017", "TIME_ZONE: UTC, USE_TZ on.")
def _time(given: Any) -> bool:
    return given.TIME_ZONE == "UTC" and given.USE_TZ and given.CELERY_TIMEZONE == "UTC"


@_rule("E018", "CONN_MAX_AGE: 60 in long-lived threads, with health checks on PostgreSQL.")
def _connections(given: Any) -> bool:
    default = given.DATABASES["default"]
    checked = default["ENGINE"].endswith("sqlite3") or default["CONN_HEALTH_CHECKS"] is True
    return default["CONN_MAX_AGE"] == 60 and checked and not default.get("ATOMIC_REQUESTS")


@_rule("E019", "SECRET_KEY: 50 characters or more; DEBUG off.")
def _secret(given: Any) -> bool:
    return len(given.SECRET_KEY) >= 50 and given.DEBUG is False


@_rule("E020", "Cookies: __Host- names, Secure, HttpOnly, SameSite Lax.")
def _cookies(given: Any) -> bool:
    return all(
        getattr(given, f"{kind}_COOKIE_NAME").startswith("__Host-")
        and getattr(given, f"{kind}_COOKIE_SECURE")
        and getattr(given, f"{kind}_COOKIE_HTTPONLY")
        and getattr(given, f"{kind}_COOKIE_SAMESITE") in ("Lax", "Strict")
        for kind in ("SESSION", "CSRF")
    )


@_rule("E021", "CHANNEL_LAYERS: the pubsub layer, its socket time-out written out.")
def _layer(given: Any) -> bool:
    layer = given.CHANNEL_LAYERS["default"]
    written = all(host["socket_timeout"] >= 15 for host in layer["CONFIG"]["hosts"])
    return layer["BACKEND"] == "channels_redis.pubsub.RedisPubSubChannelLayer" and written


@_rule("E022", "CELERY_ACCEPT_CONTENT: JSON only.")
def _content(given: Any) -> bool:
    return given.CELERY_ACCEPT_CONTENT == ["json"] and given.CELERY_TASK_SERIALIZER == "json"


@_rule("E023", "CONTENT_SECURITY_POLICY: scripts from ourselves only, framed by nobody.")
def _csp(given: Any) -> bool:
    rules = given.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    scripts = {str(each) for each in rules["script-src"]}
    open_words = {"'unsafe-inline'", "'unsafe-eval'", "*", "data:"}
    return not scripts & open_words and [str(each) for each in rules["frame-ancestors"]] == [
        "'none'"
    ]


@_rule("E024", "YAHOO_BASE_URL, YAHOO_STREAM_URL, FRED_BASE_URL: unset, or public and encrypted.")
def _outbound(given: Any) -> bool:
    bases = [given.YAHOO_BASE_URL, given.FRED_BASE_URL]
    encrypted = all(urlsplit(url).scheme == "https" for url in bases if url)
    stream = given.YAHOO_STREAM_URL
    encrypted = encrypted and (not stream or urlsplit(stream).scheme == "wss")
    return encrypted and all(_is_abroad(url) for url in (*bases, stream) if url)


def _is_abroad(url: str) -> bool:
    """Whether a host is not one of our own network, as far as its name tells."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if ":" in host or host.replace(".", "").isdigit():
        return is_public(host)
    return "." in host and not host.endswith(_AT_HOME)
