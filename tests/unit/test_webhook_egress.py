"""Where webhooks go, and what receivers can do to us: nothing inside is reached, and no answer
costs more than a moment and a little memory."""

import asyncio
import gzip
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from standardwebhooks import Webhook as Library
from standardwebhooks import WebhookVerificationError

from countermand.core.egress import is_public, wrong_in_url
from countermand.core.knobs import WebhookKnobs
from countermand.core.records import SECOND
from countermand.core.webhooks import Notice
from countermand.webhooks import egress
from countermand.webhooks.egress import Gate, Lookups
from countermand.webhooks.sender import Sender, read_retry_after, sign
from tests.support.receivers import Answer, drip, endless, hang, hang_up, receiving, status

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
QUICK = replace(WebhookKnobs(), timeout=0.4, drain_timeout=0.1)
NOTICE = Notice(1, 1, "task.failed", "task:1", 1_700_000_000 * SECOND, '{"type":"task.failed"}')

# Hosts that lead inside, or stand for what does. {port} is that of a socket that listens.
_HOSTS = """
127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 0177.1 017700000001
127.000.000.001 0.0.0.0 0 127.255.255.254 localhost LOCALHOST localhost. a.localhost 127.0.0.1.
[::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [0:0:0:0:0:0:0:1] [2002:7f00:1::]
[64:ff9b::7f00:1] [64:ff9b::127.0.0.1] [64:ff9b:1::7f00:1] [fe80::1%25lo] [fe80::1] [::1%25lo]
[fc00::1] [fd00:ec2::254] [fec0::1] [ff02::1] [2001::1] [2001:db8::1] [2001:10::1] 10.0.0.1
172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1 100.100.100.200 169.254.169.254 169.254.170.2
192.0.0.192 168.63.129.16 192.88.99.1 198.18.0.1 224.0.0.1 255.255.255.255 240.0.0.1 0xA9FEA9FE
2852039166 metadata.google.internal １２７.０.０.１ ①②⑦.⓪.⓪.① ⓛocalhost 127.0.0.1@example.com
user:pass@127.0.0.1 one-inside.example all-inside.example 127。0。0。1 127.0.0.1%2f localhost%00
metadata
"""
HOSTS = _HOSTS.split()

# What names lead to here; no other name server is asked.
NAMES = {
    "one-inside.example": ("93.184.215.14", "10.0.0.1"),
    "all-inside.example": ("127.0.0.1",),
    "metadata.google.internal": ("169.254.169.254",),
    "metadata": ("169.254.169.254",),
}


def look_up(host: str, port: int, family: int) -> list[Any]:
    if host in NAMES:
        return [(socket.AF_INET, 1, 6, "", (address, port)) for address in NAMES[host]]
    if host.isascii() and host.replace(".", "").isalnum() and host[0].isdigit():
        return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    if host.rstrip(".").lower().endswith("localhost"):
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]
    raise socket.gaierror(socket.EAI_NONAME, "unknown")


@pytest.fixture
async def sender(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sender]:
    monkeypatch.setattr(egress, "_look_up", look_up)
    sender = Sender(QUICK)
    yield sender
    await sender.close()


@pytest.fixture
async def local() -> AsyncIterator[Sender]:
    sender = Sender(QUICK, loopback=True)
    yield sender
    await sender.close()


async def send(sender: Sender, url: str) -> Any:
    return await sender.send(url, NOTICE, [SECRET], NOTICE.time)


@pytest.mark.parametrize("guard", ["both", "sockets alone"])
async def test_no_hostile_url_opens_a_connection(
    guard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "_look_up", look_up)
    if guard == "sockets alone":
        monkeypatch.setattr(
            "countermand.webhooks.sender.Lookups", lambda gate, knobs: Lookups(_Open(), knobs)
        )
    connected: list[str] = []
    real = socket.socket.connect

    def connect(self: socket.socket, target: Any) -> None:
        if self.type & socket.SOCK_STREAM:
            connected.append(str(target))
        real(self, target)

    monkeypatch.setattr(socket.socket, "connect", connect)
    assert len(HOSTS) >= 60
    strict = Sender(QUICK)
    try:
        async with receiving() as receiver:
            for host in HOSTS:
                if host == "one-inside.example" and guard == "sockets alone":
                    continue  # Its public address is one to connect to.
                for url in (f"http://{host}:{receiver.port}/", f"https://{host}/"):
                    outcome = await send(strict, url)
                    assert not outcome.ok, url
                    assert outcome.attempt.duration < SECOND * QUICK.timeout, url
            assert (receiver.connections, connected) == (0, [])
    finally:
        await strict.close()


