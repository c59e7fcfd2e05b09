"""Brings a file of prices or yields in and says what of it could not be used, line by line."""

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from etftrader.core.errors import DomainError
from marketdata.selectors import sessions
from marketdata.services import price_import, universes

MOST_SHOWN = 100


class Command(BaseCommand):
    """`manage.py import_prices FILE [--kind bars|yields] [--symbol SYMBOL]`."""

    help = (
        "Import a long CSV file, plain or gzip: date, symbol, close and what else there is, or "
        "date and one column a FRED series. Lines after the market clock are left out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--kind", choices=price_import.KINDS, default="", help="else by header")
        parser.add_argument("--symbol", default="", help="of a file without that column")

    def handle(self, *, file: Path, kind: str, symbol: str, **options: object) -> None:
        until = sessions.latest()
        try:
            told = price_import.import_alone(
                path=file, until=until, kind=kind, symbol=symbol.strip().upper()
            )
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        for each in told.verdicts[:MOST_SHOWN]:
            self.stdout.write(
                f"line {each.line}, {each.column}: {each.code}: {each.why}. {each.remedy}."
            )
        if told.bad_lines > MOST_SHOWN:
            self.stdout.write(f"… and {told.bad_lines - MOST_SHOWN} more lines")
        if told.reason:
            raise CommandError(f"{told.name} was not imported: {told.reason}")
        if told.created:
            self.stdout.write(f"new symbols: {', '.join(told.created)}")
        for each in universes.assumed(told.created):
            self.stdout.write(f"{each}: {universes.ASSUMED}")
        self.stdout.write(
            f"{told.name}: {told.rows} lines of {told.kind} up to {until}, {told.written} rows "
            f"written, {told.held} held back, {told.refused} refused, "
            f"{told.bad_lines} lines not usable"
        )
