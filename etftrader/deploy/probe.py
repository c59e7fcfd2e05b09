"""Health checks of the containers: `probe.py web` asks the pages, `probe.py broker` the broker."""

import http.client
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import stores


def web_is_ready() -> bool:
    """Ask the pages of this container as the proxy in front of them would."""
    host = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")[0]
    line = http.client.HTTPConnection("127.0.0.1", 8000, timeout=4)
    try:
        line.request("GET", "/health/ready", headers={"Host": host, "X-Forwarded-Proto": "https"})
        return line.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


if __name__ == "__main__":
    well = web_is_ready() if sys.argv[1:] == ["web"] else stores.answers(os.environ["BROKER_URL"])
    raise SystemExit(0 if well else 1)