class _Open(Gate):
    """Lets everything through."""

    def lets(self, address: str) -> bool:
        return True


@pytest.mark.parametrize("host", [host for host in HOSTS if "example" not in host])
def test_no_hostile_url_is_taken_either_unless_only_a_look_up_shows_it(host: str) -> None:
    known = host in ("metadata.google.internal",)
    assert bool(wrong_in_url(f"https://{host}/", sandbox=False, loopback=False)) != known


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "http://example.com/",
        "https://example.com:22/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com/\\@127.0.0.1",
        "https://example.com/ x",
        "https://exa\tmple.com/",
        "https://example.com/#x",
        "https:///x",
        "https://user@example.com/",
        "//example.com/",
        "example.com",
        "",
        "https://example.com/" + "x" * 2048,
        "https://-a.example.com/",
        "https://example.com:８０/",
    ],
)
def test_what_is_no_place_for_a_webhook_is_refused(url: str) -> None:
    assert wrong_in_url(url, sandbox=False, loopback=True)


@pytest.mark.parametrize(
    "url", ["https://example.com/", "https://a.b.example.co:8443/x?y=z", "https://93.184.215.14/"]
)
def test_public_places_are_taken(url: str) -> None:
    assert wrong_in_url(url, sandbox=False, loopback=False) == ""


