"""The environment, read once: what each part of the settings asks."""

import os
from pathlib import Path

import environ

env = environ.Env()
ROOT = Path(__file__).resolve().parents[2]
EMBEDDED = env.bool("ETF_EMBEDDED", False)  # only the launcher sets it: loopback, plain HTTP
TESTING = env.bool("ETF_TESTING", False)
PROCESS = env.str("ETF_PROCESS", "web")  # web, worker, beat, live: how long a lock may wait
DEBUG = env.bool("DEBUG", False)
VAR = Path(env.str("ETF_VAR", "") or ROOT / "var").resolve()
VAR.mkdir(mode=0o700, parents=True, exist_ok=True)

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # scale by processes, not threads
