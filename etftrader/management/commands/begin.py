"""Prepare a product without books: clock, timetable, history to play, an administrator."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from etftrader.core.errors import DomainError
from etftrader.services import beginning


class Command(BaseCommand):
    """For a start without the demo. Twice is once."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare and say where the clock stands."""
        try:
            moment = beginning.begin(say=self.stdout.write)
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(f"the market clock stands at {moment.session_date}")
