"""A streaming socket under the same rules: judged address, pinned connection, capped messages."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from etftrader.core.outbound import addresses
from etftrader.core.outbound.answers import Limits, configured
from etftrader.core.outbound.errors import NotReached, OutboundRefused
from etftrader.core.outbound.rules import Rules

LARGEST_MESSAGE = 64 * 1024


@contextmanager
def streaming(
    rules: Rules,
    url: str,
    *,
    limits: Limits | None = None,
    lookup: addresses.Lookup | None = None,
) -> Iterator[Any]:
    """Open a WebSocket (websockets' synchronous client) and close it in the end.

    Raises OutboundRefused or NotReached.
    """
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    route = rules.route(url)
    if route.scheme not in ("wss", "ws"):
        raise OutboundRefused("only wss addresses are listened to", attr="url")
    limits = limits or configured()
    line = _connected(addresses.pins(route, lookup), route.port, limits.connect_s)
    try:
        stream = connect(
            route.url,
            sock=line,
            proxy=None,
            compression=None,
            open_timeout=limits.connect_s,
            close_timeout=limits.connect_s,
            max_size=LARGEST_MESSAGE,
        )
    except (OSError, WebSocketException) as failure:
        line.close()
        raise NotReached(f"{route.said}: the stream did not open") from failure
    with stream:
        yield stream


def _connected(pins: tuple[str, ...], port: int, timeout_s: float) -> socket.socket:
    failure: OSError | None = None
    for pin in pins:
        try:
            return socket.create_connection((pin, port), timeout_s)
        except OSError as one:
            failure = one
    raise NotReached("the stream's address does not answer") from failure
