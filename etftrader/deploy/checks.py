"""`check`: lint, import contracts, types, Django's own checks, migrations, lock freshness."""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from venvs import DEPLOY, ROOT, VENV, say

# a production start as the settings gate wants it: nothing here opens a connection
PRODUCTION = {
    "ETF_EMBEDDED": "",
    "DATABASE_URL": "postgres://etftrader:unused@127.0.0.1:5432/etftrader",
    "REDIS_URL": "redis://etftrader:unused@127.0.0.1:6379/0",
    "BROKER_URL": "redis://etftrader:unused@127.0.0.1:6379/0",
    "CACHE_URL": "redis://etftrader:unused@127.0.0.1:6379/1",
    "CHANNELS_URL": "redis://etftrader:unused@127.0.0.1:6379/2",
    "SECRET_KEY": "check-" + "k3y9Qw7ZpL2mXv8RtB4nHs6J" * 3,
    "JWT_SIGNING_KEYS": "k1:" + "v5Tg2Yh8NcB1xKd7WqR4mPz9" * 3,
    "ALLOWED_HOSTS": "etftrader.example.com",
    "SOCKET_ORIGINS": "https://etftrader.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://etftrader.example.com",
    "NUM_PROXIES": "1",
    "DEMO_PASSWORD": "",
}
EMBEDDED = {"ETF_EMBEDDED": "1"}
LISTS = {
    DEPLOY / "requirements.in": ROOT / "requirements.txt",
    DEPLOY / "requirements-dev.in": DEPLOY / "requirements-dev.txt",
}


def steps() -> list[tuple[str, list[str], dict[str, str]]]:
    """List the checks that are commands: name, command, what its environment adds."""
    tool = VENV / "bin"
    manage = [str(tool / "python"), "manage.py"]
    deploy = [*manage, "check", "--deploy", "--fail-level", "WARNING"]
    return [
        ("ruff", [str(tool / "ruff"), "check", "."], {}),
        ("imports", [str(tool / "lint-imports"), "--config", ".importlinter.toml"], {}),
        ("mypy", [str(tool / "mypy")], EMBEDDED),
        ("django check", [*manage, "check"], EMBEDDED),
        ("deploy check", deploy, PRODUCTION),
        ("migrations", [*manage, "makemigrations", "--check", "--dry-run"], EMBEDDED),
    ]


def run_all() -> int:
    """Run every check, print one line for each; 1 when any fails."""
    failed = []
    with tempfile.TemporaryDirectory(prefix="etf-check-") as scratch:
        clean = {name: value for name, value in os.environ.items() if name not in PRODUCTION}
        for name, command, extra in steps():
            environment = clean | {"ETF_VAR": scratch, "PYTHONPATH": str(ROOT)} | extra
            begun = time.monotonic()
            done = subprocess.run(
                command,
                env=environment,
                cwd=ROOT,
                text=True,
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            took = time.monotonic() - begun
            say(f"{'ok  ' if done.returncode == 0 else 'FAIL'} {name} ({took:.0f} s)")
            if done.returncode:
                failed.append(name)
                say(done.stdout)
    for complaint in stale_locks():
        failed.append("lock")
        say(f"FAIL lock: {complaint}")
    say("All checks passed." if not failed else f"Failed: {', '.join(failed)}")
    return int(bool(failed))


def stale_locks() -> list[str]:
    """Name what the locks lack: a listed package, its version, a hash."""
    complaints = []
    for source, locked in LISTS.items():
        pins = pinned(locked)
        for wish in wishes(source):
            version = pins.get(wish.name.lower().replace("_", "-"))
            if version is None or not wish.specifier.contains(version, prereleases=True):
                complaints.append(f"{locked.name} has {wish.name} {version}, wanted {wish}")
    return complaints


def wishes(source: Path) -> list:  # type: ignore[type-arg]
    """Read the requirements of an `.in` file."""
    from packaging.requirements import Requirement

    lines = [re.sub(r"\s*#.*", "", line).strip() for line in source.read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def pinned(locked: Path) -> dict[str, str]:
    """Read name and version of every entry that carries a hash."""
    pins = {}
    for entry in re.split(r"\n(?=\S)", locked.read_text()):
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", entry)
        if match and "--hash=sha256:" in entry:
            pins[match[1].lower().replace("_", "-")] = match[2]
    return pins
