"""Real web processes, and many connections that stay open and ask all at the same moment."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from etftrader.deploy import stores
from etftrader.deploy.programs import commands
from etftrader.testing import services

APPLICATION = "etftrader.tests.generous:application"
STARTS_WITHIN, ANSWERS_WITHIN = 60.0, 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@contextlib.contextmanager
def web(processes: int) -> Iterator[list[int]]:
    """Start web processes on the test's database; gives their ports, ends them all."""
    ports = [stores.free_port() for _ in range(processes)]
    # lock waits as long as a job's: how fast this machine is, is not the question
    environment = services.child_environment(ETF_PROCESS="worker")
    running = [
        subprocess.Popen(
            [sys.executable, *_command(port)],
            cwd=services.ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=services.die_with_parent,
        )
        for port in ports
    ]
    try:
        asyncio.run(_all_listen(ports))
        yield ports
    finally:
        for each in running:
            each.kill()
            each.wait()


def _command(port: int) -> list[str]:
    given = commands("127.0.0.1", port)["web"]
    ours = [APPLICATION if each == "etftrader.asgi:application" else each for each in given]
    return [*ours, "--timeout-keep-alive", "120"]


async def _all_listen(ports: Sequence[int]) -> None:
    end = time.monotonic() + STARTS_WITHIN
    for port in ports:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.1)
                continue
            writer.close()
            await writer.wait_closed()
            break


def ask(ports: Sequence[int], requests: Sequence[bytes], crowd: int) -> list[list[Answer]]:
    """Send each request over `crowd` connections at once, the next when all have their answer."""
    return asyncio.run(_ask(ports, requests, crowd))


async def _ask(ports: Sequence[int], requests: Sequence[bytes], crowd: int) -> list[list[Answer]]:
    lines = [
        await asyncio.open_connection("127.0.0.1", ports[number % len(ports)])
        for number in range(crowd)
    ]
    told = []
    for request in requests:
        for _, writer in lines:
            writer.write(request)
        async with asyncio.timeout(ANSWERS_WITHIN):
            told.append(await asyncio.gather(*(_read(reader) for reader, _ in lines)))
    for _, writer in lines:
        writer.close()
        await writer.wait_closed()
    return told


async def _read(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers["content-length"]))
    return Answer(int(head[0].split()[1]), headers, body)


def request(path: str, body: bytes, **headers: str) -> bytes:
    """One POST as it goes over the line."""
    told = {"Host": "127.0.0.1", "Content-Length": str(len(body))}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
