"""Encrypted connections: whom the server shows itself to, and whom it demands a certificate of."""

import asyncio
import json
import socket
import ssl
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import grpc
import pytest

from countermand.client import Client, CountermandError
from countermand.v1.checkout_pb2 import Checkout
from countermand.v1.checkout_service_pb2 import CreateCheckoutRequest
from tests.support.caller import everything, first_caller
from tests.support.certificates import Authority, Pair
from tests.support.command import Command, Result, finish, program, read_line
from tests.support.server import Server, started

LOCAL = "127.0.0.1"
BAD_CERTIFICATE = "the new certificate cannot be used, and the last one is kept"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("server", LOCAL, "localhost")


@asynccontextmanager
async def serving(tmp_path: Path, authority: Authority, pair: Pair, *flags: str):
    pair_flags = ("--tls-cert", str(pair.cert), "--tls-key", str(pair.key))
    async with started(tmp_path, *pair_flags, *flags) as server:
        server.credentials = authority.credentials()
        yield server


@pytest.fixture
async def server(tmp_path: Path, authority: Authority, pair: Pair) -> AsyncIterator[Server]:
    """A server with TLS."""
    async with serving(tmp_path, authority, pair) as server:
        yield server


@pytest.fixture
async def mutual(tmp_path: Path, authority: Authority, pair: Pair) -> AsyncIterator[Server]:
    """A server that demands a certificate of the authority."""
    async with serving(tmp_path, authority, pair, "--tls-client-ca", str(authority.file)) as server:
        yield server


