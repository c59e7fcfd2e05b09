"""The environment, read once: what each part of the settings asks."""

import json
import os
from pathlib import Path

import environ

env = environ.Env()
ROOT = Path(__file__).resolve().parents[2]


def adopt(file: Path) -> None:
    """Take over what the launcher gave its programs: a command typed beside it is one of them.

    Only without a key of one's own, and only from a file that nobody else can write or read.
    """
    if os.environ.get("SECRET_KEY") or not file.is_file():
        return
    owner = file.stat()
    if owner.st_uid != os.getuid() or owner.st_mode & 0o077:
        return
    for name, value in json.loads(file.read_text()).items():
        os.environ.setdefault(name, value)


adopt(Path(env.str("ETF_VAR", "") or ROOT / "var") / "environment.json")
EMBEDDED = env.bool("ETF_EMBEDDED", False)  # only the launcher sets it: loopback, plain HTTP
TESTING = env.bool("ETF_TESTING", False)
PROCESS = env.str("ETF_PROCESS", "web")  # web, worker, beat, live: how long a lock may wait
DEBUG = env.bool("DEBUG", False)
VAR = Path(env.str("ETF_VAR", "") or ROOT / "var").resolve()
VAR.mkdir(mode=0o700, parents=True, exist_ok=True)

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # scale by processes, not threads
