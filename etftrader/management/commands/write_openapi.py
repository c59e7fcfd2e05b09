"""Write the API's description to etftrader/docs/openapi.json, reviewed like code."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from drf_spectacular.generators import SchemaGenerator

FILE = Path(settings.BASE_DIR) / "etftrader" / "docs" / "openapi.json"


def text() -> str:
    """The description as it is now, one line per fact."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    return json.dumps(document, indent=1, sort_keys=True, default=str) + "\n"


class Command(BaseCommand):
    """Run it after every change of an endpoint."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """Write, or only compare."""
        parser.add_argument("--check", action="store_true", help="only compare")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file; with --check a difference ends with code 1."""
        current = text()
        if not options["check"]:
            FILE.write_text(current)
        elif not FILE.exists() or FILE.read_text() != current:
            raise CommandError("openapi.json is out of date. Run manage.py write_openapi.")
