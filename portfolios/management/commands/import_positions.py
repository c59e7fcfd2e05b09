"""manage.py import_positions FILE --portfolio ID: check a file and, with --commit, book it."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError
from marketdata.selectors import sessions
from portfolios.calculations.csv_layout import SHAPES
from portfolios.choices import Role, RowVerdict
from portfolios.models import ImportBatch, Membership
from portfolios.services import csv_import, import_booking


class Command(BaseCommand):
    """Does what the import page does, as the portfolio's owner."""

    help = "Check a CSV file of positions, trades or cash; with --commit book all of it or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """File, portfolio, and what to do."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--portfolio", required=True, type=UUID)
        parser.add_argument("--kind", default="positions", choices=tuple(SHAPES))
        parser.add_argument("--commit", action="store_true")
        parser.add_argument("--partial", action="store_true", help="leave bad rows out")
        parser.add_argument("--encoding", default="utf-8", choices=("utf-8", "cp1252"))
        parser.add_argument("--format", choices=("text", "json"), default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, commit when asked, tell."""
        owner = (
            Membership.objects.filter(
                portfolio_id=options["portfolio"], role=Role.OWNER, revoked_at__isnull=True
            )
            .select_related("user")
            .first()
        )
        if owner is None:
            raise CommandError("There is no such portfolio.")
        moment = sessions.moment()
        try:
            file = csv_import.read(
                data=options["file"].read_bytes(),
                user=owner.user,
                kind=options["kind"],
                encoding=options["encoding"],
            )
            batch = csv_import.check(
                portfolio_id=options["portfolio"],
                user=owner.user,
                file_name=options["file"].name,
                file=file,
                session_date=moment.session_date,
                running=csv_import.running(moment),
            )
            if options["commit"]:
                batch = import_booking.commit(
                    batch_id=batch.pk,
                    partial=options["partial"],
                    by=Actor.of_user(owner.user),
                    session_date=moment.session_date,
                )
        except (DomainError, OSError) as error:
            raise CommandError(str(error)) from error
        self._tell(batch, options["format"])

    def _tell(self, batch: ImportBatch, style: str) -> None:
        bad = list(batch.rows.filter(verdict=RowVerdict.ERROR).order_by("ordinal"))
        if style == "json":
            document = {
                "import": str(batch.pk),
                "status": batch.status,
                "counts": batch.counts,
                "result": batch.result,
                "errors": [{"row": row.ordinal, "messages": row.messages} for row in bad],
            }
            self.stdout.write(json.dumps(document, indent=2))
            return
        counts = ", ".join(f"{count} {name}" for name, count in batch.counts.items())
        self.stdout.write(f"{batch.file_name}: {counts}; {batch.status}")
        for row in bad[:50]:
            for message in row.messages:
                self.stdout.write(
                    f"  line {row.ordinal}, {message['field']}: {message['detail']} "
                    f"{message['hint']}".rstrip()
                )
