"""The programs of one running ETFTrader and their commands; launcher and compose share them."""

from collections.abc import Mapping

SERVER_FLAGS = (
    "--ws-max-size 65536 --ws-max-queue 32 --ws-ping-interval 20 --ws-ping-timeout 20 "
    "--ws-per-message-deflate false --limit-concurrency 500 --timeout-graceful-shutdown 30 "
    "--no-proxy-headers --no-server-header --no-access-log"
).split()

# in this order they stop: nobody asks for work any more before the one that does it goes
STOP_ORDER = ("beat", "worker", "quotes", "live", "web", "valkey")

# seconds a program gets to end by itself before it is killed
GRACE = {"beat": 5.0, "worker": 15.0, "quotes": 5.0, "live": 5.0, "web": 10.0, "valkey": 5.0}

BUNDLED, CSV = "bundled", "csv"
TELL_QUOTES = ("yfinance",)  # sources whose prices come in while the exchange is open


def is_demo(environment: Mapping[str, str]) -> bool:
    """Say whether the bundled history is played: the demo's books are made of it."""
    return _sources(environment)[0] == BUNDLED


def has_quotes(environment: Mapping[str, str]) -> bool:
    """Say whether live quotes come in: from a source that has them, and not while history plays."""
    names = _sources(environment)
    plays = names[0] == BUNDLED or (names[0] == CSV and bool(environment.get("REPLAY_START")))
    asked = _named(environment, "MARKETDATA_PROVIDER_QUOTES") or names
    return not plays and any(name in TELL_QUOTES for name in asked)


def _sources(environment: Mapping[str, str]) -> list[str]:
    return _named(environment, "MARKETDATA_PROVIDER") or [BUNDLED]


def _named(environment: Mapping[str, str], setting: str) -> list[str]:
    words = environment.get(setting, "").split(",")
    return [word.strip() for word in words if word.strip()]


def commands(host: str, port: int, *, quotes: bool = False) -> dict[str, list[str]]:
    """
    Give the arguments after the Python interpreter, by program.

    Parameters
    ----------
    host, port
        The address the web program listens on.
    quotes
        Whether live quotes come in: then a program listens to them.
    """
    celery = ["-m", "celery", "-A", "etftrader"]
    serve = ["-m", "uvicorn", "etftrader.asgi:application", "--host", host, "--port", str(port)]
    worker = ["worker", "-P", "prefork", "-c", "2", "-Q", "critical,batch,reports"]
    # an empty pidfile: a file left by a killed Beat would refuse the next start
    beat = ["beat", "-S", "etftrader.scheduler:LeaderScheduler", "--max-interval", "2"]
    listening = {"quotes": ["manage.py", "consume_quotes"]} if quotes else {}
    return {
        "web": [*serve, *SERVER_FLAGS],
        "worker": [*celery, *worker, "--without-gossip", "--without-mingle", "-l", "INFO"],
        "beat": [*celery, *beat, "--pidfile=", "-l", "INFO"],
        "live": ["manage.py", "run_live"],
        **listening,
    }
