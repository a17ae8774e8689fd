"""Who calls, as far as the connection says."""

from ipaddress import IPv6Address, ip_address

from countermand.rpc.guard.open_calls import Context
from countermand.telemetry.conventions import PEER_ADDRESS, peer_attributes


def address_of(context: Context) -> str:
    """Returns the address that a call came from. It takes time."""
    return str(peer_attributes(context.peer())[PEER_ADDRESS])


def network_of(context: Context) -> str:
    """Returns what one caller may have many addresses of, and that a call came from."""
    return network(address_of(context))


def network(address: str) -> str:
    """Returns what one caller may have many addresses of: in IPv6, 64 bits."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else f"{int(parsed) >> 64:016x}"
