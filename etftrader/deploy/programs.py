"""The programs of one running ETFTrader and their commands; launcher and compose share them."""

SERVER_FLAGS = (
    "--ws-max-size 65536 --ws-max-queue 32 --ws-ping-interval 20 --ws-ping-timeout 20 "
    "--ws-per-message-deflate false --limit-concurrency 500 --timeout-graceful-shutdown 30 "
    "--no-proxy-headers --no-server-header --no-access-log"
).split()

# in this order they stop: nobody asks for work any more before the one that does it goes
STOP_ORDER = ("beat", "worker", "live", "web", "valkey")

# seconds a program gets to end by itself before it is killed
GRACE = {"beat": 5.0, "worker": 15.0, "live": 5.0, "web": 10.0, "valkey": 5.0}


def commands(host: str, port: int) -> dict[str, list[str]]:
    """
    Give the arguments after the Python interpreter, by program.

    Parameters
    ----------
    host, port
        The address the web program listens on.
    """
    celery = ["-m", "celery", "-A", "etftrader"]
    serve = ["-m", "uvicorn", "etftrader.asgi:application", "--host", host, "--port", str(port)]
    worker = ["worker", "-P", "prefork", "-c", "2", "-Q", "critical,batch,reports"]
    # an empty pidfile: a file left by a killed Beat would refuse the next start
    beat = ["beat", "-S", "etftrader.scheduler:LeaderScheduler", "--max-interval", "2"]
    return {
        "web": [*serve, *SERVER_FLAGS],
        "worker": [*celery, *worker, "--without-gossip", "--without-mingle", "-l", "INFO"],
        "beat": [*celery, *beat, "--pidfile=", "-l", "INFO"],
        "live": ["manage.py", "run_live"],
    }
