"""T-35: production settings pass without a warning; each one turned gives its code."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "etftrader.settings",
    "SECRET_KEY": "a-long-production-secret-" + "Zx9_" * 12,
    "JWT_SIGNING_KEYS": "k1:" + "j" * 64,
    "ALLOWED_HOSTS": "etftrader.example.com",
    "SOCKET_ORIGINS": "https://etftrader.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://etftrader.example.com",
    "NUM_PROXIES": "1",
    "DATABASE_URL": "postgres://etf:secret@127.0.0.1:5432/etf",
    "BROKER_URL": "redis://127.0.0.1:6379/0",
    "CACHE_URL": "redis://127.0.0.1:6380/0",
    "CHANNELS_URL": "redis://127.0.0.1:6381/0",
    "REDIS_URL": "redis://127.0.0.1:6381/0",
}
# a dotted path into the settings, what it is turned to, and the code that must answer
WAITS = "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout=30s"
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        "timeout": 5,
    },
}
FLIPS: list[tuple[str, Any, str]] = [
    ("DATABASES.default.OPTIONS.options", "", "E001"),
    ("DATABASES.default.OPTIONS.options", WAITS.format("0", "5s"), "E001"),
    ("DATABASES.default.OPTIONS.options", WAITS.format("0s", "5s"), "E001"),
    ("DATABASES.default.OPTIONS.options", WAITS.format("1h", "5s"), "E001"),
    ("DATABASES.default.OPTIONS.options", WAITS.format("15s", "60s"), "E001"),
    ("DATABASES.default", SQLITE | {"OPTIONS": SQLITE["OPTIONS"] | {"timeout": 0}}, "E001"),
    ("DATABASES.default", SQLITE | {"OPTIONS": SQLITE["OPTIONS"] | {"timeout": 600}}, "E001"),
    (
        "CACHES.default.OPTIONS.serializer",
        "django.core.cache.backends.redis.RedisSerializer",
        "E002",
    ),
    ("CELERY_TASK_TIME_LIMIT", 1800, "E003"),
    ("CELERY_TASK_ACKS_LATE", False, "E003"),
    ("CELERY_BROKER_TRANSPORT_OPTIONS.visibility_timeout", 600, "E003"),
    ("CELERY_WORKER_MAX_MEMORY_PER_CHILD", None, "E003"),
    ("CELERY_WORKER_MAX_TASKS_PER_CHILD", None, "E003"),
    ("CELERY_BEAT_SCHEDULER", "celery.beat:PersistentScheduler", "E004"),
    ("ALLOWED_HOSTS", ["*"], "E005"),
    ("ALLOWED_HOSTS", [".example.com"], "E005"),
    ("ALLOWED_HOSTS", [], "E005"),
    ("SOCKET_ORIGINS", ["*"], "E005"),
    ("SOCKET_ORIGINS", ["null"], "E005"),
    ("SOCKET_ORIGINS", ["http://etftrader.example.com"], "E005"),
    ("NUM_PROXIES", None, "E006"),
    ("NUM_PROXIES", -1, "E006"),
    ("AXES_CLIENT_IP_CALLABLE", "elsewhere.address", "E006"),
    ("REST_FRAMEWORK.DEFAULT_THROTTLE_CLASSES", [], "E007"),
    ("RATE_LIMITS.login", [0, 60], "E007"),
    ("REST_FRAMEWORK.DEFAULT_PERMISSION_CLASSES", ["rest_framework.permissions.AllowAny"], "E008"),
    (
        "REST_FRAMEWORK.DEFAULT_RENDERER_CLASSES",
        ["rest_framework.renderers.BrowsableAPIRenderer"],
        "E009",
    ),
    ("REST_FRAMEWORK.DEFAULT_PARSER_CLASSES", ["rest_framework.parsers.JSONParser"], "E009"),
    ("SPECTACULAR_SETTINGS.SERVE_PERMISSIONS", ["rest_framework.permissions.AllowAny"], "E010"),
    ("FILE_UPLOAD_HANDLERS", ["django.core.files.uploadhandler.MemoryFileUploadHandler"], "E011"),
    ("SESSION_COOKIE_AGE", 14 * 86400, "E012"),
    ("SESSION_ABSOLUTE_AGE", 0, "E012"),
    ("JWT_SIGNING_KEYS", {}, "E013"),
    ("JWT_SIGNING_KEYS", {"k1": "short"}, "E013"),
    ("JWT_SIGNING_KEYS", {"k1": PRODUCTION["SECRET_KEY"]}, "E013"),
    ("SIMPLE_JWT.ALGORITHM", "none", "E013"),
    ("INSTALLED_APPS", ["axes"], "E014"),
    ("SIMPLE_JWT.BLACKLIST_AFTER_ROTATION", False, "E014"),
    ("AXES_LOCKOUT_PARAMETERS", ["ip_address"], "E015"),
    ("AXES_COOLOFF_TIME", None, "E015"),
    ("AXES_ENABLED", False, "E015"),
    ("CACHE_URL", PRODUCTION["BROKER_URL"], "E016"),
    ("BROKER_URL", "", "E016"),
    ("TIME_ZONE", "America/New_York", "E017"),
    ("DATABASES.default.CONN_MAX_AGE", None, "E018"),
    ("DATABASES.default.ATOMIC_REQUESTS", True, "E018"),
    ("SECRET_KEY", "short", "E019"),
    ("DEBUG", True, "E019"),
    ("SESSION_COOKIE_NAME", "sessionid", "E020"),
    ("CSRF_COOKIE_SECURE", False, "E020"),
    ("CHANNEL_LAYERS.default.BACKEND", "channels_redis.core.RedisChannelLayer", "E021"),
    ("CELERY_ACCEPT_CONTENT", ["json", "pickle"], "E022"),
    ("CONTENT_SECURITY_POLICY.DIRECTIVES.script-src", ["'unsafe-inline'"], "E023"),
    ("YAHOO_BASE_URL", "http://yahoo.example.com", "E024"),
    ("YAHOO_BASE_URL", "https://127.0.0.1:8443", "E024"),
    ("YAHOO_BASE_URL", "https://localhost", "E024"),
    ("YAHOO_STREAM_URL", "ws://stream.example.com", "E024"),
    ("FRED_BASE_URL", "http://fred.example.com", "E024"),
    ("FRED_BASE_URL", "https://10.0.0.8", "E024"),
    ("FRED_BASE_URL", "https://169.254.169.254", "E024"),
    ("FRED_BASE_URL", "https://[::1]/", "E024"),
    ("FRED_BASE_URL", "https://fred.internal", "E024"),
]
# in a process of its own, because settings are read once
TURN = """
import copy, json, sys
import django
django.setup()
from django.conf import settings
from etftrader import checks
names = [name for name in dir(settings) if name.isupper()]
answers = []
for path, value in json.load(sys.stdin):
    head, *rest = path.split(".")
    given = type("Given", (), {name: getattr(settings, name) for name in names})
    if rest:
        tree = copy.deepcopy(getattr(settings, head))
        place = tree
        for key in rest[:-1]:
            place = place[key]
        place[rest[-1]] = value
        value = tree
    setattr(given, head, value)
    answers.append([each.id for each in checks.broken(given)])
