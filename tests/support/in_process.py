"""Calls that enter the guard as gRPC hands them over, without a connection: a thousand times as
many can be made."""

import asyncio
from typing import Any

import grpc

from countermand.rpc.method import Stream
from tests.support.inside import Inside
from tests.support.raw import Rpc
from tests.support.refusals import refusal_of

FAULTS = ("INTERNAL", "STORE_UNAVAILABLE", "STORE_FULL")
LARGEST_TRAILERS = 6 * 1024
"""Of what ends a call: clients take 8 KiB, and what is binary travels a third longer."""


class Context:
    """What gRPC gives a handler to learn of its call, to read its request and to end it."""

    def __init__(self, key: str | None, data: bytes) -> None:
        self._metadata = () if key is None else (("x-api-key", key),)
        self._data = data
        self.task: asyncio.Task[Any] | None = None

    def invocation_metadata(self) -> Any:
        return self._metadata

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def time_remaining(self) -> float | None:
        return None

    async def read(self) -> bytes:
        return self._data

    async def write(self, message: bytes) -> None:
        """Takes a message and hangs up, as a client does that wants no more."""
        assert self.task is not None
        self.task.cancel()

    async def abort(self, code: grpc.StatusCode, details: str, trailers: Any) -> None:
        assert len(details) + sum(len(value) for _, value in trailers) <= LARGEST_TRAILERS
        raise grpc.aio.AioRpcError(
            code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), details=details
        )


class InProcess:
    """The methods of a server, called past its port."""

    def __init__(self, server: Inside) -> None:
        self._handlers: dict[str, Any] = {}
        for name, method in server.methods.items():
            wrap: Any = server.guard.stream if isinstance(method, Stream) else server.guard.unary
            self._handlers[f"/{name}"] = wrap(method)

    async def call(self, rpc: Rpc, data: bytes, key: str | None) -> str:
        """Returns why the call was refused, "" if it was not.

        Holds refusals to the API's table, and no fault of the server may be among them.
        """
        context = Context(key, data)
        context.task = asyncio.create_task(self._handlers[rpc.path](context))
        try:
            await context.task
        except asyncio.CancelledError:
            assert rpc.stream
        except grpc.aio.AioRpcError as error:
            reason = refusal_of(error).reason
            assert reason not in FAULTS, f"{rpc.name} {data!r}"
            return reason
        return ""
