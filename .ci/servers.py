"""Holds a private PostgreSQL and Redis for the service leg until it is told to end.

Usage: python .ci/servers.py FILE   (FILE then holds shell variables with their addresses)
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from etftrader.testing import services

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    parent = os.getppid()  # when the leg ends, however it ends, so do the servers
    binary = shutil.which("redis-server")
    with services.start_postgresql() as database, services.start_redis(binary) as store:
        file = Path(sys.argv[1])
        fresh = file.with_suffix(".new")
        fresh.write_text(f"DATABASE_URL='{database.url}'\nREDIS_URL='{store.url}'\n")
        os.replace(fresh, file)
        while os.getppid() == parent:
            time.sleep(0.3)