def served_by(server: Server, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """Returns the certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.minimum_version = min(newest, ssl.TLSVersion.TLSv1_2)
    context.maximum_version = newest
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    host, _, port = server.address.rpartition(":")
    with (
        socket.create_connection((host.strip("[]"), int(port)), 10) as plain,
        context.wrap_socket(plain) as secure,
    ):
        return secure.getpeercert(binary_form=True)


async def shown(server: Server) -> bytes:
    return await asyncio.to_thread(served_by, server)


def first_of(path: Path) -> bytes:
    text = path.read_text()
    return ssl.PEM_cert_to_DER_cert(
        text[: text.index("-----END") + len("-----END CERTIFICATE-----")]
    )


async def is_refused(server: Server, credentials: grpc.ChannelCredentials | None) -> None:
    """Such a connection never becomes one."""
    server.credentials = credentials
    async with first_caller(server) as caller:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await caller.create()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_calls_and_watches_go_over_tls(server: Server):
    async with first_caller(server) as caller:
        held = await caller.running()
        watch = caller.watch(held.task_id)
        await watch.read()
        answer = await caller.cancel(held.task_id, grace=0)
        assert answer.cancellation.certificate_name == ""
        assert (await everything(watch))[-1].last


async def test_no_others_than_those_who_trust_its_authority_reach_it(server: Server):
    await is_refused(server, grpc.ssl_channel_credentials())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_before_1_2_is_not_answered(server: Server):
    versions = ssl.TLSVersion
    for version in (versions.TLSv1_2, versions.TLSv1_3):
        assert await asyncio.to_thread(served_by, server, version)
    for version in (versions.TLSv1, versions.TLSv1_1):
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(served_by, server, version)


async def test_plaintext_is_not_answered(server: Server):
    await is_refused(server, None)


async def test_a_new_certificate_is_shown_to_new_connections_and_the_open_ones_go_on(
    server: Server, authority: Authority, pair: Pair
):
    old = first_of(pair.cert)
    assert await shown(server) == old
    async with first_caller(server) as caller:
        held = await caller.running()
        watch = caller.watch(held.task_id)
        await watch.read()

        authority.issue("server", LOCAL)

        assert await shown(server) == first_of(pair.cert) != old
        await caller.cancel(held.task_id, grace=0)
        assert (await everything(watch))[-1].last
    async with first_caller(server) as caller:
        await caller.create()
    assert sum("read a new certificate" in line for line in server.log) == 1


@pytest.mark.parametrize("half", ["cert", "key"])
async def test_half_of_a_new_pair_changes_nothing_and_is_logged_once(
    server: Server, authority: Authority, pair: Pair, half: str
):
    old = first_of(pair.cert)
    new = authority.issue("new", LOCAL)
    replaced, whole = getattr(pair, half), getattr(new, half)
    replaced.write_bytes(whole.read_bytes()[:100])
    for _ in range(3):
        assert await shown(server) == old
    replaced.write_bytes(whole.read_bytes())
    for _ in range(3):
        assert await shown(server) == old
    for field in ("cert", "key"):
        getattr(pair, field).write_bytes(getattr(new, field).read_bytes())
    assert await shown(server) == first_of(new.cert)
    await server.stop()
    lines = [json.loads(line) for line in server.log if BAD_CERTIFICATE in line]
    assert len(lines) == 2  # one for what was cut short, and one for what did not fit
    assert lines[1]["cause"] == f"{pair.key} is not the key of {pair.cert}"


async def test_a_certificate_that_is_gone_is_still_served(server: Server, pair: Pair):
    old = first_of(pair.cert)
    pair.key.unlink()
    assert await shown(server) == old
    await server.stop()
    (line,) = [json.loads(line) for line in server.log if BAD_CERTIFICATE in line]
    assert line["cause"] == f"cannot read {pair.key}: No such file or directory"


async def test_a_client_without_a_certificate_of_the_authority_is_refused(
    mutual: Server, authority: Authority, tmp_path: Path
):
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other").issue("stranger", "agent.example")
    await is_refused(mutual, authority.credentials())
    await is_refused(mutual, authority.credentials(stranger))


async def test_the_authorities_of_clients_are_read_again_too(
    mutual: Server, authority: Authority, tmp_path: Path
):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    old = authority.credentials(authority.issue("client", "client.example"))
    new = authority.credentials(other.issue("client", "client.example"))
    mutual.credentials = old
    async with first_caller(mutual) as caller:
        await caller.create()
        authority.file.write_bytes(other.file.read_bytes())
        await is_refused(mutual, old)
        assert await caller.create()  # what is connected stays
    mutual.credentials = new
    async with first_caller(mutual) as newcomer:
        assert await newcomer.create()


@pytest.mark.parametrize(
    ("names", "common_name", "remembered"),
    [
        (("agent.example", "other.example"), "agent-7", "agent.example"),
        ((), "agent-7", "agent-7"),
        ((), "agént-7", "agént-7"),
    ],
)
async def test_a_cancel_remembers_whose_certificate_asked_for_it(
    mutual: Server, authority: Authority, names, common_name, remembered
):
    mutual.credentials = authority.credentials(
        authority.issue("client", *names, common_name=common_name)
    )
    async with first_caller(mutual) as caller:
        held = await caller.running()
        accepted = (await caller.cancel(held.task_id)).cancellation
        assert accepted.certificate_name == remembered
        assert accepted.requested_by == caller.key_id
        found = await caller.cancellation(accepted.cancellation_id)
        assert found.certificate_name == remembered
        (listed,) = await caller.listed()
        assert listed.certificate_name == remembered


async def test_a_join_keeps_the_name_of_the_first(mutual: Server, authority: Authority):
    names = ("first.example", "second.example")
    answers = []
    task_id = ""
    for name in names:
        mutual.credentials = authority.credentials(authority.issue("client", name))
        async with first_caller(mutual) as caller:
            task_id = task_id or (await caller.running()).task_id
            answers.append((await caller.cancel(task_id)).cancellation)
    assert answers[0].cancellation_id == answers[1].cancellation_id
    assert [answer.certificate_name for answer in answers] == ["first.example"] * 2


async def test_the_cancels_that_a_cart_causes_remember_it_too(mutual: Server, authority: Authority):
    mutual.credentials = authority.credentials(authority.issue("client", "shop.example"))
    async with first_caller(mutual) as caller:
        for supersede in (False, True):
            request = CreateCheckoutRequest(checkout=Checkout(cart_id="cart"), supersede=supersede)
            await caller.checkouts.CreateCheckout(request)
        await caller.change_cart("cart", "line")
        found = {cancel.reason: cancel.certificate_name for cancel in await caller.listed()}
    assert found == {"superseded": "shop.example", "cart_changed": "shop.example"}


async def test_the_python_client_takes_credentials_of_grpc(mutual: Server, authority: Authority):
    mine = authority.credentials(authority.issue("client", "client.example"))
    async with Client(mutual.address, mutual.key, credentials=mine) as client:
        task_id = (await client.create_task()).task.task_id
        async with aclosing(client.watch_task(task_id)) as messages:
            assert (await anext(messages)).task.task_id == task_id
    async with Client(
        mutual.address, mutual.key, credentials=authority.credentials(), timeout=1
    ) as client:
        with pytest.raises(CountermandError) as caught:
            await client.create_task()
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


async def test_every_command_works_over_mutual_tls(
    mutual: Server, authority: Authority, tmp_path: Path
):
    mine = authority.issue("client", "client.example")
    command = Command(
        COUNTERMAND_SERVER=mutual.address,
        COUNTERMAND_API_KEY=mutual.key,
        COUNTERMAND_CLIENT_TLS_CA=str(authority.file),
        COUNTERMAND_CLIENT_TLS_CERT=str(mine.cert),
        COUNTERMAND_CLIENT_TLS_KEY=str(mine.key),
    )
    mutual.credentials = authority.credentials(mine)
    async with first_caller(mutual) as caller:
        task_id = (await caller.create()).task_id
    done = await command("cancel", "task", task_id, "--json")
    assert json.loads(done.out)["cancellation"]["certificate_name"] == "client.example"
    assert "CANCELLED" in (await command("watch", task_id)).out
    assert mutual.key.split("_")[2] in (await command("keys", "list")).out
    demo = await command.start("demo")
    while "RUNNING" not in (line := await read_line(demo)):
        assert line
    demo.terminate()
    await finish(demo)


@pytest.fixture
def closed_port():
    """A port that nobody listens on, held so that nothing else can take it."""
    with socket.socket() as taken:
        taken.bind((LOCAL, 0))
        yield "{}:{}".format(*taken.getsockname())


WANTS_TLS = "wants TLS: name its authority by --tls-ca or COUNTERMAND_CLIENT_TLS_CA"
NO_TLS = "speaks no TLS: call it without --tls and --tls-ca"
NOT_TRUSTED = (
    "of no authority that is trusted (CERTIFICATE_VERIFY_FAILED): name its own by --tls-ca"
)
OTHER_NAME = "is of another name: --server and COUNTERMAND_SERVER must name it"
WANTS_ONE = "wants a certificate of its client: name one by --tls-cert and --tls-key"
WANTS_ANOTHER = "wants another certificate of its client"


async def said_of(address: str, *flags: str, command: tuple[str, ...] = ("keys", "list")) -> str:
    """What a command says that does not reach a server there."""
    result = await Command(COUNTERMAND_API_KEY="k")(*command, "--server", address, *flags)
    assert (result.status, result.out) == (3, "")
    *before, said = result.err.splitlines(keepends=True)
    assert said.startswith("countermand: the server was not reached: ")
    # Whoever watches has heard already that nothing is heard.
    assert ["the server is away" in line for line in before] == [True] * (command[0] == "watch")
    return said


@pytest.mark.parametrize("command", [("keys", "list"), ("watch", "x"), ("demo",)], ids=str)
async def test_a_command_says_that_a_server_wants_tls_or_speaks_none(
    server: Server, shared: Server, command: tuple[str, ...]
):
    assert f"{server.address} {WANTS_TLS}" in await said_of(server.address, command=command)
    assert f"{shared.address} {NO_TLS}" in await said_of(shared.address, "--tls", command=command)


async def test_a_command_says_what_is_wrong_with_a_certificate(
    server: Server, authority: Authority
):
    trusting = ("--tls-ca", str(authority.file))
    assert NOT_TRUSTED in await said_of(server.address, "--tls")
    junk = authority.file.parent / "junk.pem"
    junk.write_text("junk")
    command = Command(COUNTERMAND_SERVER=server.address, COUNTERMAND_API_KEY=server.key)
    for flags, status, said in (
        (("--tls-ca", str(junk)), 1, "has no certificates in PEM"),
        (("--tls-cert", str(junk)), 2, "--tls-cert and --tls-key belong together"),
        (trusting, 0, ""),
    ):
        result = await command("keys", "list", *flags)
        assert (result.status, result.out != "") == (status, status == 0)
        assert said in result.err


async def test_a_command_says_that_a_certificate_is_of_another_name(
    tmp_path: Path, authority: Authority
):
    pair = authority.issue("server", "shop.example")
    trusting = ("--tls-ca", str(authority.file))
    async with serving(tmp_path, authority, pair) as server:
        assert OTHER_NAME in await said_of(server.address, *trusting)


async def test_a_command_says_that_a_server_wants_a_certificate(
    mutual: Server, authority: Authority, tmp_path: Path
):
    trusting = ("--tls-ca", str(authority.file))
    assert WANTS_TLS in await said_of(mutual.address)
    assert WANTS_ONE in await said_of(mutual.address, *trusting)
    (tmp_path / "other").mkdir()
    wrong = Authority(tmp_path / "other").issue("stranger", "agent.example")
    showing = ("--tls-cert", str(wrong.cert), "--tls-key", str(wrong.key))
    assert WANTS_ANOTHER in await said_of(mutual.address, *trusting, *showing)


@pytest.mark.parametrize("flags", [(), ("--tls",)], ids=str)
async def test_a_command_names_what_says_where_the_server_is(closed_port: str, flags):
    said = await said_of(closed_port, *flags)
    assert f"{closed_port}: Failed to connect to remote host: Connection refused" in said
    assert said.endswith("; --server or COUNTERMAND_SERVER says where it is\n")


@pytest.mark.parametrize("listen", ["localhost:0", "127.0.0.1:0", "[::1]:0"])
async def test_every_address_of_a_name_has_the_certificate_and_the_next_one(
    tmp_path: Path, authority: Authority, listen: str
):
    pair = authority.issue("server", "localhost", LOCAL, "::1")
    flags = ("--tls-cert", str(pair.cert), "--tls-key", str(pair.key), "--listen", listen)
    async with started(tmp_path, *flags) as server:
        host, _, port = server.address.rpartition(":")
        hosts = [LOCAL, "[::1]"] if host == "localhost" else [host]
        for _ in range(2):
            for each in [*hosts, *hosts]:
                server.address = f"{each}:{port}"
                assert await shown(server) == first_of(pair.cert)
            pair = authority.issue("server", "localhost", LOCAL, "::1")
    assert sum("read a new certificate" in line for line in server.log) == 1


async def grpcurl(*arguments: str) -> Result:
    return await finish(
        await asyncio.create_subprocess_exec(
            program("grpcurl"), *arguments, stdout=PIPE, stderr=PIPE
        )
    )


async def test_grpcurl_works_over_tls(server: Server, authority: Authority):
    mine = ("-cacert", str(authority.file))
    listed = await grpcurl(*mine, server.address, "list")
    assert "countermand.v1.CancellationService" in listed.out
    key = f"x-api-key: {server.key}"
    made = await grpcurl(
        *mine, "-H", key, "-d", "{}", server.address, "countermand.v1.TaskService/CreateTask"
    )
    assert json.loads(made.out)["task"]["state"] == "TASK_STATE_PENDING"
    assert (await grpcurl(server.address, "list")).status != 0


async def test_grpcurl_works_over_mutual_tls(mutual: Server, authority: Authority):
    mine = authority.issue("client", "client.example")
    trusting = ("-cacert", str(authority.file))
    showing = ("-cert", str(mine.cert), "-key", str(mine.key))
    health = "grpc.health.v1.Health/Check"
    answer = await grpcurl(*trusting, *showing, mutual.address, health)
    assert json.loads(answer.out) == {"status": "SERVING"}
    assert (await grpcurl(*trusting, mutual.address, health)).status != 0


@pytest.mark.parametrize(
    ("flags", "status", "said"),
    [
        (("--tls-cert", "{cert}"), 2, "--tls-cert and --tls-key belong together"),
        (("--tls-cert", "{cert}", "--tls-key", "{ca}"), 1, "is not PEM, or the key is encrypted"),
    ],
)
async def test_what_cannot_be_meant_or_read_keeps_the_server_from_starting(
    authority: Authority, pair: Pair, tmp_path: Path, flags, status: int, said: str
):
    chosen = [flag.format(cert=pair.cert, ca=authority.file) for flag in flags]
    store = f"sqlite:///{tmp_path / 'x.db'}"
    result = await Command()("serve", "--listen", "127.0.0.1:0", "--store", store, *chosen)
    assert (result.status, result.out) == (status, "")
    (line,) = [line for line in result.err.splitlines() if line.startswith("countermand: ")]
    assert said in line
    assert "Traceback" not in result.err


@pytest.mark.parametrize("flags", [("--insecure",), ("--tls-cert", "{cert}", "--tls-key", "{key}")])
async def test_others_are_answered_with_tls_or_when_told_so_in_words(
    authority: Authority, pair: Pair, tmp_path: Path, flags
):
    chosen = [flag.format(cert=pair.cert, key=pair.key) for flag in flags]
    async with started(tmp_path, "--listen", "0.0.0.0:0", *chosen) as server:
        server.address = server.address.replace("0.0.0.0", LOCAL)
        server.credentials = authority.credentials() if len(flags) > 1 else None
        async with first_caller(server) as caller:
            assert await caller.create()


async def test_strangers_write_nothing_into_the_log(server: Server):
    host, port = server.address.split(":")
    for said in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b""):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(said)
        writer.write_eof()
        await reader.read()
        writer.close()
    await server.stop()
    events = [json.loads(line)["event"] for line in server.log if not line.startswith("cmd_")]
    assert events == [
        "starting",
        "made the first API key; it is the next line, and is not shown again",
        "key created",
        "serving",
        "draining",
    ]
