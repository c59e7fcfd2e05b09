"""A pinned connection still speaks TLS to the name: the certificate decides, not the address."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from etftrader.core import clock
from etftrader.core.outbound import addresses, browser
from etftrader.core.outbound import rules as outbound_rules
from etftrader.core.outbound.answers import Limits
from etftrader.core.outbound.client import Client
from etftrader.core.outbound.errors import NotReached
from etftrader.core.outbound.line import Line
from etftrader.core.outbound.rules import Rules

HOST = "data.example.com"
LIMITS = Limits(connect_s=2, read_s=2)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    b"Connection: close\r\n\r\n{}"
)


class Authority:
    """A certificate authority for one test."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of tests")])
        self.path = folder / "authority.pem"
        basic = x509.BasicConstraints(ca=True, path_length=None)
        own = self._signed(self._name, self._key.public_key(), basic)
        self.path.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def context(self, *names: x509.GeneralName) -> ssl.SSLContext:
        """A server's TLS context with a certificate for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        signed = self._signed(subject, key.public_key(), x509.SubjectAlternativeName(names))
        path = self._folder / "server.pem"
        plain = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, form, plain)
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _signed(self, subject: x509.Name, key: Any, extension: Any) -> x509.Certificate:
        builder = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
        builder = builder.not_valid_before(clock.now() - timedelta(days=1))
        builder = builder.not_valid_after(clock.now() + timedelta(days=1))
        return builder.add_extension(extension, critical=False).sign(self._key, hashes.SHA256())


class Secure:
    """A TLS server that answers everybody who finishes the handshake."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.named: list[str | None] = []
        self.requests: list[bytes] = []
        context.sni_callback = lambda line, name, rest: self.named.append(name)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with line:
                try:
                    with self._context.wrap_socket(line, server_side=True) as secure:
                        if asked := secure.recv(4096):
                            self.requests.append(asked)
                            secure.sendall(ANSWER)
                except OSError:
                    continue

    def close(self) -> None:
        self._listener.close()


Ask = Callable[[int], object]


def by_requests(port: int) -> object:
    rules, line = Rules("tests", frozenset({HOST})), quiet_line()
    return Client(rules, line, limits=LIMITS, lookup=here).json(f"https://{HOST}:{port}/x")


def by_curl(port: int) -> object:
    session = browser.guarded_session(
        Rules("tests", frozenset({HOST})),
        quiet_line(),
        judge=lambda *_: None,
        limits=LIMITS,
        lookup=here,
    )
    try:
        return session.get(f"https://{HOST}:{port}/x", verify=False).json()
    except OSError as failure:
        ours = browser.cause_of(failure)
        assert ours is not None
        raise ours from failure


def quiet_line() -> Line:
    return Line("tests", per_minute=10_000, spacing_s=0.0, sleep=lambda seconds: None)


def here(host: str, port: int, **named: Any) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[ssl.SSLContext], Secure]]:
    """Stand in for the open Internet: this machine counts as public, its port as that of https."""
    running: list[Secure] = []
    monkeypatch.setattr(addresses, "is_public", lambda text: True)

    def start(context: ssl.SSLContext) -> Secure:
        running.append(Secure(context))
        monkeypatch.setitem(outbound_rules.PORTS, "https", running[-1].port)
        return running[-1]

    yield start
    for each in running:
        each.close()


WAYS = pytest.mark.parametrize("ask", [by_requests, by_curl], ids=["requests", "curl"])


@WAYS
def test_the_name_is_sent_and_its_certificate_accepted(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, serve: Any, ask: Ask
) -> None:
    server = serve(authority.context(x509.DNSName(HOST)))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.path))

    assert ask(server.port) == {}
    assert server.named == [HOST]
    assert f"Host: {HOST}".encode() in server.requests[0]


@WAYS
@pytest.mark.parametrize(
    "name",
    [
        x509.DNSName("other.example.com"),
        x509.DNSName("*.data.example.com"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ],
    ids=lambda name: str(name.value),
)
def test_a_certificate_for_another_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, serve: Any, ask: Ask, name: Any
) -> None:
    server = serve(authority.context(name))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.path))

    with pytest.raises(NotReached, match="certificate"):
        ask(server.port)
    assert server.requests == []


@WAYS
def test_an_authority_nobody_knows_is_refused(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, serve: Any, ask: Ask
) -> None:
    server = serve(authority.context(x509.DNSName(HOST)))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)

    with pytest.raises(NotReached, match="certificate"):
        ask(server.port)
    assert server.requests == []
