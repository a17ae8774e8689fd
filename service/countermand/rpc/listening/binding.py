"""All addresses of a host with one port, or none of them.

gRPC is content with one address of several, so a server would say that it listens on `localhost`
while another program has the half of it. Here each is bound by a socket of ours first. That socket
is held while gRPC binds the same, which Linux allows as long as only one of them listens: so
nothing gets in between, and a free port is free on every address.
"""

import asyncio
import errno
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address

from countermand.app.address import LOCALHOST, Address, IpAddress

_LOOPBACKS = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class BindRefused(Exception):
    """An address cannot be bound; the text says which and why, for the operator."""


async def resolve(address: Address) -> list[IpAddress]:
    """Returns the addresses of a host, each once. Raises BindRefused.

    `localhost` is the two loopback addresses, whatever the machine's resolver says of it, for
    gRPC's clients try both.
    """
    found = address.ip
    if found is not None:
        mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
        return [mapped or found]
    if address.host.lower().rstrip(".") == LOCALHOST:
        return list(_LOOPBACKS)
    loop = asyncio.get_running_loop()
    try:
        infos = await loop.getaddrinfo(address.host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise BindRefused(f"{address.host}: {error.strerror}") from None
    texts = dict.fromkeys(str(info[4][0]) for info in infos)
    if any("%" in text for text in texts):
        raise BindRefused(f"{address.host} has an address with a zone")
    return [ip_address(text) for text in texts]


@contextmanager
def held(
    address: Address, ips: Sequence[IpAddress], free_port_tries: int
) -> Iterator[tuple[list[IpAddress], int]]:
    """Binds each address, and gives those that were bound and their port while they are held.

    Port 0 finds one that is free on all of them, in so many tries. Raises BindRefused.
    """
    with ExitStack() as stack:
        sockets = _bind_somewhere(address, ips, free_port_tries, stack)
        port = next(iter(sockets.values())).getsockname()[1]
        if sys.platform != "linux":  # where two sockets cannot be bound to one address
            stack.close()
        yield list(sockets), port


def bind(
    address: Address, ips: Sequence[IpAddress], free_port_tries: int
) -> tuple[list[socket.socket], int]:
    """Returns a bound socket for each address, and their port, for us to listen on.

    Port 0 finds one that is free on all of them, in so many tries. Raises BindRefused.
    """
    with ExitStack() as stack:
        sockets = list(_bind_somewhere(address, ips, free_port_tries, stack).values())
        stack.pop_all()
    return sockets, sockets[0].getsockname()[1]


class _InUse(BindRefused):
    """The address is another program's."""


def _bind_somewhere(
    address: Address, ips: Sequence[IpAddress], tries: int, stack: ExitStack
) -> dict[IpAddress, socket.socket]:
    for last in reversed(range(tries if address.port == 0 else 1)):
        try:
            return _bind_all(address, ips, stack)
        except _InUse as error:
            stack.close()
            if last == 0:
                raise BindRefused(str(error)) from None
    raise AssertionError("there is at least one try")


def _bind_all(
    address: Address, ips: Sequence[IpAddress], stack: ExitStack
) -> dict[IpAddress, socket.socket]:
    bound: dict[IpAddress, socket.socket] = {}
    port = address.port
    for ip in ips:
        try:
            bound[ip] = stack.enter_context(_bind(ip, port))
        except OSError as error:
            # Nobody else can listen, and no client be answered, on what this machine lacks.
            if error.errno in _NOT_HERE and ip in _LOOPBACKS and len(ips) > 1:
                continue
            raise _refusal(error, Address(str(ip), port)) from None
        port = bound[ip].getsockname()[1]
    if not bound:
        raise BindRefused("this machine has no loopback address")
    return bound


def _bind(ip: IpAddress, port: int) -> socket.socket:
    """Returns a socket that is bound and does not listen. Raises OSError."""
    if ip.is_unspecified:  # for gRPC, either of these is every address of both kinds
        try:
            return _bound(socket.AF_INET6, "::", port)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            return _bound(socket.AF_INET, "0.0.0.0", port)
    return _bound(socket.AF_INET if ip.version == 4 else socket.AF_INET6, str(ip), port)


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        made.bind((host, port))
    except BaseException:
        made.close()
        raise
    return made


def _refusal(error: OSError, address: Address) -> BindRefused:
    if error.errno == errno.EADDRINUSE:
        return _InUse(f"another program has {address}")
    if error.errno in _NOT_HERE:
        return BindRefused(f"{address.host} is no address of this machine")
    return BindRefused(f"{address}: {error.strerror}")
