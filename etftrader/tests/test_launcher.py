"""The launcher: data folder, embedded store, environment, restarts, stop, orphans."""

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from etftrader.deploy import folder, programs, stores
from etftrader.testing.services import ROOT, RedisServer
from marketdata.providers import sources

DEPLOY = ROOT / "etftrader" / "deploy"


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def launcher(script: str, *words: str) -> "subprocess.Popen[str]":
    """Start a script that sees the launcher's modules the way dev.py does."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *words],
        env=dict(os.environ) | {"PYTHONPATH": str(DEPLOY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


SET_OF_TWO = """
    import sys, pathlib
    from supervisor import Failed, Program, Stopped, Supervisor, say
    import os, json
    where = pathlib.Path(sys.argv[1])
    def announce():
        pids = {name: program.pid for name, program in supervisor.programs.items()}
        (where / "pids.new").write_text(json.dumps(pids)); (where / "pids.new").replace(where / "pids")
    supervisor = Supervisor(changed=announce)
    supervisor.listen()
    commands = {"web": sys.argv[2], "worker": "import time; time.sleep(600)"}
    code = 0
    try:
        for name, text in commands.items():
            supervisor.start(Program(name, [sys.executable, "-c", text], dict(os.environ), where))
        while True:
            supervisor.pause(0.05)
            supervisor.watch()
    except Stopped:
        pass
    except Failed as error:
        say(str(error)); code = 1
    finally:
        supervisor.stop(("worker", "web"), {"web": 2.0})
    raise SystemExit(code)
