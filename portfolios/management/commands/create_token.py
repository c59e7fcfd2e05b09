"""Make a personal token for a user and print it once."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError
from portfolios.models import User
from portfolios.services import tokens


class Command(BaseCommand):
    """For operators and scripts on the machine itself."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, named how, for what and how long."""
        parser.add_argument("email")
        parser.add_argument("--name", default="command line")
        parser.add_argument(
            "--scope", action="append", choices=("read", "trade", "admin"), dest="scopes"
        )
        parser.add_argument("--days", type=int, default=90, help="0: until it is revoked")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the token; a problem ends with code 1."""
        user = User.objects.filter(email__iexact=options["email"], is_active=True).first()
        if user is None:
            raise CommandError("There is no active user with this address.", returncode=1)
        days = options["days"]
        try:
            _, text = tokens.create_personal(
                user=user,
                name=options["name"],
                scopes=options["scopes"] or ["read"],
                expires_at=clock.now() + timedelta(days=days) if days else None,
                by=Actor.of_user(user),
            )
        except DomainError as error:
            raise CommandError(error.detail, returncode=1) from error
        self.stdout.write(text)
