"""A data folder that cannot be used is one sentence, not a traceback."""

import os
import subprocess
import sys

import pytest

from etftrader.testing.services import ROOT

START = """
import pathlib, sys, folder, runner
raise SystemExit(runner.Start(folder.DataFolder(pathlib.Path(sys.argv[1])), 18999).run())
"""
RUNNING = """
import pathlib, sys, folder, runner
start = runner.Start(folder.DataFolder(pathlib.Path(sys.argv[1])), 18999)
start.login = {"users": [], "token": ""}
start._announce()
print("goes on")
"""


def start(script, where):
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    return subprocess.run(
        [sys.executable, "-c", script, str(where)],
        env=environment | {"PYTHONPATH": str(ROOT / "etftrader" / "deploy")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("kind", ["the folder is a file", "a part of it cannot be made"])
def test_a_folder_that_cannot_be_used_is_named_with_the_way_out(tmp_path, kind):
    where = tmp_path / "var"
    if kind == "the folder is a file":
        where.touch()
    else:
        where.mkdir()
        (where / "valkey").touch()

    done = start(START, where)

    assert done.returncode == 1
    assert str(where) in done.stdout
    assert "another folder with ETF_VAR" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_run_json_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "run.json").mkdir()

    done = start(RUNNING, tmp_path)

    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "goes on")
    assert "must be writable" in done.stdout