"""
SLEEPS = "import time; time.sleep(600)"


@pytest.fixture
def pair(tmp_path):
    """Two sleeping programs under a supervisor."""
    process = launcher(SET_OF_TWO, str(tmp_path), SLEEPS)
    pids = tmp_path / "pids"
    wait_until(lambda: pids.exists() and len(json.loads(pids.read_text())) == 2)
    yield process, pids
    process.kill()
    process.communicate()


def test_secrets_are_made_once_and_only_the_owner_reads_them(tmp_path):
    data = folder.DataFolder(tmp_path / "a b")
    data.hold()

    first = data.secret("secret_key")

    assert data.secret("secret_key") == first
    assert data.secret("signing_key") != first
    assert len(first) == 64
    assert permissions(data.where) == 0o700
    assert {permissions(file) for file in data.where.iterdir()} == {0o600}


def test_an_empty_secret_left_by_a_killed_start_is_made_anew(tmp_path):
    data = folder.DataFolder(tmp_path)
    (tmp_path / "secret_key").touch()

    assert len(data.secret("secret_key")) == 64


def test_run_json_is_private_and_goes_with_the_run(tmp_path):
    data = folder.DataFolder(tmp_path)
    data.announce_run({"url": "http://127.0.0.1:1/"})

    assert permissions(tmp_path / "run.json") == 0o600
    assert json.loads((tmp_path / "run.json").read_text()) == {"url": "http://127.0.0.1:1/"}
    data.forget_run()
    assert list(tmp_path.iterdir()) == []


def test_a_second_start_learns_where_the_first_one_answers(tmp_path):
    first, second = folder.DataFolder(tmp_path), folder.DataFolder(tmp_path)
    first.hold()
    first.announce_run({"url": "http://127.0.0.1:8123/"})

    with pytest.raises(folder.Busy, match=r"already running at http://127\.0\.0\.1:8123/"):
        second.hold()
    assert (tmp_path / "run.json").exists()


def test_what_a_killed_start_left_behind_is_taken_over(tmp_path):
    script = """
        import pathlib, sys, time, folder
        data = folder.DataFolder(pathlib.Path(sys.argv[1])); data.hold()
        data.announce_run({"url": "http://127.0.0.1:8123/"}); time.sleep(600)
    """
    killed = launcher(script, str(tmp_path))
    wait_until((tmp_path / "run.json").exists)
    killed.kill()
    killed.communicate()

    folder.DataFolder(tmp_path).hold()

    assert not (tmp_path / "run.json").exists()


def test_reset_refuses_while_a_start_holds_the_folder_and_removes_it_after(tmp_path):
    where = tmp_path / "data"
    data = folder.DataFolder(where)
    data.hold()
    data.secret("secret_key")
    command = [sys.executable, str(DEPLOY / "dev.py"), "reset"]
    environment = dict(os.environ) | {"ETF_VAR": str(where)}

    refused = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert refused.returncode == 1
    assert where.exists()

    os.close(data._lock)
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0
    assert not where.exists()


def test_reset_leaves_a_folder_alone_that_is_not_a_data_folder(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    command = [sys.executable, str(DEPLOY / "dev.py"), "reset"]
    environment = dict(os.environ) | {"ETF_VAR": str(tmp_path)}

    refused = subprocess.run(command, env=environment, capture_output=True, check=False)

    assert refused.returncode == 1
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_the_digest_of_the_inputs_changes_with_a_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "ROOT", tmp_path)
    (tmp_path / "one.css").write_text("a")
    before = folder.digest("*.css")

    (tmp_path / "one.css").write_text("b")

    assert folder.digest("*.css") != before


def test_the_store_starts_in_a_folder_with_a_space_and_keeps_its_password_private(tmp_path):
    file = stores.write_configuration(tmp_path / "a b", stores.free_port(), "pa55")
    port = int(next(line.split()[1] for line in file.read_text().splitlines() if "port" in line))
    command = [stores.server_binary(), str(file)]

    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: stores.answers(stores.urls(port, "pa55")["BROKER_URL"]))
            seen = Path(f"/proc/{server.pid}/cmdline").read_bytes()
            assert not stores.answers(stores.urls(port, "guess")["BROKER_URL"])
        finally:
            server.terminate()
    assert b"pa55" not in seen
    assert permissions(file) == 0o600
    assert permissions(file.parent) == 0o700


def test_without_any_server_binary_one_sentence_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(stores.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(stores.NoServer, match="install redis-server or valkey-server, or set"):
        stores.server_binary()


def test_the_three_stores_are_three_databases(own_redis: RedisServer):
    stores.ask(own_redis.urls["BROKER_URL"], "SET", "job", "waiting")

    stores.ask(own_redis.urls["CACHE_URL"], "FLUSHDB")

    assert stores.ask(own_redis.urls["BROKER_URL"], "EXISTS", "job") == ":1"
    assert stores.ask(own_redis.urls["CHANNELS_URL"], "EXISTS", "job") == ":0"


def test_what_the_user_set_wins_and_the_rest_is_made(tmp_path):
    script = """
        import json, pathlib, sys, folder, runner
        data = folder.DataFolder(pathlib.Path(sys.argv[1])); data.hold()
        print(json.dumps(runner.environment(data)))
    """
    process = launcher(script, str(tmp_path))
    made = json.loads(process.communicate(timeout=20)[0])

    assert made["DEMO_PASSWORD"] == os.environ["DEMO_PASSWORD"]
    assert made["ETF_EMBEDDED"] == "1"
    assert made["ETF_VAR"] == str(tmp_path)
    assert made["OPENBLAS_NUM_THREADS"] == "1"


def test_a_program_that_dies_is_started_again_after_one_second(pair):
    _, file = pair
    before = json.loads(file.read_text())
    died_at = time.monotonic()

    os.kill(before["web"], signal.SIGKILL)
    wait_until(lambda: json.loads(file.read_text())["web"] != before["web"])

    assert 0.9 <= time.monotonic() - died_at <= 4
    assert json.loads(file.read_text())["worker"] == before["worker"]


def test_five_deaths_within_a_minute_end_the_set_with_the_last_lines(tmp_path):
    process = launcher(SET_OF_TWO, str(tmp_path), "print('the port is gone'); raise SystemExit(3)")
    begun = time.monotonic()

    text = process.communicate(timeout=60)[0]

    assert process.returncode == 1
    assert "web ended 5 times within 60 s (exit 3)" in text
    assert text.rstrip().endswith("the port is gone")
    # 1 + 2 + 4 + 4 s lie between five deaths
    assert time.monotonic() - begun >= 11


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_with_exit_zero(pair, number):
    process, file = pair
    pids = json.loads(file.read_text())

    process.send_signal(number)

    assert process.wait(timeout=10) == 0
    assert not any(is_running(pid) for pid in pids.values())


def test_a_second_signal_kills_what_does_not_end_by_itself(tmp_path):
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    process = launcher(SET_OF_TWO.replace("2.0", "60.0"), str(tmp_path), stubborn)
    wait_until(lambda: (tmp_path / "pids").exists())
    wait_until(lambda: len(json.loads((tmp_path / "pids").read_text())) == 2)
    pids = json.loads((tmp_path / "pids").read_text())
    time.sleep(0.5)

    process.send_signal(signal.SIGINT)
    wait_until(lambda: not is_running(pids["worker"]))
    time.sleep(0.3)
    assert is_running(pids["web"])
    process.send_signal(signal.SIGINT)

    process.communicate(timeout=5)
    assert process.returncode == 0
    assert not is_running(pids["web"])


@pytest.mark.skipif(sys.platform != "linux", reason="children follow a killed parent on Linux")
def test_no_program_outlives_a_killed_supervisor(pair):
    process, file = pair
    pids = json.loads(file.read_text())

    process.kill()

    wait_until(lambda: not any(is_running(pid) for pid in pids.values()), seconds=4)


def test_two_starts_never_choose_the_same_port():
    script = """
        import pathlib, sys, runner, folder
        start = runner.Start(folder.DataFolder(pathlib.Path("/")), 0)
        print(start._free_web_port(int(sys.argv[1])), flush=True)
        sys.stdin.readline()
    """
    port = str(stores.free_port())
    first, second = launcher(script, port), launcher(script, port)
    try:
        lines = [first.stdout.readline(), second.stdout.readline()]
        lines += [first.stdout.readline() if "busy" in lines[0] else ""]
        lines += [second.stdout.readline() if "busy" in lines[1] else ""]
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()
    chosen = {int(line) for line in lines if line.strip().isdigit()}

    assert int(port) in chosen
    assert len(chosen) == 2


def test_an_old_python_gets_one_sentence():
    script = """
        import runpy, sys
        sys.version_info = (3, 10, 4, "final", 0)
        runpy.run_path(sys.argv[1], run_name="__main__")
    """
    process = launcher(script, str(DEPLOY / "dev.py"))

    text = process.communicate(timeout=20)[0]

    assert process.returncode == 1
    assert text == "ETFTrader needs Python 3.11 or newer; this is 3.10.\n"


def test_the_launcher_needs_nothing_but_the_standard_library():
    script = """
        import sys
        sys.path = [p for p in sys.path if "site-packages" not in p]
        import checks, folder, programs, runner, stores, supervisor, venvs
        print(sorted({"django", "celery", "etftrader"} & set(sys.modules)))
    """
    process = launcher(script)

    assert process.communicate(timeout=20)[0] == "[]\n"
    assert process.returncode == 0


def test_programs_stop_in_an_order_that_covers_all_of_them():
    everything = programs.commands("127.0.0.1", 1, quotes=True)
    assert set(programs.STOP_ORDER) == {*everything, "valkey"}
    assert set(programs.GRACE) == set(programs.STOP_ORDER)


@pytest.mark.parametrize(
    ("provider", "start"),
    [
        (provider, start)
        for provider in ("", "bundled", "csv", "yfinance", "yfinance,csv", "csv,yfinance", "fred")
        for start in ("", "2016-06-22")
    ],
)
def test_the_launcher_and_the_product_agree_on_what_a_provider_means(provider, start, settings):
    given = {"MARKETDATA_PROVIDER": provider, "REPLAY_START": start}
    settings.MARKETDATA_PROVIDER = provider or "bundled"
    settings.REPLAY_START_GIVEN = bool(start)

    assert programs.is_demo(given) is (sources.configured()[0] == "bundled")
    listens = bool(sources.serving(sources.QUOTES)) and not sources.is_replay()
    assert programs.has_quotes(given) is listens
    assert ("quotes" in programs.commands("127.0.0.1", 1, quotes=listens)) is listens


@pytest.mark.parametrize("own", ["", "yfinance", " yfinance ,"])
@pytest.mark.parametrize("provider", ["csv", "fred", "csv,yfinance"])
def test_an_order_of_quotes_means_the_same_to_both(provider, own, settings):
    given = {"MARKETDATA_PROVIDER": provider, "MARKETDATA_PROVIDER_QUOTES": own}
    settings.MARKETDATA_PROVIDER, settings.MARKETDATA_PROVIDER_QUOTES = provider, own
    settings.REPLAY_START_GIVEN = False

    assert programs.has_quotes(given) is bool(sources.serving(sources.QUOTES))


def manage(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command as a person types it: nothing but the data folder in its environment."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=bare | {"ETF_VAR": str(where)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_command_beside_the_start_finds_the_same_application(tmp_path):
    script = """
        import pathlib, sys
        import folder, runner
        data = folder.DataFolder(pathlib.Path(sys.argv[1]))
        made = runner.environment(data) | {"REDIS_URL": "redis://127.0.0.1:1/0"}
        data.write(folder.ENVIRONMENT, runner.shared(data, made))
    """
    with launcher(script, str(tmp_path)) as making:
        told, _ = making.communicate(timeout=20)
    assert making.returncode == 0, told
    file = tmp_path / folder.ENVIRONMENT

    told = manage(tmp_path, "shell", "-c", "from django.conf import settings as s; print(s.VAR)")

    assert file.stat().st_mode & 0o777 == 0o600
    assert not {"PATH", "HOME"} & set(json.loads(file.read_text()))
    assert str(tmp_path) in told.stdout, told.stderr[-2000:]

    # a file that others can read is nobody's secret
    file.chmod(0o644)
    assert "SECRET_KEY" in manage(tmp_path, "check").stderr
