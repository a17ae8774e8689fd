"""Where webhooks may go: to public addresses alone, so that nothing inside can be reached.

What `ipaddress` calls global is not enough: some of it leads inside, by itself or by what it stands
for.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

MAX_URL = 2_048
WEB_PORTS = (80, 443)
FIRST_FREE_PORT = 1024
LAST_PORT = 65_535

_DENIED_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's own services
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_UNICAST_6 = IPv6Network("2000::/3")
"""All that is handed out; what else there is stands for something, or leads inside."""
_DENIED_6 = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))
)
_NAT64 = IPv6Network("64:ff9b::/96")

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+", re.IGNORECASE)
_PRINTABLE = re.compile(r"[!-~]+")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
"""A last label that some resolvers take for a part of an address."""


def is_public(address: str) -> bool:
    """Whether an IP address, as a socket has it, leads to the internet and nowhere else."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return _is_public_4(found)
    return found.scope_id is None and _is_public_6(found)


def is_loopback(address: str) -> bool:
    """Whether an IP address is of this machine's loopback."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback


def _is_public_4(address: IPv4Address) -> bool:
    return not any(address in network for network in _DENIED_4)


def _is_public_6(address: IPv6Address) -> bool:
    if address.ipv4_mapped is not None:
        return _is_public_4(address.ipv4_mapped)
    if address in _NAT64:
        return _is_public_4(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _UNICAST_6 and not any(address in network for network in _DENIED_6)


def is_port(port: int) -> bool:
    """Whether a port may be one of a web server."""
    return port in WEB_PORTS or FIRST_FREE_PORT <= port <= LAST_PORT


def wrong_in_url(url: str, *, sandbox: bool, loopback: bool) -> str:
    """Returns what is wrong with where an endpoint is said to be; empty if nothing is.

    `loopback` lets it be on this machine, too.
    """
    if not 1 <= len(url) <= MAX_URL:
        return f"must have 1 to {MAX_URL:,} characters"
    if _PRINTABLE.fullmatch(url) is None or "\\" in url or "#" in url:
        return "must be printable ASCII without blanks, backslashes and fragments"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "must be a URL"
    if parts.scheme != "https" and not (parts.scheme == "http" and sandbox):
        return "must begin with https://" + (" or http://" if sandbox else "")
    if "@" in parts.netloc:
        return "must not have a user or password"
    if port is not None and not is_port(port):
        return "must have the port 80, 443 or one from 1024 on"
    return _wrong_in_host(parts, loopback)


def _wrong_in_host(parts: SplitResult, loopback: bool) -> str:
    host = parts.hostname or ""
    bracketed = parts.netloc.startswith("[")
    if bracketed or _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            literal = ip_address(host)
        except ValueError:
            return "must have a host name, or an address in its usual form"
        if bracketed != isinstance(literal, IPv6Address):
            return "must have a host name, or an address in its usual form"
        if is_public(host) or (loopback and is_loopback(host)):
            return ""
        return "must not have an address that is not public"
    if host == "localhost":
        return "" if loopback else "must not be this machine"
    if _NAME.fullmatch(host) is None or host.endswith(".localhost"):
        return "must have the full name of a public host"
    return ""
