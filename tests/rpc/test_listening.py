"""Where a server listens: on all that was meant, with one port, or nowhere."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from countermand.app.address import Address
from countermand.rpc.listening.binding import held, resolve
from tests.support.server import Server, run_to_the_end, started

LOOPBACKS = ("127.0.0.1", "::1")
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


@contextmanager
def taken(*hosts: str, port: int = 0, listening: bool = True, **options: int) -> Iterator[int]:
    """Another program has a port of these addresses. Gives the port."""
    with ExitStack() as stack:
        for host in hosts:
            family = FAMILIES[ip_address(host).version]
            other = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            if family == socket.AF_INET6:
                other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, options.get("only", 1))
            if options.get("reuseport"):
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                other.bind((host, port))
            except OSError as error:
                pytest.skip(f"cannot bind {host}: {error}")
            if listening:
                other.listen()
            port = other.getsockname()[1]
        yield port


async def is_serving(address: str) -> bool:
    async with grpc.aio.insecure_channel(address) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    return answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module", autouse=True)
def both_loopbacks() -> None:
    with taken(*LOOPBACKS):
        pass


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0", "localhost:0", "LOCALHOST.:0"])
async def test_it_says_where_it_listens_in_the_words_that_it_was_given(tmp_path: Path, listen: str):
    async with started(tmp_path, "--listen", listen) as server:
        host, _, port = server.address.rpartition(":")
        assert host == listen.removesuffix(":0")
        name = host.strip("[]").lower().rstrip(".")
        for address in LOOPBACKS if name == "localhost" else (name,):
            assert await is_serving(str(Address(address, int(port))))


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
async def test_either_wildcard_is_every_address_of_both_kinds(tmp_path: Path, listen: str):
    async with started(tmp_path, "--insecure", "--listen", listen) as server:
        host, _, port = server.address.rpartition(":")
        assert host == listen.removesuffix(":0")
        for address in LOOPBACKS:
            assert await is_serving(str(Address(address, int(port))))


@pytest.mark.parametrize("listening", [True, False], ids=["listening", "only bound"])
@pytest.mark.parametrize(
    ("listen", "others"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("127.0.0.1", ["0.0.0.0"]),
        ("[::1]", ["::1"]),
        ("[::1]", ["::"]),
        ("localhost", ["127.0.0.1"]),
        ("localhost", ["::1"]),
        ("localhost", ["0.0.0.0"]),
        ("localhost", LOOPBACKS),
        ("0.0.0.0", ["127.0.0.1"]),
        ("0.0.0.0", ["::1"]),
        ("0.0.0.0", ["::"]),
        ("[::]", ["127.0.0.1"]),
        ("[::]", ["::"]),
    ],
    ids=str,
)
async def test_where_another_program_has_some_of_it_it_listens_nowhere(
    tmp_path: Path, listen: str, others: list[str], listening: bool
):
    with taken(*others, listening=listening) as port:
        wanted = f"{listen}:{port}"
        flags = ("--insecure", "--listen", wanted)
        status, out, err = await run_to_the_end(tmp_path / "x.db", *flags)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].startswith(
        f"countermand: cannot listen on {wanted}: another program has "
    )
    assert (
        len([line for line in err.splitlines() if line[0] != "{"]) == 1
    )  # gRPC says nothing beside it, and no key was made


async def test_a_port_that_another_program_would_share_is_refused(tmp_path: Path):
    with taken("127.0.0.1", reuseport=1) as port:
        flags = ("--listen", f"127.0.0.1:{port}")
        status, out, err = await run_to_the_end(tmp_path / "x.db", *flags)
    plain = [line for line in err.splitlines() if line[0] != "{"]
    assert (status, out, len(plain)) == (1, "", 1)


@pytest.mark.parametrize("first", ["127.0.0.1", "[::1]", "localhost"])
async def test_a_second_server_on_the_same_port_is_refused(tmp_path: Path, first: str):
    async with started(tmp_path, "--listen", f"{first}:0") as server:
        port = server.address.rpartition(":")[2]
        for host in {first, "localhost"}:
            flags = ("--listen", f"{host}:{port}")
            status, out, err = await run_to_the_end(tmp_path / "second.db", *flags)
            assert (status, out) == (1, "")
            assert "another program has" in err
        assert await is_serving(server.address)


async def test_a_restart_has_its_port_again_while_clients_are_connected(tmp_path: Path):
    server = await Server(tmp_path).start()
    for end in (server.kill, server.stop):
        async with grpc.aio.insecure_channel(server.address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            await health.Check(health_pb2.HealthCheckRequest())
            await end()
            await server.start()
    await server.kill()


@pytest.mark.parametrize(
    ("listen", "said"),
    [("192.0.2.1:0", "192.0.2.1 is no address of this machine"), ("nobody.invalid:1", "nobody.")],
)
async def test_what_is_no_address_of_this_machine_is_refused(tmp_path: Path, listen, said):
    flags = ("--insecure", "--listen", listen)
    status, out, err = await run_to_the_end(tmp_path / "x.db", *flags)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].startswith(f"countermand: cannot listen on {listen}: {said}")
    assert len([line for line in err.splitlines() if line[0] != "{"]) == 1


async def test_localhost_is_both_loopback_addresses_whatever_the_resolver_says():
    for name in ("localhost", "LocalHost."):
        assert [str(ip) for ip in await resolve(Address(name, 1))] == list(LOOPBACKS)
    assert await resolve(Address("::ffff:127.0.0.1", 1)) == [ip_address("127.0.0.1")]


def test_nothing_gets_between_the_look_at_a_port_and_its_taking():
    with held(Address("localhost", 0), list(map(ip_address, LOOPBACKS)), 16) as (bound, port):
        assert [str(ip) for ip in bound] == list(LOOPBACKS)
        for host in LOOPBACKS:
            other = socket.socket(FAMILIES[ip_address(host).version])
            with other, pytest.raises(OSError, match="Address already in use"):
                other.bind((host, port))


FEW_PORTS = """
import socket, sys
from ipaddress import ip_address
from countermand.app.address import Address
from countermand.rpc.listening.binding import BindRefused, held

others = [socket.create_server(("::1", 40001), family=socket.AF_INET6)]
wanted = Address("localhost", 0), [ip_address("127.0.0.1"), ip_address("::1")]
with held(*wanted, 1000) as (bound, port):
    print(port)
others.append(socket.create_server(("::1", 40003), family=socket.AF_INET6))
try:
    with held(*wanted, 3):
        pass
except BindRefused as refusal:
    print(refusal)
"""


def test_a_free_port_is_free_on_every_address_or_there_is_none():
    """In a network of its own. Linux gives the odd ports of the lower half first: 40001 and
    40003."""
    program = shutil.which("unshare")
    if program is None or os.geteuid() != 0:
        pytest.skip("needs unshare, and root to use it")
    ports = "echo 40000 40007 > /proc/sys/net/ipv4/ip_local_port_range"
    script = f'ip link set lo up && {ports} && exec "$@"'
    command = [program, "-n", "sh", "-c", script, "sh", sys.executable, "-c", FEW_PORTS]
    found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if "Operation not permitted" in found.stderr or "not found" in found.stderr:
        pytest.skip(found.stderr)
    assert found.stderr == ""
    port, refusal = found.stdout.splitlines()
    assert port == "40003"
    assert refusal.startswith("another program has [::1]:4000")
