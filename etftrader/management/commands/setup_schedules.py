"""Write the timetable's defaults into the database."""

from typing import Any

from django.core.management.base import BaseCommand

from etftrader.services import acts


class Command(BaseCommand):
    """Never overwrites what an admin changed."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Write and count."""
        self.stdout.write(f"{acts.setup_schedules()} schedules added")
