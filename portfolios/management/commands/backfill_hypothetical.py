"""manage.py backfill_hypothetical PORTFOLIO --from DATE: a past that is drawn dashed."""

from argparse import ArgumentParser
from datetime import date
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from etftrader.core.actor import system
from etftrader.core.errors import DomainError
from portfolios.models import Portfolio
from portfolios.services import hypothetical


class Command(BaseCommand):
    """Carries a book's opening holdings back; nothing of it counts in any figure."""

    help = "Value a portfolio's opening holdings at earlier closes, as hypothetical snapshots."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which portfolio, from when."""
        parser.add_argument("portfolio", type=UUID, help="id of the portfolio")
        parser.add_argument("--from", dest="start", type=date.fromisoformat, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Write them and tell how many."""
        portfolio = Portfolio.objects.filter(pk=options["portfolio"]).first()
        if portfolio is None:
            raise CommandError("There is no such portfolio.")
        try:
            made = hypothetical.backfill(
                portfolio_id=portfolio.pk, start=options["start"], by=system("command")
            )
        except DomainError as error:
            raise CommandError(error.detail) from error
        since = f" from {made.first}" if made.first else ""
        self.stdout.write(f"{portfolio.name}: {made.sessions} hypothetical snapshots{since}.")
        for symbol in made.held_still:
            self.stdout.write(f"{symbol} has no closes: it stands at its opening value.")
