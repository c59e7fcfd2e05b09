"""The two commands, run and test, and their helpers: reset, check, lock. Standard library only.

Run as a script from anywhere: python3 etftrader/deploy/dev.py run|test|reset|check|lock
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  this file is what an old Python meets
    sys.stderr.write(
        "ETFTrader needs Python 3.11 or newer; this is %d.%d.\n" % sys.version_info[:2]  # noqa: UP031
    )
    raise SystemExit(1)

import argparse
import os
import shutil
import subprocess

import checks
import folder
import runner
import venvs
from venvs import ROOT, say

LOCK = (
    "uv pip compile --universal --fork-strategy fewest --python-version 3.11 "
    "--generate-hashes --no-header --quiet --override etftrader/deploy/overrides.txt"
).split()
LISTS = {
    "etftrader/deploy/requirements.in": "requirements.txt",
    "etftrader/deploy/requirements-dev.in": "etftrader/deploy/requirements-dev.txt",
}


def main(words: list[str]) -> int:
    """Do what the first word says; give the exit code."""
    parser = argparse.ArgumentParser(prog="dev.py", description="Run, test and reset ETFTrader.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="start everything and print the address")
    run.add_argument("--port", type=int, default=8000, help="of the pages (default 8000)")
    commands.add_parser("test", help="run the tests; further words go to pytest")
    commands.add_parser("reset", help="remove the data folder (ETF_VAR, default ./var)")
    commands.add_parser("check", help="lint, import contracts, types, migrations, lock")
    commands.add_parser("lock", help="resolve the requirement lists anew (needs uv)")
    if words[:1] == ["test"]:
        return test(words[1:])
    options = parser.parse_args(words)
    # relative to where the command was typed, so it is fixed before we go to the project
    os.environ["ETF_VAR"] = str(folder.path())
    os.chdir(ROOT)
    if options.command == "run":
        venvs.ensure("run")
        venvs.enter([__file__, *words])
        return runner.Start(folder.DataFolder(folder.path()), options.port).run()
    if options.command == "check":
        venvs.ensure("run", "test")
        venvs.enter([__file__, *words])
        return checks.run_all()
    return {"reset": reset, "lock": lock}[options.command]()


def test(words: list[str]) -> int:
    """Install what tests need and become pytest."""
    venvs.ensure("run", "test")
    os.chdir(ROOT)
    python = str(venvs.PYTHON)
    os.execv(python, [python, "-m", "pytest", *_spread(words), *words])


def _spread(words: list[str]) -> list[str]:
    """Use both cores for the whole suite; one file or one browser is not worth a second process."""
    if words or (os.cpu_count() or 1) < 2:
        return []
    return ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]


def reset() -> int:
    """Remove the data folder, unless a start is using it."""
    where = folder.path()
    if not where.exists():
        say(f"There is no data folder at {where}.")
        return 0
    data = folder.DataFolder(where)
    data.hold()
    data.remove()
    say(f"Removed {where}; the next start seeds the demo anew.")
    return 0


def lock() -> int:
    """Write both hash-locked lists anew."""
    if shutil.which("uv") is None:
        say("make lock needs uv (https://docs.astral.sh/uv); only who changes the lists needs it.")
        return 1
    for source, target in LISTS.items():
        done = subprocess.run([*LOCK, source, "-o", target], cwd=ROOT, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
    except (venvs.Unready, folder.Busy) as problem:
        say(str(problem))
        code = 1
    except KeyboardInterrupt:
        say("Stopped.")
        code = 130
    raise SystemExit(code)
