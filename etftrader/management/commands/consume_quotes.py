"""Take in quotes as a live source tells them."""

import signal
from datetime import timedelta
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from etftrader.core import clock
from etftrader.leader import Leadership
from marketdata.providers import sources
from marketdata.services.quote_feed import Feed

STANDBY_S = 2.0


class Command(BaseCommand):
    """The feed of quotes: of several processes one listens; ended by SIGTERM or Ctrl-C."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop."""
        if sources.is_replay() or not sources.serving(sources.QUOTES):
            raise CommandError(
                "No source of live quotes is configured: set MARKETDATA_PROVIDER=yfinance."
            )
        source = sources.quotes(until=clock.now().date() + timedelta(days=1))
        stop = Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        leadership = Leadership("quotes")
        try:
            while not leadership.hold():
                if stop.wait(STANDBY_S):
                    return
            self.stdout.write(f"listening to {source.name}")
            Feed(source).run(stop=stop)
        finally:
            leadership.release()
