"""Run THE DAY's steps for one session or a range of sessions."""

import json
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from etftrader import day
from etftrader.core.actor import system
from etftrader.core.errors import DomainError
from marketdata.selectors import calendar


class Command(BaseCommand):
    """The same steps, in the same order, as after every close."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """Session, optional end of a range, steps, format."""
        parser.add_argument("session_date", type=date.fromisoformat)
        parser.add_argument("until", type=date.fromisoformat, nargs="?")
        parser.add_argument("--steps", nargs="*", default=[])
        parser.add_argument("--again", action="store_true", help="run steps that succeeded too")
        parser.add_argument("--format", choices=("text", "json"), default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run and tell; exit 3 when something was left out, 1 when a step failed."""
        start, until = options["session_date"], options["until"] or options["session_date"]
        whole = calendar.between(start, until)
        if not whole:
            raise CommandError(f"There is no session from {start} to {until}.", returncode=2)
        lines = []
        for session_date in whole:
            try:
                runs = day.run(
                    session_date=session_date,
                    by=system("run_day"),
                    steps=options["steps"],
                    again=options["again"],
                )
            except DomainError as refusal:
                raise CommandError(refusal.detail, returncode=2) from refusal
            lines += [
                {
                    "session": session_date.isoformat(),
                    "step": each.step,
                    "status": each.status,
                    "detail": (each.error or {}).get("detail", ""),
                }
                for each in runs
            ]
        self._tell(lines, options["format"])

    def _tell(self, lines: list[dict[str, str]], how: str) -> None:
        if how == "json":
            self.stdout.write(json.dumps(lines, indent=1))
        else:
            for line in lines:
                words = f"{line['session']} {line['step']:<10} {line['status']} {line['detail']}"
                self.stdout.write(words.rstrip())
        states = {line["status"] for line in lines}
        if states & {"failed", "dead"}:
            raise CommandError("A step failed.", returncode=1)
        if "partial" in states:
            raise CommandError("A step was done in part.", returncode=3)
