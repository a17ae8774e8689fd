"""The port of metrics: whatever comes to it costs nothing but metrics."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from countermand.app.settings import Settings
from countermand.core.knobs import ScrapingKnobs
from countermand.rpc.listening.certificates import CertificateFiles
from countermand.rpc.listening.metrics_port import Newest
from countermand.telemetry.scraping import ScrapeServer
from tests.support.certificates import Authority
from tests.support.scrape import ask

GET = b"GET /metrics HTTP/1.1\r\n\r\n"
KNOBS = ScrapingKnobs(timeout=0.3, max_connections=2, max_header_bytes=1024, rest_ratio=0)
LARGE = b"x" * (32 << 20)


@contextmanager
def serving(
    render: Callable[[str], tuple[bytes, str]] = lambda accept: (b"all", f"of {accept}"),
    knobs: ScrapingKnobs = KNOBS,
    tls: Callable[[], ssl.SSLContext] | None = None,
) -> Iterator[tuple[str, int]]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = ScrapeServer([listening], render, knobs, tls)
    address = listening.getsockname()
    server.start()
    try:
        yield address
    finally:
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 5
        assert listening.fileno() == -1


def taken_from(connection: socket.socket) -> int:
    """Reads to the end, however it ends. Returns how much came."""
    connection.settimeout(5)
    got = 0
    with suppress(ConnectionResetError):
        while part := connection.recv(1 << 20):
            got += len(part)
    return got


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (GET, "200 OK"),
        (b"GET /metrics?name=x HTTP/1.0\r\nHost: a\r\n\r\n", "200 OK"),
        (b"GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"GET /metrics/ HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"GET http://a/metrics HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 1\r\n\r\n", "405 Method Not Allowed"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
        (b"get /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 Bad Request"),
        (b"\x16\x03\x01\x02\x00\xff\xfe\r\n\r\n", "400 Bad Request"),
        (b"\r\n\r\n", "400 Bad Request"),
        (b"GET /metrics HTTP/1.1\r\nA: " + b"a" * 1100 + b"\r\n\r\n", "431 Request Header Fields"),
        (b"a" * 5000, "431 Request Header Fields"),
    ],
)
async def test_only_get_metrics_is_answered(head: bytes, status: str):
    with serving() as address:
        top, body = await ask(address, head)
    assert top.startswith(f"HTTP/1.1 {status}")
    assert "Connection: close" in top
    assert (body == b"all") is (status == "200 OK")


async def test_the_accept_header_chooses_the_format():
    with serving() as address:
        top, _ = await ask(address, b"GET /metrics HTTP/1.1\r\nACCEPT: a;q=1\r\nAccept: b\r\n\r\n")
    assert "Content-Type: of  a;q=1, b\r\n" in top


async def test_who_says_nothing_or_little_is_given_up_and_others_are_answered():
    """All connections are held by some who send a byte now and then."""
    with serving() as address:
        slow = [await asyncio.open_connection(*address) for _ in range(4)]
        slow[0][1].write(b"GET /metrics HT")
        answered = asyncio.create_task(ask(address))
        while not answered.done():
            for _, writer in slow:
                if not writer.is_closing():
                    writer.write(b"a")
            await asyncio.sleep(0.02)
        assert answered.result()[1] == b"all"
        for reader, writer in slow:
            with suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()


async def test_who_takes_no_answer_is_given_up_and_others_are_answered():
    with serving(lambda accept: (LARGE if "all" in accept else b"all", "text")) as address:
        stuck = [socket.create_connection(address) for _ in range(KNOBS.max_connections)]
        for one in stuck:
            one.sendall(b"GET /metrics HTTP/1.1\r\nAccept: all\r\n\r\n")
        assert (await ask(address))[1] == b"all"
        assert taken_from(stuck[0]) < len(LARGE)
        for one in stuck:
            one.close()


async def test_reading_all_the_time_takes_a_share_alone():
    """A reading takes 20 ms of CPU here, so it rests for four times as long."""

    def render(_: str) -> tuple[bytes, str]:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass
        return b"all", "text"

    with serving(render, ScrapingKnobs(rest_ratio=4)) as address:
        begin = time.monotonic()
        await asyncio.gather(*(ask(address) for _ in range(4)))
        assert time.monotonic() - begin >= 3 * 0.1


async def test_a_reading_that_others_kept_from_the_cpu_needs_no_rest():
    """On a machine with too much to do, who reads twice would be given up in the second rest."""

    def render(_: str) -> tuple[bytes, str]:
        time.sleep(0.02)
        return b"all", "text"

    with serving(render, ScrapingKnobs(rest_ratio=500)) as address:
        for _ in range(3):
            assert (await ask(address))[1] == b"all"


async def test_what_fails_in_reading_is_logged_and_the_next_is_answered(
    caplog: pytest.LogCaptureFixture,
):
    bodies = [None, b"all"]

    def render(_: str) -> tuple[bytes, str]:
        body = bodies.pop(0)
        assert body is not None
        return body, "text"

    with serving(render) as address:
        assert await ask(address) == ("", b"")
        assert (await ask(address))[1] == b"all"
    assert [record.getMessage() for record in caplog.records] == ["metrics could not be read"]


async def test_it_is_encrypted_as_calls_are_with_the_newest_certificate(tmp_path: Path):
    authority = Authority(tmp_path)
    first, second = (authority.issue(name, "localhost") for name in ("a", "b"))
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    client = ssl.create_default_context(cafile=str(authority.file))

    def put(issued: object) -> None:
        cert.write_bytes(issued.cert.read_bytes())
        key.write_bytes(issued.key.read_bytes())

    async def serial(address: tuple[str, int]) -> str:
        reader, writer = await asyncio.open_connection(
            *address, ssl=client, server_hostname="localhost"
        )
        writer.write(GET)
        assert (await reader.read()).endswith(b"all")
        found = writer.get_extra_info("peercert")["serialNumber"]
        writer.close()
        return found

    put(first)
    tls = Newest(CertificateFiles(cert, key, None)).context
    with serving(knobs=ScrapingKnobs(), tls=tls) as address:
        serials = [await serial(address)]
        cert.write_text("no certificate")
        assert await serial(address) == serials[0]
        put(second)
        serials.append(await serial(address))
        assert serials[0] != serials[1]
        assert (await ask(address))[1] == b""  # without TLS


async def test_where_clients_must_show_a_certificate_scrapers_must(tmp_path: Path):
    authority = Authority(tmp_path)
    issued = authority.issue("server", "localhost")
    tls = Newest(CertificateFiles(issued.cert, issued.key, authority.file)).context
    client = ssl.create_default_context(cafile=str(authority.file))
    named = {"ssl": client, "server_hostname": "localhost"}
    with serving(knobs=ScrapingKnobs(), tls=tls) as address:
        with suppress(OSError):  # TLS 1.3 may refuse in the handshake or right behind it
            assert await ask(address, **named) == ("", b"")
        mine = authority.issue("prometheus", "prometheus.example")
        client.load_cert_chain(mine.cert, mine.key)
        assert (await ask(address, **named))[1] == b"all"


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:9464", "[::1]:0"])
def test_a_loopback_address_needs_no_word(address: str):
    assert Settings(metrics_listen=address).metrics_address is not None


def test_another_address_needs_the_words_that_the_server_s_own_needs(tmp_path: Path):
    with pytest.raises(ValueError, match="metrics would not be encrypted"):
        Settings(metrics_listen="0.0.0.0:9464")
    Settings(metrics_listen="0.0.0.0:9464", insecure=True)
    Settings(metrics_listen="0.0.0.0:9464", tls_cert=tmp_path, tls_key=tmp_path)


@pytest.mark.parametrize("text", ["", "9464", "127.0.0.1:99999", "a b:1", "unix:/x"])
def test_what_is_no_address_is_refused_by_the_name_of_its_flag(text: str):
    with pytest.raises(ValueError, match=r"^--metrics-listen "):
        Settings(metrics_listen=text)


def test_one_address_serves_one_purpose():
    with pytest.raises(ValueError, match="the same address"):
        Settings(listen="127.0.0.1:5", metrics_listen="127.0.0.1:5")
    Settings(listen="127.0.0.1:0", metrics_listen="127.0.0.1:0")
