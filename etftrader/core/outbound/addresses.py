"""Looking a host up once, judging what comes back, and connecting to nothing else."""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any

from etftrader.core.outbound.errors import NotReached, OutboundRefused
from etftrader.core.outbound.rules import Route

MOST_PINS = 4
# What Python's table calls global in some version although nobody public is there: protocol
# assignments, relays, and IPv6 ranges that carry an IPv4 address inside.
NOT_PUBLIC = tuple(
    ipaddress.ip_network(each)
    for each in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
        "fec0::/10",
    )
)

Lookup = Callable[..., Sequence[Any]]


def is_public(text: str) -> bool:
    """Whether an address belongs to the open Internet and to nothing inside."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(str(address.ipv4_mapped))
        if address.scope_id:
            return False
    if any(address in network for network in NOT_PUBLIC):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def pins(route: Route, lookup: Lookup | None = None) -> tuple[str, ...]:
    """Resolve a judged address and return the literal addresses to connect to.

    One unsuitable answer among several refuses them all: a name that points both ways is a trap.
    Raises OutboundRefused, or NotReached when the name is unknown.
    """
    # The module's own function is looked up at the call: tests put their guard there.
    ask = lookup or socket.getaddrinfo
    try:
        answers = ask(route.host, route.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as failure:
        raise NotReached(f"{route.asked_host}: the name cannot be resolved") from failure
    found = tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))
    if not found:
        raise NotReached(f"{route.asked_host}: the name has no address")
    suitable = _operators if route.own else _open
    if not all(suitable(route, address) for address in found):
        raise OutboundRefused(f"{route.asked_host}: its address is not a public one", attr="url")
    return found[:MOST_PINS]


def _open(route: Route, address: str) -> bool:
    return is_public(address)


def _operators(route: Route, text: str) -> bool:
    """An operator's own base address may be private; plain http stays on this machine."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if route.scheme in ("http", "ws"):
        return address.is_loopback
    return not (address.is_link_local or address.is_multicast or address.is_unspecified)
