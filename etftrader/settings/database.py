"""Databases: PostgreSQL in production, SQLite (WAL, IMMEDIATE) in the embedded start."""

from typing import Any

from etftrader.settings.env import EMBEDDED, PROCESS, VAR, env

__all__ = ["DATABASES", "DATABASE_ROUTERS"]

_WEB = PROCESS == "web"


def _sqlite(path: str) -> dict[str, Any]:
    # FULL where a power cut matters; NORMAL survives a process kill and is kinder to a laptop disk
    synchronous = "NORMAL" if EMBEDDED else "FULL"
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "CONN_MAX_AGE": 60,
        "OPTIONS": {
            "timeout": 5 if _WEB else 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous};",
        },
        "TEST": {"NAME": str(VAR / "test.sqlite3")},
    }


def _postgresql(config: dict[str, Any]) -> dict[str, Any]:
    statement_s = 15 if _WEB else 300
    waits = (
        f"-c statement_timeout={statement_s}s -c lock_timeout=5s "
        "-c idle_in_transaction_session_timeout=30s"
    )
    config["OPTIONS"] = {**config.get("OPTIONS", {}), "options": waits}
    config["CONN_MAX_AGE"] = 60
    config["CONN_HEALTH_CHECKS"] = True
    return config


def _default() -> dict[str, Any]:
    if not env.str("DATABASE_URL", ""):
        return _sqlite(str(VAR / "etftrader.sqlite3"))
    config: dict[str, Any] = env.db_url("DATABASE_URL")
    if config["ENGINE"].endswith("sqlite3"):
        return _sqlite(config["NAME"])
    return _postgresql(config)


DATABASES = {"default": _default()}
DATABASE_ROUTERS: list[str] = []