def test_plain_http_is_for_sandbox_and_loopback_for_who_allows_it() -> None:
    assert wrong_in_url("http://example.com/", sandbox=True, loopback=False) == ""
    for url in ("http://127.0.0.1:8080/", "http://localhost:8080/", "http://[::1]:8080/"):
        assert wrong_in_url(url, sandbox=True, loopback=True) == ""
        assert wrong_in_url(url, sandbox=True, loopback=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


async def test_a_name_that_changes_between_the_look_up_and_the_connection_is_caught(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as receiver:
        answers = iter(["93.184.215.14", "127.0.0.1"])

        async def resolve(self: Any, host: str, port: int = 0, family: Any = 0) -> list[Any]:
            next(answers)
            return [_resolved(host, next(answers), port)]

        monkeypatch.setattr(Lookups, "resolve", resolve)
        outcome = await send(sender, f"http://rebinding.example:{receiver.port}/")
        assert outcome.attempt.error == "refused: not a public address"
        assert receiver.connections == 0


def _resolved(host: str, address: str, port: int) -> dict[str, Any]:
    return {
        "hostname": host,
        "host": address,
        "port": port,
        "family": socket.AF_INET,
        "proto": 6,
        "flags": socket.AI_NUMERICHOST,
    }


async def test_redirects_are_not_followed_and_proxies_and_cookies_not_used(
    local: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as inside, receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        answer = status(307, f"location: {inside.url}", "set-cookie: a=b")
        async with receiving(answer) as receiver:
            for _ in range(2):
                outcome = await send(local, receiver.url)
                assert outcome.attempt.error == "answered 307"
            assert receiver.connections == 1  # It is kept for the next one.
            assert "cookie" not in receiver.requests[1].headers
        assert (inside.connections, proxy.connections) == (0, 0)


HEAD = "HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(b"0" * 50_000_000)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(hang, "no answer within 0.4 s", id="hangs"),
        pytest.param(drip, "no answer within 0.4 s", id="drips its head"),
        pytest.param(hang_up, "no answer: ", id="hangs up"),
        pytest.param(
            endless(HEAD + "content-length: 9\r\n\r\n", b""), "", id="a body that never comes"
        ),
        pytest.param(endless(HEAD, b"a: b\r\n"), "no answer: ", id="headers without end"),
        pytest.param(
            status(200, *[f"a{n}: b" for n in range(10_000)]), "no answer: ", id="10,000 headers"
        ),
        pytest.param(endless(HEAD + "a: ", b"b" * 4096), "no answer: ", id="a header without end"),
        pytest.param(
            endless(HEAD + "content-length: 1073741824\r\n\r\n", b"x" * 65536), "", id="1 GB"
        ),
        pytest.param(
            status(200, "content-encoding: gzip", body=BOMB), "", id="a bomb that is not inflated"
        ),
        pytest.param(
            endless(HEAD + "transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), "", id="chunks"
        ),
        pytest.param(endless("", b"\0" * 4096), "no answer: ", id="no HTTP"),
        pytest.param(status(600), "answered 600", id="no status"),
    ],
)
async def test_whatever_is_answered_ends_in_time_and_within_a_mebibyte(
    local: Sender, answer: Answer, error: str
) -> None:
    async with receiving(answer) as receiver, receiving() as other:
        await send(local, other.url)  # What is loaded once is no cost of an answer.
        tracemalloc.start()
        begin = time.monotonic()
        outcome, beside = await asyncio.gather(send(local, receiver.url), send(local, other.url))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert beside.ok
    assert outcome.attempt.error.startswith(error)
    assert outcome.ok == (error == "")
    assert time.monotonic() - begin < 5
    assert peak < 1024 * 1024


async def test_a_tls_handshake_that_stops_ends_in_time(local: Sender) -> None:
    async with receiving(hang) as receiver:
        outcome = await send(local, receiver.url.replace("http:", "https:"))
        assert outcome.attempt.error == "no answer within 0.4 s"


async def test_a_name_server_that_never_answers_keeps_other_tenants_going(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import threading

    released = threading.Event()

    def never(host: str, port: int, family: int) -> list[Any]:
        if host == "hangs.example":
            released.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "later")
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(egress, "_look_up", never)
    sender = Sender(QUICK, loopback=True)
    try:
        async with receiving() as receiver:
            for _ in range(QUICK.max_lookups_of_one + 1):
                assert (await send(sender, "http://hangs.example/")).attempt.status == 0
            notice = NOTICE._replace(namespace=2)
            url = f"http://answers.example:{receiver.port}/"
            assert (await sender.send(url, notice, [SECRET], 0)).ok
    finally:
        released.set()
        await sender.close()


async def test_certificates_are_checked() -> None:
    import ssl

    import trustme

    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 X\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    believing = Sender(QUICK, loopback=True, context=trusting)
    doubting = Sender(QUICK, loopback=True)
    assert (await send(believing, url)).ok
    assert (await send(doubting, url)).attempt.error.startswith("TLS failed")
    await believing.close()
    await doubting.close()
    server.close()
    await server.wait_closed()


def test_the_vector_of_the_specification_is_signed_as_it_says() -> None:
    id, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}'
    said: Any = SimpleNamespace(message_id=id, body=body)
    assert sign([SECRET], said, 1614265330 * SECOND) == {
        "webhook-id": id,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_both_secrets_verify_and_nothing_else_does(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        other = "whsec_" + "A" * 32
        now = time.time_ns() // 1000
        headers = sign([SECRET, other], NOTICE, now)
        for secret in (SECRET, other):
            Library(secret).verify(NOTICE.body, headers)
        with pytest.raises(WebhookVerificationError):
            Library("whsec_" + "B" * 32).verify(NOTICE.body, headers)
        with pytest.raises(WebhookVerificationError):
            Library(SECRET).verify(NOTICE.body.replace("f", "g", 1), headers)
        with pytest.raises(WebhookVerificationError):
            Library(SECRET).verify(NOTICE.body, sign([SECRET], NOTICE, now - 6 * 60 * SECOND))
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 120 ", 120),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60),
        ("Tue, 14 Nov 2022 22:14:20 GMT", 0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("９", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, seconds: int | None) -> None:
    found = read_retry_after(text, 1_700_000_000 * SECOND)
    assert found == (None if seconds is None else seconds * SECOND)
