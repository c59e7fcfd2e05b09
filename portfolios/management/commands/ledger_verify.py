"""manage.py ledger_verify: recompute the books from their ledger; 1 when something is wrong."""

import json
import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from etftrader.core import audit
from marketdata.selectors import sessions
from portfolios.models import Portfolio
from portfolios.services import verification


class Command(BaseCommand):
    """Checks one portfolio or all; unsound ones are halted."""

    help = "Recompute cash, positions and the hash chain of portfolios from their ledger."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which portfolio, and how to say it."""
        parser.add_argument("--portfolio", help="id of one portfolio; all when absent")
        parser.add_argument("--format", choices=("text", "json"), default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check and tell."""
        rows = Portfolio.objects.order_by("name", "pk")
        if options["portfolio"]:
            rows = rows.filter(pk=_identity(options["portfolio"]))
            if not rows:
                raise CommandError("There is no such portfolio.")
        names = dict(rows.values_list("pk", "name"))
        unsound = verification.check_books(
            portfolio_ids=list(names), session_date=sessions.latest()
        )
        site = audit.verify(chain=audit.SITE) if not options["portfolio"] else []
        if options["format"] == "json":
            self._json(names, unsound, site)
        else:
            self._text(names, unsound, site)
        if unsound or site:
            sys.exit(1)

    def _json(
        self, names: dict[UUID, str], unsound: dict[UUID, list[str]], site: list[str]
    ) -> None:
        document = {
            "checked": len(names),
            "unsound": len(unsound),
            "audit": site,
            "portfolios": [
                {"id": str(key), "name": name, "problems": unsound.get(key, [])}
                for key, name in names.items()
            ],
        }
        self.stdout.write(json.dumps(document, indent=2))

    def _text(
        self, names: dict[UUID, str], unsound: dict[UUID, list[str]], site: list[str]
    ) -> None:
        for key, problems in unsound.items():
            self.stdout.write(self.style.ERROR(f"{names[key]} ({key}): halted"))
            for problem in problems:
                self.stdout.write(f"  {problem}")
        for problem in site:
            self.stdout.write(self.style.ERROR(problem))
        sound = len(names) - len(unsound)
        self.stdout.write(f"{sound} of {len(names)} portfolios are sound")


def _identity(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise CommandError(f"{text} is not an id.") from error
