"""Make a fresh personal token for the first administrator and print how to sign in."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from etftrader.services import beginning


class Command(BaseCommand):
    """For the launcher's run.json; the password comes from DEMO_PASSWORD and may be changed."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """The output's form, and the token's name: a running product keeps one of its own."""
        parser.add_argument("--format", choices=("text", "json"), default="text")
        parser.add_argument("--name", default="first_login")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the document; the former token of the same name ends."""
        document = beginning.login(name=options["name"])
        if options["format"] == "json":
            self.stdout.write(json.dumps(document))
            return
        for each in document["users"]:
            self.stdout.write(f"{each['username']}  {each['password'] or '(your own password)'}")
