"""The virtual environment beside the Makefile: made once, filled from the hash-locked lists."""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
DEPLOY = ROOT / "etftrader" / "deploy"
LISTS = {"run": ROOT / "requirements.txt", "test": DEPLOY / "requirements-dev.txt"}
# the lists name every package, so nothing is resolved anew
INSTALL = ["install", "--require-hashes", "--no-deps", "--only-binary=:all:", "--no-binary=mibian"]


class Unready(Exception):
    """The environment cannot be made; the text says what to do."""


def say(text: str) -> None:
    """Write one line; a closed terminal must not stop the work."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError:
        pass


def ensure(*names: str) -> None:
    """
    Make `.venv` and install the named lists into it, unless its stamps say that it is done.

    Parameters
    ----------
    names
        Keys of `LISTS`, in the order of installation.
    """
    if all(_stamped(name) for name in names):
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise Unready(
            "This Python cannot make virtual environments: install its venv module first "
            "(Debian and Ubuntu: apt install python3-venv)."
        )
    with _alone():
        _make()
        for name in names:
            if not _stamped(name):
                _install(name)


def enter(arguments: list[str]) -> None:
    """Go on inside the environment: the same script again, under its Python."""
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    os.environ.pop("PYTHONHOME", None)
    os.execv(str(PYTHON), [str(PYTHON), *arguments])


@contextmanager
def _alone() -> Iterator[None]:
    # the lock lies on this file itself: `.venv` may be thrown away while it is held
    with Path(__file__).open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Waiting for another start that is making .venv ...")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _mark() -> str:
    return f"python {sys.version_info.major}.{sys.version_info.minor}\n"


def _digest(name: str) -> str:
    return _mark() + hashlib.sha256(LISTS[name].read_bytes()).hexdigest() + "\n"


def _stamp(name: str) -> Path:
    return VENV / f".installed-{name}"


def _stamped(name: str) -> bool:
    try:
        return PYTHON.exists() and _stamp(name).read_text() == _digest(name)
    except OSError:
        return False


def _make() -> None:
    probe = "import sys, pip; sys.stdout.write('python %d.%d\\n' % sys.version_info[:2])"
    if PYTHON.exists():
        found = subprocess.run([PYTHON, "-c", probe], capture_output=True, text=True, check=False)
        if found.stdout == _mark():
            return
    say("Making .venv ...")
    # half made by a killed start, or made by another Python: neither can be mended
    if VENV.exists():
        shutil.rmtree(VENV)
    try:
        venv.create(VENV, with_pip=True, symlinks=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unready(f"Could not make {VENV}: {error}") from error


def _install(name: str) -> None:
    listed = LISTS[name]
    pins = [line for line in listed.read_text().splitlines() if "==" in line and line[0] > " "]
    total = len([pin for pin in pins if not pin.startswith("#")])
    say(f"Installing {total} packages from {listed.relative_to(ROOT)} (only the first time) ...")
    command = [str(PYTHON), "-m", "pip", *INSTALL, "--progress-bar", "off", "-r", str(listed)]
    begun = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    ) as pip:
        lines = _follow(pip, total, begun)
    if pip.returncode:
        raise Unready("pip could not install the packages:\n" + "".join(lines[-20:]))
    _stamp(name).write_text(_digest(name))
    say(f"Installed in {time.monotonic() - begun:.0f} s.")


def _follow(pip: "subprocess.Popen[str]", total: int, begun: float) -> list[str]:
    lines: list[str] = []
    seen, told = 0, begun
    assert pip.stdout is not None
    for line in pip.stdout:
        lines.append(line)
        seen += line.startswith(("Collecting", "Requirement already satisfied"))
        now = time.monotonic()
        if line.startswith("Installing collected"):
            say(f"  unpacking {total} packages, {now - begun:.0f} s")
        elif now - told >= 5 and seen < total:
            say(f"  collected {seen} of {total} packages, {now - begun:.0f} s")
            told = now
    return lines
