"""A child process of a storm or a kill: sets Django up, runs one function, reports in JSON lines.

Run as: python -m etftrader.testing.child storm|emit '{"entry": "module:function", ...}'
"""

import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any


def load(entry: str) -> Callable[..., Any]:
    """Give the function that `package.module:function` names."""
    module, name = entry.split(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def emit(value: object) -> None:
    """Write one line in one system call: a kill leaves it whole or absent."""
    os.write(1, (json.dumps(value, default=str) + "\n").encode())


def storm(order: dict[str, Any]) -> None:
    """Run the function in every thread at once; the parent's word is the starting gun."""
    function, count = load(order["entry"]), order["threads"]
    outcomes: list[dict[str, Any]] = []
    barrier = threading.Barrier(count + 1)

    def one(number: int) -> None:
        outcome: dict[str, Any] = {"process": order["process"], "thread": number}
        barrier.wait()
        begun = time.monotonic()
        try:
            outcome["value"] = function(
                process=order["process"], thread=number, **order["arguments"]
            )
        except Exception as error:  # noqa: BLE001  whatever it is, the test judges it
            outcome["error"] = f"{type(error).__name__}: {error}"
            outcome["code"] = getattr(error, "code", None)
        outcome["seconds"] = time.monotonic() - begun
        outcomes.append(outcome)
        _close()

    threads = [threading.Thread(target=one, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    emit("ready")
    sys.stdin.readline()
    barrier.wait()
    for thread in threads:
        thread.join()
    emit(outcomes)


def _close() -> None:
    from django.db import connections

    connections.close_all()


def main() -> None:
    """Read the order from the command line and follow it."""
    import django

    order = json.loads(sys.argv[2])
    django.setup()
    if sys.argv[1] == "storm":
        storm(order)
    else:
        load(order["entry"])(emit=emit, **order["arguments"])


if __name__ == "__main__":
    main()
