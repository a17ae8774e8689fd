"""The guard of what goes out: each address is judged where it is connected to.

A look-up that is judged is not enough: addresses in a URL are never looked up, and what a name
leads to may change between the judgement and the connection. So sockets are only made for addresses
that are public at that moment; judging look-ups as well refuses a name that leads to both kinds.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

from countermand.core.egress import is_loopback, is_port, is_public
from countermand.core.knobs import WebhookKnobs

asking: ContextVar[int] = ContextVar("asking", default=0)
"""For which namespace the present try is."""


class AddressRefused(OSError):
    """An address is none that webhooks may go to."""


class Gate:
    """Judges addresses, and makes sockets for those that are let through."""

    def __init__(self, *, loopback: bool = False) -> None:
        """`loopback` lets this machine's own loopback through, too."""
        self._loopback = loopback

    def lets(self, address: str) -> bool:
        """Whether an address is one to go to."""
        return is_public(address) or (self._loopback and is_loopback(address))

    def make_socket(self, info: AddrInfoType) -> socket.socket:
        """Returns a socket for an address that is about to be connected to. Raises
        AddressRefused."""
        family, kind, protocol, _, target = info
        address, port = str(target[0]), int(target[1])
        if not self.lets(address) or not is_port(port):
            raise AddressRefused(f"{address} is not a public address")
        if is_public(address) and _is_own(family, target):
            raise AddressRefused(f"{address} is an address of this machine")
        return socket.socket(family, kind, protocol)


def _is_own(family: int, target: Any) -> bool:
    """Whether an address is one of this machine's: then it would also be where it comes from."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(target)  # It sends nothing.
        except OSError:
            return False
        own: str = probe.getsockname()[0]
        return own == str(target[0])


class Lookups(AbstractResolver):
    """Looks names up on threads of its own, so that a name server that does not answer keeps
    nobody else waiting; a tenant has some of them at most."""

    def __init__(self, gate: Gate, knobs: WebhookKnobs) -> None:
        self._gate = gate
        self._knobs = knobs
        self._threads = ThreadPoolExecutor(knobs.max_lookups, "webhook-lookup")
        self._of_one: dict[int, asyncio.Semaphore] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Returns the addresses of a name. Raises AddressRefused if any is not one to go to."""
        namespace = asking.get()
        most = self._knobs.max_lookups_of_one
        turns = self._of_one.setdefault(namespace, asyncio.Semaphore(most))
        await turns.acquire()
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, _look_up, host, port, family)
        # Who waits may give up, but the thread is taken until it is done.
        future.add_done_callback(lambda done: _release(turns, done))
        found = await asyncio.shield(future)
        for info in found:
            address = str(info[4][0])
            if not self._gate.lets(address):
                raise AddressRefused(f"{host} leads to {address}, which is not a public address")
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for family, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Lets the threads go once they are done."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[Any]:
    return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)


def _release(turns: asyncio.Semaphore, done: "asyncio.Future[Any]") -> None:
    turns.release()
    if not done.cancelled():
        done.exception()  # Nobody may be left to ask for it.
