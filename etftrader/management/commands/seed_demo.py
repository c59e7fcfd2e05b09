"""Build the demo: users, books and their past, offline, through the services."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from etftrader.core.errors import DomainError
from etftrader.demo import build


class Command(BaseCommand):
    """Twice is once; --reset starts the demo over from its first session."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """Only whether to start over."""
        parser.add_argument("--reset", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed and say what is being done."""
        try:
            if options["reset"]:
                build.reset(say=self.stdout.write)
            elif not build.build(say=self.stdout.write):
                self.stdout.write("demo is there")
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
