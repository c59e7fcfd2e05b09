"""The data folder (ETF_VAR, default ./var): its lock, its secrets, its stamps and run.json."""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = "environment.json"  # what commands beside a start read, see settings/env.py


class Busy(Exception):
    """Another start holds the data folder."""


def path() -> Path:
    """Name the data folder as an absolute path."""
    return Path(os.environ.get("ETF_VAR") or ROOT / "var").expanduser().resolve()


class DataFolder:
    """One data folder, held by one start at a time."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self._lock: int | None = None

    def hold(self) -> None:
        """
        Make the folder private and take its lock; the system lets go of it when the process ends.

        Raises
        ------
        Busy
            When another start holds it; the text says where that one answers.
        """
        self.where.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.where.chmod(0o700)
        self._lock = os.open(self.where / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Busy(self._who_holds_it()) from None
        # we hold the lock, so a run.json found here belongs to a start that was killed
        self.forget_run()

    def _who_holds_it(self) -> str:
        try:
            url = json.loads((self.where / "run.json").read_text())["url"]
        except (OSError, ValueError, KeyError):
            return f"ETFTrader is being started or stopped with the data folder {self.where}."
        return f"ETFTrader is already running at {url} with the data folder {self.where}."

    def secret(self, name: str, size: int = 32) -> str:
        """Read the named secret; made once, readable by its owner only."""
        file = self.where / name
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            descriptor = os.open(file, flags, 0o600)
        except FileExistsError:
            kept = file.read_text().strip()
            if kept:
                return kept
            # a start killed between making and writing left it empty
            file.unlink()
            return self.secret(name, size)
        made = secrets.token_hex(size)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(made + "\n")
        return made

    def write(self, name: str, text: str) -> None:
        """Write a private file in one move: readers see the old text or the new one."""
        fresh = self.where / f".{name}.new"
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(text)
        fresh.replace(self.where / name)

    def announce_run(self, document: dict[str, Any]) -> None:
        """Write run.json: what scripts need to use this start."""
        self.write("run.json", json.dumps(document, indent=1) + "\n")

    def forget_run(self) -> None:
        """Remove run.json."""
        (self.where / "run.json").unlink(missing_ok=True)

    def is_done(self, step: str, inputs: str) -> bool:
        """Say whether the step was last done with the same inputs."""
        try:
            return (self.where / f"done-{step}").read_text() == inputs
        except OSError:
            return False

    def mark_done(self, step: str, inputs: str) -> None:
        """Remember the inputs a step was done with."""
        self.write(f"done-{step}", inputs)

    def remove(self) -> None:
        """Delete the folder; it must be held, and it must look like a data folder."""
        known = {"lock", "secret_key"}
        if not known <= {entry.name for entry in self.where.iterdir()}:
            if any(entry.name != "lock" for entry in self.where.iterdir()):
                raise Busy(f"{self.where} does not look like a data folder; nothing was removed.")
        shutil.rmtree(self.where)


def digest(*patterns: str) -> str:
    """Hash the names and contents of the product's files that match the patterns."""
    total = hashlib.sha256()
    for file in sorted({file for pattern in patterns for file in ROOT.glob(pattern)}):
        if file.is_file() and not file.name.endswith(".pyc"):
            total.update(str(file.relative_to(ROOT)).encode() + b"\0")
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()