print(json.dumps([[each.id for each in checks.settings_gate()], answers]))
"""


def run(*command: str, told: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=kept | PRODUCTION | changes,
        input=told,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_production_settings_pass_the_deployment_check_without_a_warning(tmp_path: Path) -> None:
    answer = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", ETF_VAR=str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    assert "no issues" in answer.stdout


@pytest.fixture(scope="module")
def turned(tmp_path_factory: Any) -> Any:
    flips = json.dumps([[path, value] for path, value, _ in FLIPS])
    where = str(tmp_path_factory.mktemp("var"))
    answer = run("-c", TURN, told=flips, ETF_VAR=where)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.strip().splitlines()[-1])


def test_the_settings_as_they_are_break_no_rule(turned: Any) -> None:
    assert turned[0] == []


@pytest.mark.parametrize("number", range(len(FLIPS)), ids=lambda n: f"{FLIPS[n][2]}-{FLIPS[n][0]}")
def test_each_setting_turned_gives_its_code(turned: Any, number: int) -> None:
    assert f"etftrader.{FLIPS[number][2]}" in turned[1][number]


def test_a_web_process_does_not_start_with_a_broken_rule(tmp_path: Path) -> None:
    start = "import etftrader.wsgi"
    assert run("-c", start, ETF_VAR=str(tmp_path)).returncode == 0
    answer = run("-c", start, ALLOWED_HOSTS="*", ETF_VAR=str(tmp_path))
    assert answer.returncode != 0
    assert "etftrader.E005" in answer.stderr


# what the web process is refused for, all at once
UNSAFE = {
    "DEBUG": "1",
    "SECRET_KEY": "short",
    **dict.fromkeys(("BROKER_URL", "CACHE_URL", "CHANNELS_URL"), "redis://127.0.0.1:1/0"),
}


@pytest.mark.parametrize(
    "start",
    [
        ("-m", "celery", "-A", "etftrader", "worker", "--pool", "solo"),
        ("-m", "celery", "-A", "etftrader", "beat"),
        ("manage.py", "run_live"),
    ],
    ids=["worker", "beat", "live"],
)
def test_the_other_processes_do_not_start_with_a_broken_rule_either(
    tmp_path: Path, start: tuple[str, ...]
) -> None:
    answer = run(*start, ETF_VAR=str(tmp_path), **UNSAFE)
    assert answer.returncode not in (0, None)
    for code in ("E016", "E019"):
        assert f"etftrader.{code}" in answer.stderr, answer.stderr[-2000:]


def test_outbound_addresses_that_are_public_and_encrypted_pass(tmp_path: Path) -> None:
    """The rule refuses some addresses, not every address."""
    good = [["FRED_BASE_URL", "https://fred.example.com"], ["YAHOO_BASE_URL", "https://8.8.8.8"]]
    answer = run("-c", TURN, told=json.dumps(good), ETF_VAR=str(tmp_path))
    assert json.loads(answer.stdout.strip().splitlines()[-1])[1] == [[], []]
