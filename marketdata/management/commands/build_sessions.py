"""Writes the file of the exchange's closures, to be reviewed and shipped."""

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand

from marketdata.providers import nyse
from marketdata.providers.reference import DATA


class Command(BaseCommand):
    """`manage.py build_sessions [--target FILE]`."""

    help = "Write NYSE closed weekdays and early closes, 2004 to 2035, from exchange-calendars."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = DATA / "nyse_closures.csv"
        parser.add_argument("--target", type=Path, default=default, help="the file to write")

    def handle(self, *, target: Path, **options: object) -> None:
        rows = nyse.closures()
        nyse.write(rows, target)
        early = sum(kind == "early" for _, kind, _ in rows)
        self.stdout.write(f"{target}: {len(rows) - early} closed weekdays, {early} early closes")
