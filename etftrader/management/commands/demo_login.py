"""Make a fresh personal token for the first demo user and print how to sign in."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from etftrader.demo import books
from portfolios.models import User
from portfolios.services import tokens


class Command(BaseCommand):
    """For the launcher's run.json; the passwords come from DEMO_PASSWORD."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """The output's form, and the token's name: a running product keeps one of its own."""
        parser.add_argument("--format", choices=("text", "json"), default="text")
        parser.add_argument("--name", default="demo_login")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the document; the former token of the same name ends."""
        if not settings.DEMO_PASSWORD:
            raise CommandError("Set DEMO_PASSWORD.", returncode=2)
        users = list(User.objects.filter(is_demo=True, email__in=books.EMAILS))
        if not users:
            raise CommandError("There are no demo users. Run seed_demo first.", returncode=1)
        users.sort(key=lambda each: books.EMAILS.index(each.email))
        token = tokens.replace_personal(
            user=users[0], name=options["name"], scopes=["read", "trade"]
        )
        document = {
            "users": [
                {"username": each.email, "password": settings.DEMO_PASSWORD} for each in users
            ],
            "token": token,
        }
        if options["format"] == "json":
            self.stdout.write(json.dumps(document))
            return
        for each in document["users"]:
            self.stdout.write(f"{each['username']}  {each['password']}")
