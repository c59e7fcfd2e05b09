"""Fetches what is missing of the price history, for all kept symbols or for some."""

from argparse import ArgumentParser
from datetime import date

from django.core.management.base import BaseCommand, CommandError

from etftrader.core.actor import system
from etftrader.core.errors import DomainError
from marketdata.selectors import instruments, sessions
from marketdata.services import price_sync, universes
from marketdata.services.bar_sync import FAILED

BY = system("backfill_prices")


class Command(BaseCommand):
    """`manage.py backfill_prices [SYMBOL …] [--from DAY] [--until DAY]`."""

    help = (
        "Fetch the sessions that are missing, from the first stored one or --from on. A symbol "
        "nobody knows yet is looked up at the sources. Exit code 1 when something failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbols", nargs="*", metavar="SYMBOL", help="only these")
        parser.add_argument("--from", dest="start", type=date.fromisoformat, help="YYYY-MM-DD")
        parser.add_argument("--until", type=date.fromisoformat, help="not after the market clock")

    def handle(
        self,
        *,
        symbols: list[str],
        start: date | None,
        until: date | None,
        **options: object,
    ) -> None:
        latest = sessions.latest()
        end = until or latest
        if end > latest:
            raise CommandError(f"{end} is not known yet: the market clock stands at {latest}.")
        if start and start > end:
            raise CommandError(f"--from {start} lies after {end}.")
        try:
            failed = self._look_up(symbols, end)
            known = [each for each in symbols if each.strip().upper() not in failed]
            synced = price_sync.sync(
                session_date=end, symbols=known if symbols else None, start=start
            )
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        for each in synced.outcomes:
            self.stdout.write(f"{each.item}: {each.status}{f', {each.reason}' * bool(each.reason)}")
        written = sum(record.written for record in synced.records.values())
        bad = len(failed) + sum(each.status == FAILED for each in synced.outcomes)
        self.stdout.write(f"{written} rows written, {bad} failed")
        if bad:
            raise SystemExit(1)

    def _look_up(self, symbols: list[str], session_date: date) -> set[str]:
        """Create what is not known yet; the answer holds what no source knows."""
        failed = set()
        known = instruments.by_symbols(symbols)
        for symbol in symbols:
            if symbol.strip().upper() in known:
                continue
            found = universes.add(symbol=symbol, session_date=session_date, by=BY)
            if found.status == "unresolved":
                failed.add(found.symbol)
                near = f" Did you mean {', '.join(found.suggestions)}?" if found.suggestions else ""
                self.stdout.write(f"{found.symbol}: unresolved, {found.reason}.{near}")
        return failed
