"""HOST:PORT as an operator writes it, read by us.

gRPC would take a port beyond 65535 modulo 65536, a service's name for its port, `unix:` and
`vsock:` for sockets of other kinds, and a zone for nothing: each listens elsewhere than was meant.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

IpAddress = IPv4Address | IPv6Address

MAX_PORT = 65_535
LOCALHOST = "localhost"

_PORT = re.compile(r"[0-9]{1,5}")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_MAX_NAME = 253


class Address(NamedTuple):
    """A host and a port."""

    host: str
    """A name, an IPv4 address, or an IPv6 address without its brackets."""
    port: int

    @property
    def ip(self) -> IpAddress | None:
        """What the host says if it is an IP address, None if it is a name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_loopback(self) -> bool:
        """Whether nobody beyond this machine can reach it, as far as its words say."""
        found = self.ip
        if found is None:
            return self.host.lower().rstrip(".") == LOCALHOST
        return is_loopback(found)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Returns what a HOST:PORT says.

    HOST is a name, an IPv4 address, or an IPv6 address in brackets; PORT is 0 to 65535. Raises
    ValueError for anything else, with what is wrong about it.
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError("it has no port: HOST:PORT is meant")
    if _PORT.fullmatch(port) is None or int(port) > MAX_PORT:
        raise ValueError(f"its port is no number from 0 to {MAX_PORT}")
    return Address(_parse_host(host), int(port))


def is_loopback(found: IpAddress) -> bool:
    """Whether nobody beyond this machine can reach the address."""
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback


def _parse_host(host: str) -> str:
    if not host:
        raise ValueError("its host is missing; 0.0.0.0 means every address of this machine")
    if host.startswith("[") and host.endswith("]"):
        return _parse_ipv6(host[1:-1])
    if ":" in host:
        raise ValueError("an IPv6 address stands in brackets, as in [::1]:50051")
    last = host.rstrip(".").rpartition(".")[2]
    if _NUMBER.fullmatch(last):  # the shapes of IPv4, of which only one is taken
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise ValueError("its host is no IPv4 address") from None
    if len(host) > _MAX_NAME or _NAME.fullmatch(host) is None:
        raise ValueError("its host is neither an IP address nor a name")
    return host


def _parse_ipv6(text: str) -> str:
    if "%" in text:
        raise ValueError("an address with a zone is not supported")
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise ValueError("what stands in its brackets is no IPv6 address") from None
