"""Play sessions minute by minute while somebody watches, or follow the live market."""

import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand

from etftrader import checks, tick
from marketdata.selectors import sessions


class Command(BaseCommand):
    """The live stream: one process, ended by SIGTERM or Ctrl-C."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop."""
        checks.refuse_unsafe_start()
        stop = Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        live = sessions.is_live()
        self.stdout.write(
            "live stream follows the market" if live else "live stream waits for somebody to watch"
        )
        tick.run(stop=stop)
